"""Calls to a local chain without HTTP, for the tests of its methods."""

from __future__ import annotations

import base64
import json
from typing import Any

from solders.hash import Hash
from solders.pubkey import Pubkey
from solders.transaction import VersionedTransaction

from deploy.local.chain.rpc.methods import answer
from deploy.local.chain.rpc.node import Node
from tests.deploy.local.chain.payments import (
    NOW,
    Treasury,
    advance,
    funded,
    memo,
    new_ledger,
    recipients,
    sign,
    treasury,
)

PROCESSED = {"commitment": "processed"}
CONFIRMED = {"commitment": "confirmed"}


class Caller:
    """A node with a funded payer, and calls to it without HTTP."""

    def __init__(self, *, admin: bool = True, **rules: object) -> None:
        self.ledger = new_ledger(**rules)
        self.node = Node(self.ledger, lambda: NOW, admin=admin)
        self.payer = funded(self.ledger)
        advance(self.ledger, 10)

    def response(self, method: str, *params: Any) -> Any:
        body = {"jsonrpc": "2.0", "id": 7, "method": method, "params": params}
        return json.loads(answer(self.node, json.dumps(body).encode()))

    def call(self, method: str, *params: Any) -> Any:
        response = self.response(method, *params)
        assert "error" not in response, response
        return response["result"]

    def value(self, method: str, *params: Any) -> Any:
        return self.call(method, *params)["value"]

    def error(self, method: str, *params: Any) -> Any:
        response = self.response(method, *params)
        assert "result" not in response, response
        return response["error"]

    @property
    def tip_hash(self) -> Hash:
        return self.ledger.blocks.tip.blockhash

    def send(self, transaction: VersionedTransaction, **config: Any) -> str:
        return str(self.call("sendTransaction", wire(transaction), sending(**config)))

    def refused(self, transaction: VersionedTransaction, **config: Any) -> Any:
        return self.error("sendTransaction", wire(transaction), sending(**config))

    def memo(self, text: str = "x", **options: Any) -> VersionedTransaction:
        return sign([memo(text)], [self.payer], self.tip_hash, **options)


def wire(transaction: VersionedTransaction) -> str:
    return base64.b64encode(bytes(transaction)).decode()


def sending(**config: Any) -> dict[str, Any]:
    return {"encoding": "base64", "preflightCommitment": "processed", "maxRetries": 0, **config}


def paid(chain: Caller, count: int = 3) -> tuple[Treasury, list[Pubkey], str]:
    """Land a payment and let it be finalized."""
    payer = treasury(chain.ledger)
    accounts = recipients(chain.ledger, payer.mint, count)
    rent = chain.call("getMinimumBalanceForRentExemption", 1)
    payment = sign(payer.payment(accounts, "week/1", rent), [payer.authority], chain.tip_hash)
    signature = chain.send(payment)
    advance(chain.ledger, 10)
    return payer, accounts, signature


def owner_filter(payer: Treasury) -> list[Any]:
    return [str(payer.authority.pubkey()), {"mint": str(payer.mint)}, {"encoding": "base64"}]
