"""Three endpoints: a majority decides, and one that is dead, slow or late changes nothing."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator, Sequence

import pytest
from solders.hash import Hash
from solders.pubkey import Pubkey

from tests.adapters.solana.cluster import DOWN, Cluster, some_endpoints
from tests.adapters.solana.rpc_server import Misbehaviour
from worker.adapters.solana.errors import EndpointsDisagree
from worker.adapters.solana.reading import receipt_states
from worker.adapters.solana.rpc import endpoint as endpoints_module
from worker.adapters.solana.rpc import endpoints
from worker.core.errors import Unreachable
from worker.core.payout.chain import Height
from worker.core.plan.receipts import ReceiptState

SILENT = Misbehaviour(silence_seconds=4.0)


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    with some_endpoints(3) as made:
        yield made


@pytest.mark.parametrize("dead", [0, 1, 2])
@pytest.mark.parametrize("how", [DOWN, Misbehaviour(hangs_up=True), Misbehaviour(401)])
def test_one_dead_endpoint_of_three_changes_nothing(
    cluster: Cluster, dead: int, how: Misbehaviour
) -> None:
    cluster.receipt("paid", 1)
    cluster.receipt("void", 2)
    cluster.on("getGenesisHash", "mainnet")
    cluster.servers[dead].always = how

    assert cluster.chain.cluster_genesis() == "mainnet"
    assert cluster.chain.receipts(["paid", "void", "free"]) == {
        "paid": ReceiptState.PAID,
        "void": ReceiptState.VOID,
        "free": ReceiptState.FREE,
    }
    host = cluster.servers[dead].url.removeprefix("http://")
    assert [host in trouble for trouble in cluster.chain.endpoint_troubles] == [True]


def test_two_dead_endpoints_of_three_leave_everything_unknown(cluster: Cluster) -> None:
    cluster.receipt("paid", 1)
    cluster.on("getGenesisHash", "mainnet")
    for number in (0, 2):
        cluster.servers[number].always = DOWN

    assert set(cluster.chain.receipts(["paid", "free"]).values()) == {ReceiptState.UNKNOWN}
    with pytest.raises(Unreachable):
        cluster.chain.cluster_genesis()


@pytest.mark.parametrize("liar", [0, 1, 2])
def test_one_endpoint_that_contradicts_makes_a_receipt_unknown(cluster: Cluster, liar: int) -> None:
    cluster.receipt("x", 1, liar)
    cluster.receipt("odd", 3, liar)

    states = cluster.chain.receipts(["x", "odd", "free"])

    assert states == {
        "x": ReceiptState.UNKNOWN,
        "odd": ReceiptState.UNKNOWN,
        "free": ReceiptState.FREE,
    }


def test_one_endpoint_that_contradicts_about_the_cluster_is_named(cluster: Cluster) -> None:
    cluster.on("getGenesisHash", "mainnet", "mainnet", "devnet")

    with pytest.raises(EndpointsDisagree, match=r"3\. .*devnet"):
        cluster.chain.cluster_genesis()


def test_an_endpoint_that_is_behind_does_not_count(cluster: Cluster) -> None:
    cluster.receipt("x", 1, 0, 1)
    cluster.slots[2] = 10

    # Endpoints that disagree are asked again at the newest of their slots.
    assert cluster.chain.receipts(["x"]) == {"x": ReceiptState.PAID}
    assert cluster.chain.receipts(["x"], not_before_slot=90) == {"x": ReceiptState.PAID}
    [trouble] = cluster.chain.endpoint_troubles
    assert "80 slots behind" in trouble
    cluster.receipt("x", 2, 2)
    cluster.slots[2] = 100
    assert cluster.chain.receipts(["x"]) == {"x": ReceiptState.UNKNOWN}
    cluster.slots[2] = 10
    cluster.slots[1] = 10
    assert cluster.chain.receipts(["x"], not_before_slot=90) == {"x": ReceiptState.UNKNOWN}


def test_a_disputed_receipt_is_read_again_at_no_older_slot_than_asked_or_seen(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """An endpoint stands for many nodes, so its answers have several slots."""
    asked: list[int] = []

    async def read(_: object, addresses: Sequence[object], slot: int) -> list[receipt_states._View]:
        asked.append(slot)
        return [receipt_states._View([ReceiptState.PAID], slot, slot)] * 2

    monkeypatch.setattr(receipt_states, "_read_piece", read)
    free, paid = [ReceiptState.FREE], [ReceiptState.PAID]
    seen = [receipt_states._View(free, 70, 100), receipt_states._View(paid, 70, 103)]
    old = [receipt_states._View(free, 70, 70), receipt_states._View(paid, 70, 70)]
    for views in (seen, old):
        found = asyncio.run(receipt_states._agreed([], [Pubkey.default()], views, 100))
        assert found == [ReceiptState.PAID]
    assert asked == [103, 100]


def test_the_height_is_one_that_a_majority_has_reached(cluster: Cluster) -> None:
    heights = [{"blockHeight": 900 + it, "absoluteSlot": 1_000 + it} for it in (20, 0, 10)]
    cluster.on("getEpochInfo", *heights)

    assert cluster.chain.finalized_height() == Height(910, 1_010)
    cluster.servers[0].always = DOWN
    assert cluster.open().finalized_height() == Height(900, 1_000)
    cluster.servers[1].always = DOWN
    assert cluster.chain.finalized_height() == Height(910, 1_010)  # the last one of a majority


ABSURD = [0, 1, 10**12]


@pytest.mark.parametrize("height", [*ABSURD, 905])
@pytest.mark.parametrize("slot", [*ABSURD, 1_005])
@pytest.mark.parametrize("liar", [0, 1, 2])
def test_no_endpoint_alone_moves_the_height_or_the_slot(
    cluster: Cluster, liar: int, height: int, slot: int
) -> None:
    honest = [{"blockHeight": 900 + it, "absoluteSlot": 1_000 + it} for it in (0, 10)]
    honest.insert(liar, {"blockHeight": height, "absoluteSlot": slot})
    cluster.on("getEpochInfo", *honest)

    for _ in range(2):
        found = cluster.chain.finalized_height()
        assert 900 <= found.block_height <= 910
        assert 1_000 <= found.slot <= 1_010

    # A minority moves nothing, and its height is not remembered.
    for number in {0, 1, 2} - {liar}:
        cluster.servers[number].always = DOWN
    assert cluster.chain.finalized_height() == found
    with pytest.raises(Unreachable, match=r"no majority.*does not answer getEpochInfo"):
        cluster.open().finalized_height()


@pytest.mark.parametrize("liar", [0, 1, 2])
@pytest.mark.parametrize("last_valid", ABSURD)
def test_no_endpoint_alone_says_how_long_an_attempt_lives(
    cluster: Cluster, liar: int, last_valid: int
) -> None:
    heights = [1_050, 1_060]
    heights.insert(liar, last_valid)
    hashes = [str(Hash(bytes([number + 1]) * 32)) for number in range(3)]
    cluster.on(
        "getLatestBlockhash",
        *(
            {"value": {"blockhash": each, "lastValidBlockHeight": height}}
            for each, height in zip(hashes, heights, strict=True)
        ),
    )

    found = cluster.chain.latest_blockhash()

    assert found.last_valid_block_height in (1_050, 1_060)
    assert found.value == hashes[heights.index(found.last_valid_block_height)]
    cluster.servers[(liar + 1) % 3].always = DOWN
    cluster.servers[(liar + 2) % 3].always = DOWN
    with pytest.raises(Unreachable):
        cluster.chain.latest_blockhash()


@pytest.mark.parametrize("behind", [0, 1])
@pytest.mark.parametrize("rests", [False, True])
def test_answers_that_are_behind_are_none_of_the_majority(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch, behind: int, rests: bool
) -> None:
    """The third endpoint is slower, and one of the majority: the second one lags."""
    monkeypatch.setattr(endpoints, "GRACE_SECONDS", 0.1)
    cluster.receipt("paid", 1)
    cluster.slots = [200, 200, 200]
    cluster.slots[behind] = 100
    if rests:  # it was slower than two endpoints that were not behind
        cluster.servers[2].always = SILENT
        cluster.chain.receipts(["paid"])
    cluster.servers[2].always = None
    answer = cluster.servers[2].handlers["getMultipleAccounts"]
    cluster.servers[2].on("getMultipleAccounts", lambda params: time.sleep(0.5) or answer(params))

    for _ in range(2):
        assert cluster.chain.receipts(["paid"], not_before_slot=150) == {"paid": ReceiptState.PAID}


def test_errors_are_none_of_the_majority(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    """The third endpoint is slower, and one of the majority: the plan of the second one ended."""
    monkeypatch.setattr(endpoints, "GRACE_SECONDS", 0.1)
    height = {"blockHeight": 900, "absoluteSlot": 1_000}
    cluster.servers[0].on("getEpochInfo", height)
    cluster.servers[2].on("getEpochInfo", lambda _: time.sleep(0.5) or height)

    assert cluster.chain.finalized_height() == Height(900, 1_000)


def test_a_dead_endpoint_rests_and_is_asked_again(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(endpoints_module, "REST_SECONDS", 1.5)
    dead = cluster.servers[1]
    dead.always = DOWN
    cluster.chain.receipts(["x"])
    tried = len(dead.requests)
    for _ in range(3):
        cluster.chain.receipts(["x"])
        cluster.chain.send([("sig", b"wire")])
    assert len(dead.requests) == tried

    dead.always = None
    time.sleep(1.6)
    cluster.receipt("y", 1, 0, 2)

    # The endpoint answers again, so its contradiction counts.
    assert cluster.chain.receipts(["y"]) == {"y": ReceiptState.UNKNOWN}
    assert cluster.chain.endpoint_troubles == []


def test_an_endpoint_that_fails_again_gets_one_try(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(endpoints_module, "REST_SECONDS", 0.0)
    cluster.servers[1].always = DOWN
    cluster.chain.receipts(["x"])
    cluster.servers[1].requests.clear()

    cluster.chain.receipts(["x"])

    assert len(cluster.servers[1].requests) == 1


def test_a_silent_endpoint_holds_the_others_up_for_a_short_time_only(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(endpoints, "GRACE_SECONDS", 0.2)
    cluster.receipt("paid", 1)
    cluster.servers[0].always = SILENT
    began = time.monotonic()

    assert cluster.chain.receipts(["paid"]) == {"paid": ReceiptState.PAID}
    assert cluster.chain.send([("sig", b"wire")])[0].refused is None

    assert time.monotonic() - began < 3.0
    assert "slower than the others" in cluster.chain.endpoint_troubles[0]


def test_resting_endpoints_are_asked_when_the_others_are_no_majority(cluster: Cluster) -> None:
    cluster.receipt("paid", 1)
    cluster.servers[0].always = cluster.servers[1].always = DOWN
    assert cluster.chain.receipts(["paid"]) == {"paid": ReceiptState.UNKNOWN}

    cluster.servers[0].always = None

    assert cluster.chain.receipts(["paid"]) == {"paid": ReceiptState.PAID}


def test_a_single_endpoint_never_rests() -> None:
    with some_endpoints(1) as cluster:
        cluster.servers[0].always = DOWN
        assert cluster.chain.receipts(["x"]) == {"x": ReceiptState.UNKNOWN}
        cluster.servers[0].requests.clear()
        cluster.chain.receipts(["x"])
        assert len(cluster.servers[0].requests) == 2


# --- one URL, many nodes -----------------------------------------------------------------------


def heights(cluster: Cluster, slot: int) -> None:
    cluster.on("getEpochInfo", {"blockHeight": slot - 50, "absoluteSlot": slot})


def test_accounts_some_blocks_late_are_awaited_within_one_read() -> None:
    with some_endpoints(1) as cluster:
        cluster.slots[0], cluster.slots_a_read[0] = 99, 1

        assert cluster.chain.receipts(["x"], not_before_slot=100) == {"x": ReceiptState.FREE}


@pytest.mark.parametrize("lag", [2, 8, 60])
def test_receipts_are_known_at_an_older_height_when_accounts_lag(lag: int) -> None:
    with some_endpoints(1) as cluster:
        known = []
        for slot in range(1_000, 1_000 + 2 * lag, 2):
            heights(cluster, slot)
            cluster.slots[0] = slot - lag
            height = cluster.chain.finalized_height()
            states = cluster.chain.receipts(["x"], not_before_slot=height.slot)
            known += [height] if states["x"] is ReceiptState.FREE else []
        heights(cluster, 2_000)
        cluster.slots[0] = 2_000 - lag
        height = cluster.chain.finalized_height()

        assert all(it.block_height == it.slot - 50 for it in known)
        assert height.slot <= 2_000 - lag
        assert cluster.chain.receipts(["x"], not_before_slot=height.slot)["x"] is ReceiptState.FREE
        assert known


def test_an_endpoint_that_reads_accounts_far_behind_is_named(cluster: Cluster) -> None:
    for number in range(3):
        cluster.slots[number] = 100

    assert cluster.chain.receipts(["x"], not_before_slot=200) == {"x": ReceiptState.UNKNOWN}

    assert len(cluster.chain.endpoint_troubles) == 3
    assert all("100 slots behind" in trouble for trouble in cluster.chain.endpoint_troubles)
