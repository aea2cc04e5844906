"""`SolanaChain` with endpoints that lag, disagree or lack a part of the history."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.adapters.solana.cluster import DOWN, MINT, Cluster, account, two_endpoints
from tests.adapters.solana.rpc_server import JsonRpcError
from worker.adapters.solana.addresses import TOKEN_PROGRAM
from worker.adapters.solana.errors import EndpointsDisagree
from worker.adapters.solana.reading import history, signatures
from worker.core.errors import Unreachable
from worker.core.identity import plan_salt
from worker.core.payout.chain import Height
from worker.core.plan.receipts import ReceiptState
from worker.core.week import Week
from worker.ports.payout import Chain


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    with two_endpoints() as made:
        yield made


# --- clusters and heights ------------------------------------------------------------------


def test_the_adapter_is_a_chain(cluster: Cluster) -> None:
    chain: Chain = cluster.chain
    week = Week.parse("2024-W50")

    assert chain.mint == str(MINT)
    assert chain.plan_salt(week) == plan_salt(bytes([1]) * 32, week)


def test_endpoints_of_two_clusters_are_told_apart(cluster: Cluster) -> None:
    cluster.on("getGenesisHash", "mainnet", "devnet")

    with pytest.raises(EndpointsDisagree, match=r"mainnet.*devnet"):
        cluster.chain.cluster_genesis()


def test_endpoints_of_one_cluster_agree(cluster: Cluster) -> None:
    cluster.on("getGenesisHash", "mainnet")

    assert cluster.chain.cluster_genesis() == "mainnet"


def test_a_cluster_is_not_known_while_one_endpoint_is_silent(cluster: Cluster) -> None:
    cluster.on("getGenesisHash", "mainnet")
    cluster.servers[1].always = DOWN

    with pytest.raises(Unreachable):
        cluster.chain.cluster_genesis()


def test_of_two_endpoints_the_lower_height_counts_and_stays_if_one_is_silent(
    cluster: Cluster,
) -> None:
    cluster.on(
        "getEpochInfo",
        {"blockHeight": 900, "absoluteSlot": 1_000},
        {"blockHeight": 890, "absoluteSlot": 991},
    )

    assert cluster.chain.finalized_height() == Height(890, 991)
    cluster.servers[1].always = DOWN
    assert cluster.chain.finalized_height() == Height(890, 991)
    with pytest.raises(Unreachable):
        cluster.open().finalized_height()  # no majority has ever reported one
    cluster.servers[0].always = DOWN
    with pytest.raises(Unreachable):
        cluster.chain.finalized_height()


def test_a_height_that_makes_no_sense_is_none(cluster: Cluster) -> None:
    cluster.on("getEpochInfo", {"blockHeight": None}, {"blockHeight": 890, "absoluteSlot": 991})

    with pytest.raises(Unreachable, match="no majority"):
        cluster.chain.finalized_height()


# --- receipts ------------------------------------------------------------------------------


def test_a_receipt_counts_only_if_every_endpoint_says_the_same(cluster: Cluster) -> None:
    cluster.receipt("paid", 1)
    cluster.receipt("void", 2)
    cluster.receipt("disputed", 1, 0)
    cluster.receipt("bare", 0)

    assert cluster.chain.receipts(["paid", "void", "disputed", "bare", "free"]) == {
        "paid": ReceiptState.PAID,
        "void": ReceiptState.VOID,
        "disputed": ReceiptState.UNKNOWN,
        "bare": ReceiptState.FREE,
        "free": ReceiptState.FREE,
    }


@pytest.mark.parametrize("number", [0, 1])
def test_one_silent_endpoint_makes_everything_unknown(cluster: Cluster, number: int) -> None:
    cluster.receipt("paid", 1)
    cluster.servers[number].always = DOWN

    assert set(cluster.chain.receipts(["paid", "free"]).values()) == {ReceiptState.UNKNOWN}


def test_one_endpoint_that_is_behind_makes_everything_unknown(cluster: Cluster) -> None:
    cluster.slots[1] = 99

    assert cluster.chain.receipts(["x"], not_before_slot=99) == {"x": ReceiptState.FREE}
    assert cluster.chain.receipts(["x"], not_before_slot=100) == {"x": ReceiptState.UNKNOWN}


@pytest.mark.parametrize(
    "odd",
    [
        account(b"\0", str(TOKEN_PROGRAM)),
        account(bytes(3)),
        account(bytes(1), space=2),
        account(bytes(2), space=1),
        account(bytes(1), space="1"),
        account(bytes(1), data=["2", "base58"]),
        account(bytes(1), data="AA=="),
        account(bytes(1), data=["not base64!", "base64"]),
        account(bytes(1), owner=None),
        {"lamports": 1},
        "x",
        [],
    ],
)
def test_an_odd_account_is_unknown_and_never_free(cluster: Cluster, odd: Any) -> None:
    cluster.show(cluster.chain.receipt_address("odd"), odd)

    assert cluster.chain.receipts(["odd"]) == {"odd": ReceiptState.UNKNOWN}


@pytest.mark.parametrize(
    "answer",
    [
        None,
        {"value": [None]},
        {"context": {}, "value": [None]},
        {"context": {"slot": None}, "value": [None]},
        {"context": {"slot": 100}, "value": []},
        {"context": {"slot": 100}, "value": [None, None]},
        {"context": {"slot": 100}, "value": None},
    ],
)
def test_an_answer_that_makes_no_sense_is_unknown(cluster: Cluster, answer: Any) -> None:
    cluster.servers[1].on("getMultipleAccounts", lambda params: answer)

    assert cluster.chain.receipts(["x"]) == {"x": ReceiptState.UNKNOWN}


def test_an_error_for_some_ids_leaves_the_others_known(cluster: Cluster) -> None:
    ids = [f"id {number}" for number in range(150)]
    answer = cluster.servers[1].handlers["getMultipleAccounts"]

    def refuse_the_second(params: list[Any]) -> Any:
        if len(params[0]) == 50:
            raise JsonRpcError(-32603)
        return answer(params)

    cluster.servers[1].on("getMultipleAccounts", refuse_the_second)

    states = list(cluster.chain.receipts(ids).values())

    assert states == [ReceiptState.FREE] * 100 + [ReceiptState.UNKNOWN] * 50


# --- history -------------------------------------------------------------------------------


def test_history_is_paged_through_and_given_up_at_last(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(history, "PAGES_MAX", 3)
    monkeypatch.setattr(signatures, "PAGE_SIGNATURES", 2)
    before: list[Any] = []
    asked: list[str] = []

    def page(params: list[Any]) -> Any:
        before.append(params[1].get("before"))
        first = 2 * (len(before) - 1)
        return [{"signature": str(first + it), "slot": 9, "err": None} for it in range(2)]

    cluster.servers[0].on("getSignaturesForAddress", page)
    cluster.servers[0].on("getTransaction", lambda params: asked.append(params[0]))
    cluster.servers[1].on("getSignaturesForAddress", [])

    assert cluster.chain.executions(["x"]) == {}

    assert before == [None, "1", "3"]
    assert sorted(asked) == ["0", "1", "2", "3", "4", "5"]


def test_the_likeliest_transaction_is_read_first(cluster: Cluster) -> None:
    entries = [
        {"signature": "failed", "slot": 9, "err": "x", "memo": "[1] x"},
        {"signature": "newer", "slot": 9, "err": None, "memo": None},
        {"signature": "ours", "slot": 9, "err": None, "memo": "[1] x"},
        {"signature": "older", "slot": 9, "err": None, "memo": "[5] other"},
    ]
    asked: list[str] = []
    cluster.on("getSignaturesForAddress", entries, [])
    cluster.on("getTransaction", lambda params: asked.append(params[0]))

    cluster.chain.executions(["x"])

    assert asked[0] == "ours"
    assert sorted(asked[1:]) == ["newer", "older"]


@pytest.mark.parametrize("odd", [None, 7, ["x"], [{}], [{"signature": "s"}]])
def test_a_history_that_makes_no_sense_is_no_answer(cluster: Cluster, odd: Any) -> None:
    cluster.on("getSignaturesForAddress", odd, [])

    assert cluster.chain.executions(["x"]) == {}
    cluster.servers[1].always = DOWN
    with pytest.raises(Unreachable):
        cluster.chain.executions(["x"])
