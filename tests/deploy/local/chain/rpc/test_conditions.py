"""Endpoints of the local chain under the conditions of a pool: lag, losses, limits, silence."""

from __future__ import annotations

import json
from typing import Any

import pytest
from solders.pubkey import Pubkey

from deploy.local.chain.rpc.conditions import Conditions, Refusal
from deploy.local.chain.rpc.methods import answer
from tests.deploy.local.chain.caller import PROCESSED, Caller, wire
from tests.deploy.local.chain.payments import SOL, advance, pay_sol, sign

POOL = "/pool"


class Pool(Caller):
    """Calls to an endpoint with conditions; `calm` calls the healthy one of the same chain."""

    def __init__(self, **conditions: Any) -> None:
        super().__init__()
        self.path = "/"
        self.call("local_setConditions", POOL, conditions)
        self.path = POOL
        advance(self.ledger, 40)

    def calm(self, method: str, *params: Any) -> Any:
        self.path = "/"
        try:
            return self.call(method, *params)
        finally:
            self.path = POOL

    def response(self, method: str, *params: Any) -> Any:
        body = {"jsonrpc": "2.0", "id": 7, "method": method, "params": params}
        return json.loads(self.post(body))

    def post(self, body: Any) -> bytes:
        raw, endpoint = json.dumps(body).encode(), self.node.endpoint(self.path)
        endpoint.check_request(raw, "client", 0.0)
        return answer(self.node, raw, endpoint)

    def refusal(self, body: Any) -> tuple[int, Any]:
        with pytest.raises(Refusal) as refused:
            self.post(body)
        return refused.value.status, refused.value.body and json.loads(refused.value.body)["error"]


def test_each_method_answers_from_the_state_of_its_own_number_of_blocks_ago() -> None:
    pool = Pool(lag_blocks={"getBalance": 20, "getSignatureStatuses": 3, "*": 1})
    address = str(pool.payer.pubkey())
    before = pool.value("getBalance", address)
    signature = pool.send(pool.memo("later"), skipPreflight=True)

    advance(pool.ledger, 2)
    statuses = pool.value("getSignatureStatuses", [signature])
    advance(pool.ledger, 20)

    assert statuses == [None]
    assert pool.value("getSignatureStatuses", [signature]) != [None]
    assert pool.value("getBalance", address) == before
    assert pool.calm("getBalance", address)["value"] < before
    context = pool.call("getBalance", address)["context"]
    assert context["slot"] == pool.calm("getSlot") - 20
    assert pool.call("getSlot") == pool.calm("getSlot") - 1


def test_a_late_node_refuses_a_context_slot_that_it_has_not_reached_and_says_its_own() -> None:
    pool = Pool(lag_blocks={"getAccountInfo": 5})
    slot = pool.calm("getSlot")

    error = pool.error("getAccountInfo", str(pool.payer.pubkey()), {"minContextSlot": slot})

    assert error["code"] == -32016
    assert error["data"] == {"contextSlot": slot - 5}
    reached = {"encoding": "base64", "minContextSlot": slot - 5}
    assert pool.call("getAccountInfo", str(pool.payer.pubkey()), reached)


def test_methods_without_a_context_slot_ignore_one_as_a_real_server_does() -> None:
    pool = Pool(lag_blocks={"*": 5})
    future = {"maxSupportedTransactionVersion": 1, "minContextSlot": pool.calm("getSlot") + 999}
    signature = pool.send(pool.memo("old"), skipPreflight=True)

    assert pool.call("getTransaction", signature, future) is None
    advance(pool.ledger, 20)
    assert pool.call("getTransaction", signature, future)


def test_a_late_node_does_not_know_a_fresh_blockhash_and_knows_no_fee_for_it() -> None:
    pool = Pool(lag_blocks={"getFeeForMessage": 4, "isBlockhashValid": 4, "sendTransaction": 4})
    latest = pool.value("getLatestBlockhash", PROCESSED)["blockhash"]

    sent = pool.refused(pool.memo("with a fresh blockhash"))

    assert pool.value("isBlockhashValid", latest, PROCESSED) is False
    assert sent["data"]["err"] == "BlockhashNotFound"
    advance(pool.ledger, 4)
    assert pool.value("isBlockhashValid", latest, PROCESSED) is True


def test_a_late_node_still_forwards_transactions() -> None:
    pool = Pool(lag_blocks={"*": 30})

    signature = pool.send(pool.memo("forwarded"), skipPreflight=True)

    assert pool.calm("getSignatureStatuses", [signature])["value"] != [None]


def test_the_calls_of_one_request_meet_one_node_and_requests_draw_by_the_seed() -> None:
    def heights(seed: int) -> list[int]:
        pool = Pool(lag_blocks={"*": [0, 10, 20]}, seed=seed)
        call = {"jsonrpc": "2.0", "id": 1, "method": "getBlockHeight"}
        first = [json.loads(pool.post([call, call])) for _ in range(40)]
        assert all(one["result"] == other["result"] for one, other in first)
        return [one["result"] for one, _ in first]

    drawn = heights(7)

    assert heights(7) == drawn
    assert heights(8) != drawn
    assert {max(drawn) - height for height in drawn} == {0, 10, 20}


def test_a_node_is_no_further_behind_than_the_chain_remembers_its_accounts() -> None:
    chain = Caller()
    chain.node.set_conditions(POOL, Conditions(lag_blocks={"*": 100}))
    address = Pubkey.new_unique()
    chain.send(sign([pay_sol(chain.payer, address, SOL)], [chain.payer], chain.tip_hash))
    advance(chain.ledger, 20)
    late = chain.node.behind(chain.node.endpoint(POOL), "getBalance", 0.0)
    chain.node = late

    first = chain.call("getBalance", str(address))

    assert first["value"] == 0
    assert chain.ledger.blocks.tip.slot - first["context"]["slot"] < 100


def test_a_node_that_is_far_behind_says_that_it_is_not_healthy() -> None:
    pool = Pool(lag_blocks={"*": 150})
    advance(pool.ledger, 150)

    error = pool.error("getHealth")

    assert (error["code"], error["data"]) == (-32005, {"numSlotsBehind": 150})
    assert pool.calm("getHealth") == "ok"


def test_a_share_of_the_sent_transactions_is_answered_and_never_lands() -> None:
    pool = Pool(lost_sends_percent=30, seed=3)

    sent = [pool.send(pool.memo(f"{number}")) for number in range(100)]

    landed = pool.value("getSignatureStatuses", sent)
    assert 15 < landed.count(None) < 45
    assert len(set(sent)) == 100


def test_a_transaction_that_was_lost_lands_when_it_is_sent_again() -> None:
    pool = Pool(lost_sends_percent=100)
    memo = pool.memo("again")
    signature = pool.send(memo)
    assert pool.value("getSignatureStatuses", [signature]) == [None]

    pool.calm("sendTransaction", wire(memo), {"encoding": "base64", "skipPreflight": True})

    assert pool.value("getSignatureStatuses", [signature]) != [None]


@pytest.mark.parametrize("method", ["sendTransaction", "simulateTransaction"])
def test_an_endpoint_shows_v1_as_active_and_refuses_large_transactions(method: str) -> None:
    pool = Pool(max_transaction_bytes=1_232)
    large = pool.memo("x" * 1_500)

    error = pool.error(method, wire(large), {"encoding": "base64"})

    assert error["code"] == -32602
    assert "too large" in error["message"]
    feature = "txv1aq4pp281K9um3tnPgkfX8UqtFT6wcVW3hNezGLL"
    assert pool.value("getAccountInfo", feature, {"encoding": "base64"})
    assert pool.send(pool.memo("small"))


@pytest.mark.parametrize(
    ("method", "small", "large"),
    [
        ("getMultipleAccounts", [5], [6]),
        ("getSignatureStatuses", [5], [6]),
        ("getSignaturesForAddress", {"limit": 5}, {"limit": 6}),
        ("getSignaturesForAddress", {"limit": 5}, {}),
        ("getBlocks", 4, 5),
    ],
)
def test_a_plan_limits_the_items_of_a_call(method: str, small: Any, large: Any) -> None:
    pool = Pool(max_items={method: 5})
    address = str(pool.payer.pubkey())

    def params(size: Any) -> list[Any]:
        if method == "getBlocks":
            return [1_001, 1_001 + size]
        if method == "getSignaturesForAddress":
            return [address, size]
        return [[address if method == "getMultipleAccounts" else "1" * 64] * size[0]]

    pool.call(method, *params(small))
    error = pool.error(method, *params(large))

    assert error["code"] == -32602
    assert "5 range on this plan" in error["message"]


def test_a_plan_refuses_methods_by_name() -> None:
    pool = Pool(method_errors={"getBlockTime": -32004, "getProgramAccounts": -32601})

    assert pool.error("getBlockTime", 1_001)["code"] == -32004
    assert pool.error("getProgramAccounts", str(pool.payer.pubkey()))["code"] == -32601
    assert pool.call("getSlot")


@pytest.mark.parametrize("status", [413, -32615])
def test_a_gateway_refuses_a_large_call_by_its_own_status(status: int) -> None:
    pool = Pool(max_items={"getMultipleAccounts": 1}, items_refusal=status)
    params = [[str(pool.payer.pubkey())] * 2]
    body = {"jsonrpc": "2.0", "id": 1, "method": "getMultipleAccounts", "params": params}

    if status == 413:
        refused, error = pool.refusal(body)
        assert (refused, error["code"]) == (413, -32615)
    else:
        assert pool.error("getMultipleAccounts", *params)["code"] == -32615


@pytest.mark.parametrize("status", [400, 403])
def test_a_gateway_refuses_batches(status: int) -> None:
    pool = Pool(batches_refusal=status)

    refused, error = pool.refusal([{"jsonrpc": "2.0", "id": 1, "method": "getSlot"}])

    assert (refused, error["code"]) == (status, -32600)
    assert pool.call("getSlot")


def test_a_gateway_refuses_a_large_body() -> None:
    pool = Pool(max_request_bytes=200)

    assert pool.refusal(["x" * 200]) == (413, b"")
    assert pool.call("getSlot")


@pytest.mark.parametrize("status", [429, 403])
def test_calls_beyond_the_rate_are_refused_by_client_as_the_provider_does(status: int) -> None:
    pool = Pool(calls_per_second=2, rate_refusal=status, retry_after_seconds=9)
    body = {"jsonrpc": "2.0", "id": 1, "method": "getSlot"}

    answered = [pool.post(body) for _ in range(2)]

    assert len(answered) == 2
    assert pool.refusal(body)[0] == status
    with pytest.raises(Refusal) as refused:
        pool.node.endpoint(POOL).check_request(b"{}", "client", 0.1)
    assert refused.value.retry_after_seconds == 9
    pool.node.endpoint(POOL).check_request(b"{}", "another client", 0.1)


def test_the_requests_of_an_endpoint_are_counted() -> None:
    pool = Pool()
    for _ in range(3):
        pool.call("getSlot")

    assert pool.calm("local_countRequests", POOL) == 3


def test_a_rate_of_none_refuses_everything() -> None:
    pool = Pool(calls_per_second=0)

    assert pool.refusal({"method": "getSlot"})[0] == 429


@pytest.mark.parametrize(
    "wrong",
    [
        {"lag_blocks": {"*": 301}},
        {"lag_blocks": {"*": [0, -1]}},
        {"lost_sends_percent": 101},
        {"items_refusal": 500},
        {"rate_refusal": 500},
        {"batches_refusal": 200},
        {"weather": "bad"},
        {"lag_blocks": 3},
    ],
)
def test_conditions_of_a_wrong_shape_are_refused(wrong: Any) -> None:
    chain = Caller()

    assert chain.error("local_setConditions", POOL, wrong)["code"] == -32602
