"""Endpoints whose plan allows smaller or fewer requests than a node does."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.adapters.solana.cluster import Cluster, some_endpoints
from tests.adapters.solana.rpc_server import JsonRpcError, Misbehaviour, RpcServer
from worker.adapters.solana.rpc import sizes as size_limits
from worker.adapters.solana.rpc.calls import Call
from worker.adapters.solana.rpc.endpoint import Retries
from worker.adapters.solana.rpc.endpoints import Rpc
from worker.core.errors import Unreachable
from worker.core.payout.chain import Landing
from worker.core.plan.receipts import ReceiptState


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    with some_endpoints(1) as made:
        yield made


def error_body(code: int, message: str) -> bytes:
    error = {"code": code, "message": message}
    return json.dumps({"jsonrpc": "2.0", "id": 1, "error": error}).encode()


def limit_in_json(server: RpcServer, method: str, most: int, code: int) -> None:
    """Answer larger calls of a method with a JSON-RPC error."""
    answer = server.handlers[method]

    def limited(params: list[Any]) -> Any:
        if len(params[0]) > most:
            raise JsonRpcError(code, f"{method}: max {most} on this plan")
        return answer(params)

    server.on(method, limited)


def limit_in_http(server: RpcServer, method: str, most: int, status: int, body: bytes) -> None:
    """Refuse every request that contains a larger call of a method."""

    def refuse(calls: list[dict[str, Any]]) -> Misbehaviour | None:
        large = any(it["method"] == method and len(it["params"][0]) > most for it in calls)
        return Misbehaviour(status, body=body) if large else None

    server.refuses = refuse


def sizes(server: RpcServer, method: str) -> list[int]:
    return [len(request) for request in server.requests if method in request]


@pytest.mark.parametrize("code", [-32602, -32615, -32600, -32000, 413])
@pytest.mark.parametrize("most", [1, 5, 99])
def test_lists_shrink_until_the_endpoint_takes_them(cluster: Cluster, code: int, most: int) -> None:
    ids = [f"id {number}" for number in range(150)]
    cluster.receipt("id 3", 1)
    cluster.receipt("id 149", 2)
    limit_in_json(cluster.servers[0], "getMultipleAccounts", most, code)

    states = cluster.chain.receipts(ids)

    assert states["id 3"] is ReceiptState.PAID
    assert states["id 149"] is ReceiptState.VOID
    assert list(states.values()).count(ReceiptState.FREE) == 148


@pytest.mark.parametrize(
    "body", [b"", b"<html>too large</html>", error_body(-32615, "limited to a 5 range")]
)
def test_lists_shrink_after_http_413(cluster: Cluster, body: bytes) -> None:
    limit_in_http(cluster.servers[0], "getMultipleAccounts", 5, 413, body)

    states = cluster.chain.receipts([f"id {number}" for number in range(150)])

    assert set(states.values()) == {ReceiptState.FREE}


@pytest.mark.parametrize("status", [400, 422])
def test_lists_shrink_after_an_http_error_with_a_json_rpc_error(
    cluster: Cluster, status: int
) -> None:
    body = error_body(-32602, "max 5 accounts on this plan")
    limit_in_http(cluster.servers[0], "getMultipleAccounts", 5, status, body)

    states = cluster.chain.receipts([f"id {number}" for number in range(12)])

    assert set(states.values()) == {ReceiptState.FREE}


def test_a_smaller_size_is_remembered_for_its_method(cluster: Cluster) -> None:
    limit_in_json(cluster.servers[0], "getMultipleAccounts", 5, -32602)
    ids = [f"id {number}" for number in range(6)]
    cluster.chain.receipts(ids)
    cluster.servers[0].requests.clear()

    cluster.chain.receipts(ids)

    assert [len(request) for request in cluster.servers[0].requests] == [2]


def test_a_smaller_size_is_forgotten_after_a_while(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(size_limits, "REMEMBERED_SECONDS", 0.4)
    answer = cluster.servers[0].handlers["getMultipleAccounts"]
    limit_in_json(cluster.servers[0], "getMultipleAccounts", 5, -32602)
    ids = [f"id {number}" for number in range(40)]
    cluster.chain.receipts(ids)
    cluster.servers[0].on("getMultipleAccounts", answer)  # the bad minute is over
    time.sleep(0.5)
    cluster.servers[0].requests.clear()

    cluster.chain.receipts(ids)

    assert cluster.servers[0].requests == [["getMultipleAccounts"]]


def test_smaller_batches_are_forgotten_after_a_while(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(size_limits, "REMEMBERED_SECONDS", 0.4)
    server, ids = cluster.servers[0], [f"id {number}" for number in range(300)]
    server.takes_batches = False
    cluster.chain.receipts(ids)
    server.takes_batches = True
    time.sleep(0.5)
    server.requests.clear()

    cluster.chain.receipts(ids)

    assert server.requests == [["getMultipleAccounts"] * 3]


def test_the_slot_of_a_divided_list_is_the_lowest_of_its_parts(cluster: Cluster) -> None:
    limit_in_json(cluster.servers[0], "getMultipleAccounts", 5, -32602)
    ids = [f"id {number}" for number in range(6)]
    cluster.chain.receipts(ids)
    cluster.slots[0], cluster.slots_a_read[0] = 100, 1

    assert set(cluster.chain.receipts(ids, not_before_slot=100).values()) == {ReceiptState.FREE}
    cluster.slots[0], cluster.slots_a_read[0] = 110, -1
    states = cluster.chain.receipts(ids, not_before_slot=110)
    assert ReceiptState.UNKNOWN in states.values()


def test_a_refusal_at_every_size_stays_a_refusal(cluster: Cluster) -> None:
    limit_in_json(cluster.servers[0], "getMultipleAccounts", 0, -32602)

    states = cluster.chain.receipts([f"id {number}" for number in range(6)])

    assert set(states.values()) == {ReceiptState.UNKNOWN}


def test_statuses_shrink(cluster: Cluster) -> None:
    final = {"confirmationStatus": "finalized", "err": None}
    server = cluster.servers[0]
    server.on(
        "getSignatureStatuses",
        lambda params: {
            "context": {"slot": 9},
            "value": [final if it == "299" else None for it in params[0]],
        },
    )
    limit_in_json(server, "getSignatureStatuses", 10, -32602)

    found = cluster.chain.statuses([str(number) for number in range(300)])

    landed = [number for number, it in enumerate(found) if it.landing is Landing.FINALIZED]
    assert (len(found), landed) == (300, [299])


def test_pages_of_history_shrink_and_none_of_their_entries_is_lost(cluster: Cluster) -> None:
    mentions = [f"mention {number}" for number in range(230)]

    def page(params: list[Any]) -> Any:
        limit, before = params[1]["limit"], params[1].get("before")
        if limit > 50:
            raise JsonRpcError(-32602, "limit: at most 50 on this plan")
        first = mentions.index(before) + 1 if before else 0
        return [{"signature": it, "slot": 9, "err": None} for it in mentions[first : first + limit]]

    asked: list[str] = []
    cluster.on("getSignaturesForAddress", page)
    cluster.on("getTransaction", lambda params: asked.append(params[0]))

    cluster.chain.executions(["x"])

    assert sorted(asked) == sorted(mentions)


def echoing(server: RpcServer) -> None:
    server.on("echo", lambda params: params[0])


def echo_all(server: RpcServer, count: int, *, times: int = 1) -> list[Any]:
    rpc = Rpc([server.url], 5.0, Retries(attempts=3, backoff_seconds=0.01))
    calls = [Call("echo", [number]) for number in range(count)]
    try:
        return [rpc.any(calls, lambda replies: replies) for _ in range(times)][-1]
    finally:
        rpc.close()


def test_batches_shrink_after_http_413(cluster: Cluster) -> None:
    server = cluster.servers[0]
    echoing(server)
    server.refuses = lambda calls: Misbehaviour(413) if len(calls) > 6 else None

    assert echo_all(server, 20, times=2) == list(range(20))

    assert max(sizes(server, "echo")[-4:]) == 5


@pytest.mark.parametrize("status", [400, 403, 405])
def test_an_endpoint_that_answers_a_status_to_batches_gets_single_calls(
    cluster: Cluster, status: int
) -> None:
    server = cluster.servers[0]
    echoing(server)
    body = error_body(-32600, "batch requests are not supported")
    server.refuses = lambda calls: Misbehaviour(status, body=body) if len(calls) > 1 else None

    assert echo_all(server, 20, times=2) == list(range(20))

    assert sizes(server, "echo").count(1) == 40


def test_a_403_as_a_rate_limit_ends_no_batches(cluster: Cluster) -> None:
    server = cluster.servers[0]
    echoing(server)
    server.misbehaviours.extend([Misbehaviour(403)] * 21)

    assert echo_all(server, 20, times=2) == list(range(20))

    assert sizes(server, "echo")[-1] == 20


def test_a_single_call_that_is_too_large_is_refused(cluster: Cluster) -> None:
    cluster.servers[0].always = Misbehaviour(413)
    cluster.on("getGenesisHash", "x")

    with pytest.raises(Unreachable):
        cluster.chain.cluster_genesis()
