"""Signing with measured limits, sending, and reading the outcome."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from tests.adapters.solana.cluster import DOWN, KEY, MINT, Cluster, account, two_endpoints
from tests.adapters.solana.rpc_server import JsonRpcError, Misbehaviour
from worker.adapters.solana.addresses import TOKEN_PROGRAM, V1_FEATURE_GATE
from worker.adapters.solana.errors import MintUnusable, SampleRefused
from worker.core.errors import Unreachable
from worker.core.money import BaseUnits
from worker.core.payout.chain import Blockhash, Intent, Landing, SendResult, Transfer
from worker.core.plan.receipts import Resolution


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    with two_endpoints() as made:
        yield made


BLOCKHASH = Blockhash(str(MINT), 900)


# --- sending -------------------------------------------------------------------------------


def refusing(code: int) -> Callable[[list[Any]], Any]:
    def refuse(params: list[Any]) -> Any:
        raise JsonRpcError(code, f"refused with {code}")

    return refuse


@pytest.mark.parametrize("code", [-32002, -32003, -32602])
def test_a_transaction_is_refused_only_if_every_endpoint_refused_it(
    cluster: Cluster, code: int
) -> None:
    cluster.on("sendTransaction", refusing(code))

    [result] = cluster.chain.send([("sig", b"wire")])

    assert result.refused is not None
    assert result.refused.count(f"refused with {code}") == 2


@pytest.mark.parametrize(
    "second",
    ["sig", refusing(-32005), refusing(-32603), refusing(429)],
)
def test_one_endpoint_that_may_have_passed_it_on_is_enough(cluster: Cluster, second: Any) -> None:
    cluster.on("sendTransaction", refusing(-32002), second)

    assert cluster.chain.send([("sig", b"wire")]) == [SendResult("sig")]


@pytest.mark.parametrize(
    "misbehaviour", [DOWN, Misbehaviour(429), Misbehaviour(401), Misbehaviour(hangs_up=True)]
)
def test_silence_never_means_refused(cluster: Cluster, misbehaviour: Misbehaviour) -> None:
    for server in cluster.servers:
        server.always = misbehaviour

    assert cluster.chain.send([("sig", b"wire")]) == [SendResult("sig")]


def test_each_transaction_is_sent_to_each_endpoint_as_it_should(cluster: Cluster) -> None:
    seen: list[Any] = []
    cluster.on("sendTransaction", lambda params: seen.append(params))

    cluster.chain.send([("one", b"1"), ("two", b"2")])

    options = {"encoding": "base64", "skipPreflight": True, "maxRetries": 0}
    wires = sorted(params[0] for params in seen)
    assert wires == ["MQ==", "MQ==", "Mg==", "Mg=="]
    assert all(params[1] == options for params in seen)
    assert cluster.chain.send([]) == []


# --- statuses ------------------------------------------------------------------------------

PROCESSED = {"confirmationStatus": "processed", "err": None}
FINALIZED = {"confirmationStatus": "finalized", "err": None}
FAILING = {"confirmationStatus": "confirmed", "err": "Custom"}
FAILED = {"confirmationStatus": "finalized", "err": {"InstructionError": [1, "Custom"]}}


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        (None, None, Landing.UNSEEN),
        (None, PROCESSED, Landing.PENDING),
        (FAILING, None, Landing.PENDING),
        (FAILED, FAILING, Landing.FAILED),
        (None, FAILED, Landing.FAILED),
        (PROCESSED, FINALIZED, Landing.FINALIZED),
        (FAILED, FINALIZED, Landing.FINALIZED),
        ("odd", {}, Landing.PENDING),
    ],
)
def test_the_most_certain_status_counts(
    cluster: Cluster, first: Any, second: Any, expected: Landing
) -> None:
    cluster.on("getSignatureStatuses", {"value": [first]}, {"value": [second]})

    assert cluster.chain.statuses(["sig"])[0].landing is expected


def test_one_endpoint_is_enough_for_statuses(cluster: Cluster) -> None:
    cluster.on("getSignatureStatuses", {"value": [FINALIZED]})
    cluster.servers[0].always = DOWN

    assert cluster.chain.statuses(["sig"])[0].landing is Landing.FINALIZED
    cluster.servers[1].always = DOWN
    with pytest.raises(Unreachable):
        cluster.chain.statuses(["sig"])


def test_many_statuses_are_asked_256_at_a_time(cluster: Cluster) -> None:
    cluster.on(
        "getSignatureStatuses",
        lambda params: {"value": [FINALIZED if it == "300" else None for it in params[0]]},
    )

    found = cluster.chain.statuses([str(number) for number in range(600)])

    assert [it for it, status in enumerate(found) if status.landing is Landing.FINALIZED] == [300]
    assert len(cluster.servers[0].requests[0]) == 3


# --- signing -------------------------------------------------------------------------------


def ready(cluster: Cluster, *, v1: tuple[bool, bool] = (True, True)) -> None:
    """A cluster ready for signing: a mint, prices and the feature gate."""
    mint = bytes(36) + (10**18).to_bytes(8, "little") + b"\x09\x01"
    cluster.show(MINT, account(mint.ljust(82, b"\0"), str(TOKEN_PROGRAM)))
    for number, active in enumerate(v1):
        if active:
            cluster.show(V1_FEATURE_GATE, account(b"\1" + bytes(8)), number)
    cluster.on("getMinimumBalanceForRentExemption", lambda params: 1_000 + params[0])
    cluster.on("getLatestBlockhash", {"value": {"blockhash": str(MINT), "lastValidBlockHeight": 9}})
    cluster.on("getFeeForMessage", {"value": 5_000})
    simulated = {"err": None, "unitsConsumed": 10_000, "loadedAccountsDataSize": 200_000}
    cluster.on("simulateTransaction", {"value": simulated})


def intent(receipt: str, transfers: int = 1) -> Intent:
    listed = (Transfer(str(KEY.pubkey()), BaseUnits(1)),) * transfers
    return Intent((receipt,), Resolution.PAID, listed, receipt)


@pytest.mark.parametrize(
    ("v1", "transfers"),
    [((True, True), 57), ((True, False), 14), ((False, True), 14), ((False, False), 14)],
)
def test_v1_is_used_only_where_every_endpoint_has_it(
    cluster: Cluster, v1: tuple[bool, bool], transfers: int
) -> None:
    ready(cluster, v1=v1)

    assert cluster.chain.costs().transfers_per_transaction == transfers


def test_the_version_is_not_guessed_while_an_endpoint_is_silent(cluster: Cluster) -> None:
    ready(cluster)
    cluster.servers[1].always = DOWN
    with pytest.raises(Unreachable):
        cluster.chain.costs()

    cluster.servers[1].always = None
    assert cluster.chain.costs().transfers_per_transaction == 57


def test_one_simulation_for_each_shape_and_process(cluster: Cluster) -> None:
    ready(cluster)

    for number in range(3):
        cluster.chain.sign([intent(f"{number}/{it}", 4) for it in range(10)], BLOCKHASH)
    cluster.chain.sign([intent("a/b", 3), intent("c/d", 2)], BLOCKHASH)

    methods = [method for request in cluster.servers[0].requests for method in request]
    assert methods.count("simulateTransaction") == 2


def test_a_larger_intent_of_a_shape_is_simulated_again(cluster: Cluster) -> None:
    ready(cluster)

    for transfers in (4, 6, 5, 4):
        cluster.chain.sign([intent("x", transfers)], BLOCKHASH)

    methods = [method for request in cluster.servers[0].requests for method in request]
    assert methods.count("simulateTransaction") == 2


@pytest.mark.parametrize(
    "simulation",
    [
        {"value": {"err": {"InstructionError": [1, "Custom"]}, "unitsConsumed": 300}},
        {"value": None},
        {},
    ],
)
def test_where_a_simulation_fails_the_limit_is_generous(cluster: Cluster, simulation: Any) -> None:
    ready(cluster)
    [measured] = cluster.chain.sign([intent("x")], BLOCKHASH)
    cluster.on("simulateTransaction", simulation)

    [generous] = cluster.open().sign([intent("x")], BLOCKHASH)

    assert (1_400_000).to_bytes(4, "little") in generous.wire
    assert (1_400_000).to_bytes(4, "little") not in measured.wire
    # 10,000 units, plus 30%, plus the margins.
    assert (24_000).to_bytes(4, "little") in measured.wire


@pytest.mark.parametrize(
    ("price", "fee"),
    [(0, 0), (50_000, 1_200), (10**12, 2_000)],
)
def test_the_priority_fee_follows_others_up_to_its_maximum(
    cluster: Cluster, price: int, fee: int
) -> None:
    ready(cluster)
    cluster.on("getRecentPrioritizationFees", [{"slot": 1, "prioritizationFee": price}])
    generous = cluster.open(priority_fee_lamports_max=2_000)
    [plain] = cluster.chain.sign([intent("x")], BLOCKHASH)

    [urgent] = generous.sign([intent("x")], BLOCKHASH)

    assert fee == 0 or fee.to_bytes(8, "little") in urgent.wire
    assert len(urgent.wire) == len(plain.wire)
    assert generous.costs().priority_fee_max == 2_000


def test_a_retry_gets_the_highest_limit_and_fee(cluster: Cluster) -> None:
    ready(cluster)
    cluster.on("getRecentPrioritizationFees", [])
    chain = cluster.open(priority_fee_lamports_max=2_000)
    [first] = chain.sign([intent("x")], BLOCKHASH)

    [again, other] = chain.sign([replace(intent("x"), is_retry=True), intent("y")], BLOCKHASH)

    highest, fee = (1_400_000).to_bytes(4, "little"), (2_000).to_bytes(8, "little")
    assert highest in again.wire
    assert fee in again.wire
    assert highest not in first.wire
    assert highest not in other.wire
    assert fee not in first.wire
    assert fee not in other.wire


def test_a_transaction_without_transfers_is_not_limited_by_simulation(cluster: Cluster) -> None:
    ready(cluster)

    [void] = cluster.chain.sign([intent("x", 0)], BLOCKHASH)

    assert (1_400_000).to_bytes(4, "little") in void.wire
    methods = [method for request in cluster.servers[0].requests for method in request]
    assert "simulateTransaction" not in methods


# --- samples -------------------------------------------------------------------------------


def test_endpoints_that_simulate_the_largest_transactions_are_proven_once(
    cluster: Cluster,
) -> None:
    ready(cluster)
    sizes: list[int] = []
    missing = {"err": {"InstructionError": [2, "InvalidAccountData"]}, "unitsConsumed": 1}
    cluster.on(
        "simulateTransaction",
        lambda params: sizes.append(len(base64.b64decode(params[0]))) or {"value": missing},
    )

    for _ in range(3):
        cluster.chain.check_endpoints()

    assert len(sizes) == 4  # a payment and creations of accounts, on each endpoint
    assert max(sizes) > 3_300


def too_large(params: list[Any]) -> Any:
    if len(base64.b64decode(params[0])) > 1_232:
        raise JsonRpcError(-32602, "base64 encoded transaction too large: 3366 bytes (max: 1232)")
    return {"value": {"err": None, "unitsConsumed": 1}}


def not_v1(params: list[Any]) -> Any:
    return {"value": {"err": "UnsupportedVersion", "unitsConsumed": 0}}


@pytest.mark.parametrize(("refuse", "why"), [(too_large, "too large"), (not_v1, "UnsupportedV")])
def test_an_endpoint_that_refuses_the_largest_transactions_is_named(
    cluster: Cluster, refuse: Any, why: str
) -> None:
    ready(cluster)
    cluster.servers[1].on("simulateTransaction", refuse)
    host = cluster.servers[1].url.removeprefix("http://")

    for _ in range(2):
        with pytest.raises(SampleRefused, match=why) as caught:
            cluster.chain.check_endpoints()
        assert set(caught.value.refusals) == {host}


def test_an_endpoint_that_answers_413_to_the_largest_transactions_is_named(
    cluster: Cluster,
) -> None:
    ready(cluster)
    cluster.servers[1].refuses = lambda calls: (
        Misbehaviour(413) if len(json.dumps(calls)) > 3_000 else None
    )

    with pytest.raises(SampleRefused, match="bytes"):
        cluster.chain.check_endpoints()


def test_samples_prove_nothing_while_an_endpoint_of_two_is_silent(cluster: Cluster) -> None:
    ready(cluster)
    cluster.chain.costs()
    cluster.servers[1].always = DOWN

    with pytest.raises(Unreachable):
        cluster.chain.check_endpoints()


# --- reports -------------------------------------------------------------------------------


def reporting(cluster: Cluster) -> None:
    ready(cluster)
    cluster.on("getEpochInfo", {"blockHeight": 1, "absoluteSlot": 100})
    cluster.on("getSignatureStatuses", lambda params: {"value": [None] * len(params[0])})
    cluster.on("getSignaturesForAddress", [])


@pytest.mark.parametrize(
    "odd", [None, [], {}, "ok", 1, {"value": None}, {"value": []}, {"value": {}},
            {"value": {"err": 1}}, {"value": {"err": False}}]
)  # fmt: skip
def test_an_answer_that_is_no_simulation_proves_nothing(cluster: Cluster, odd: Any) -> None:
    reporting(cluster)
    cluster.on("simulateTransaction", {"value": {"err": None}}, odd)

    for _ in range(2):
        with pytest.raises(Unreachable, match="simulation"):
            cluster.chain.check_endpoints()
    [*_, report] = cluster.chain.endpoint_reports()
    assert "simul" in report.problem


def test_a_report_names_limits_lags_and_problems(cluster: Cluster) -> None:
    reporting(cluster)
    answer = cluster.servers[0].handlers["getMultipleAccounts"]

    def at_most_five(params: list[Any]) -> Any:
        if len(params[0]) > 5:
            raise JsonRpcError(-32602, "max 5 accounts")
        return answer(params)

    cluster.servers[0].on("getMultipleAccounts", at_most_five)
    cluster.servers[0].takes_batches = False
    cluster.servers[1].on("getEpochInfo", {"blockHeight": 1, "absoluteSlot": 93})

    first, second = cluster.chain.endpoint_reports()

    assert (first.problem, second.problem) == ("", "")
    assert first.limits == ("getMultipleAccounts: 3 at once", "no batches")
    assert (first.slots_behind, second.slots_behind) == (0, 7)
    assert second.limits == ()


def test_a_report_shows_an_endpoint_that_refuses_or_does_not_answer(cluster: Cluster) -> None:
    reporting(cluster)
    cluster.servers[0].on("simulateTransaction", too_large)
    cluster.chain.costs()
    cluster.servers[1].always = DOWN

    first, second = cluster.chain.endpoint_reports()

    assert "too large" in first.problem
    assert "does not answer" in second.problem


def test_no_fees_of_others_are_no_reason_to_wait(cluster: Cluster) -> None:
    ready(cluster)

    [signed] = cluster.open(priority_fee_lamports_max=2_000).sign([intent("x")], BLOCKHASH)

    assert signed.blockhash is BLOCKHASH


def test_a_mint_that_is_missing_is_told_before_anything_is_signed(cluster: Cluster) -> None:
    ready(cluster)
    cluster.show(MINT, None)

    with pytest.raises(MintUnusable, match="no account on this cluster"):
        cluster.chain.check_mint()
    with pytest.raises(MintUnusable):
        cluster.chain.sign([intent("x")], BLOCKHASH)


def test_prices_are_asked_for_once(cluster: Cluster) -> None:
    ready(cluster)

    assert cluster.chain.costs() == cluster.chain.costs()

    methods = [method for request in cluster.servers[0].requests for method in request]
    assert methods.count("getFeeForMessage") == 1
    assert methods.count("getMinimumBalanceForRentExemption") == 3


def test_a_node_that_does_not_know_a_blockhash_yet_is_asked_again(cluster: Cluster) -> None:
    ready(cluster)
    answers = iter([None, 5_000])
    cluster.servers[0].on("getFeeForMessage", lambda params: {"value": next(answers)})

    assert cluster.chain.costs().fee_per_signature == 5_000


def test_another_endpoint_may_know_the_blockhash(cluster: Cluster) -> None:
    ready(cluster)
    cluster.on("getFeeForMessage", {"value": None}, {"value": 6_000})

    assert cluster.chain.costs().fee_per_signature == 6_000


def test_a_blockhash_that_no_endpoint_knows_says_nothing_about_the_price(cluster: Cluster) -> None:
    ready(cluster)
    cluster.on("getFeeForMessage", {"value": None})

    with pytest.raises(Unreachable, match="does not know the blockhash yet"):
        cluster.chain.costs()


def test_the_price_is_asked_for_a_finalized_blockhash(cluster: Cluster) -> None:
    ready(cluster)
    asked: list[Any] = []
    answer = cluster.servers[0].handlers["getLatestBlockhash"]
    cluster.on("getLatestBlockhash", lambda params: asked.append(params[0]) or answer(params))

    cluster.chain.costs()

    assert asked == [{"commitment": "finalized"}]


@pytest.mark.parametrize("value", ["5000", True])
def test_a_price_that_is_no_number_is_no_price(cluster: Cluster, value: Any) -> None:
    ready(cluster)
    cluster.on("getFeeForMessage", {"value": value})

    with pytest.raises(Unreachable, match="not a number"):
        cluster.chain.costs()
