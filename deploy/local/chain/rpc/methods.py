"""The JSON-RPC 2.0 envelope of the local chain: bytes in, bytes out, without HTTP.

The methods are in the modules `cluster`, `accounts`, `transactions` and `admin` beside this one.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

from pydantic_core import from_json, to_json

from deploy.local.chain.rpc import accounts as chain_rpc_accounts
from deploy.local.chain.rpc import admin as chain_rpc_admin
from deploy.local.chain.rpc import cluster as chain_rpc_cluster
from deploy.local.chain.rpc import transactions as chain_rpc_transactions
from deploy.local.chain.rpc.conditions import Endpoint
from deploy.local.chain.rpc.node import Node
from deploy.local.chain.rpc.params import (
    INVALID_REQUEST,
    METHOD_NOT_FOUND,
    PARSE_ERROR,
    Json,
    Params,
    RpcError,
    invalid_params,
)

logger = logging.getLogger(__name__)

Method = Callable[[Node, Params], Json]
View = Callable[[str, Json], Node]

METHODS: dict[str, Method] = {
    **chain_rpc_accounts.METHODS,
    **chain_rpc_admin.METHODS,
    **chain_rpc_cluster.METHODS,
    **chain_rpc_transactions.METHODS,
}


def answer(node: Node, body: bytes, endpoint: Endpoint | None = None) -> bytes:
    """Answer a request body with one call or a batch of calls.

    Raises `Refusal` if the gateway of the endpoint refuses a call.
    """
    try:
        request = from_json(body)
    except ValueError:
        return _dump(_error(None, RpcError(PARSE_ERROR, "Parse error")))
    view = _healthy(node) if endpoint is None else _view(node, endpoint)
    if not isinstance(request, list):
        return _dump(_answer_one(view, request))
    if not request:
        return _dump(_error(None, RpcError(INVALID_REQUEST, "Invalid request")))
    return _dump([_answer_one(view, call) for call in request])


def _healthy(node: Node) -> View:
    return lambda _method, _params: node


def _view(node: Node, endpoint: Endpoint) -> View:
    """Return the node that answers each call of one HTTP request."""
    draw = endpoint.draw()

    def view(method: str, params: Json) -> Node:
        endpoint.check_call(method, params)
        return node.behind(endpoint, method, draw)

    return view


def _answer_one(view: View, call: Json) -> Json:
    if not isinstance(call, dict) or not isinstance(call.get("method"), str):
        return _error(None, RpcError(INVALID_REQUEST, "Invalid request"))
    name, number = call["method"], call.get("id")
    try:
        node = view(name, call.get("params"))
        result = _method(node, name)(node, Params(call.get("params")))
    except RpcError as error:
        return _error(number, error)
    except (TypeError, ValueError, KeyError, AttributeError, OverflowError) as error:
        # Nested parameters have a wrong shape: the caller's mistake. The log shows where.
        logger.warning("%s: %s: %s", name, type(error).__name__, error)
        return _error(number, invalid_params(f"Invalid params: {error}"))
    return {"jsonrpc": "2.0", "result": result, "id": number}


def _method(node: Node, name: str) -> Method:
    method = METHODS.get(name)
    if method is None and node.admin:
        method = chain_rpc_admin.ADMIN_METHODS.get(name)
    if method is None:
        raise RpcError(METHOD_NOT_FOUND, "Method not found")
    return method


def _error(number: Json, error: RpcError) -> Json:
    return {"jsonrpc": "2.0", "error": error.to_json(), "id": number}


def _dump(response: Json) -> bytes:
    return to_json(response)
