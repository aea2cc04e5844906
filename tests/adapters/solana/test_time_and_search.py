"""The cluster's time by several endpoints, and a search that goes on where it ended."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from typing import Any

import pytest

from tests.adapters.solana.cluster import DOWN, Cluster, two_endpoints
from tests.adapters.solana.rpc_server import JsonRpcError, rpc_server
from tests.adapters.solana.test_executions import ID, reply_of, signed
from worker.adapters.solana.errors import BlockTimeUnknown
from worker.adapters.solana.reading import search, signatures
from worker.core.errors import Unreachable
from worker.core.payout.chain import Searched

NOON = 1_734_350_400
OURS = str(signed().signatures[0])
EPOCH_INFO = {"blockHeight": 900, "absoluteSlot": 1_000}


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    with two_endpoints() as made:
        made.on("getEpochInfo", EPOCH_INFO)
        yield made


@pytest.fixture
def three() -> Iterator[Cluster]:
    with ExitStack() as stack:
        made = Cluster([stack.enter_context(rpc_server()) for _ in range(3)])
        made.on("getEpochInfo", EPOCH_INFO)
        yield made


def at(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def test_the_middle_time_counts_so_that_one_endpoint_cannot_move_it(three: Cluster) -> None:
    three.on("getBlockTime", NOON, NOON + 86_400, NOON - 1)
    assert three.chain.finalized_time() == at(NOON)
    three.on("getBlockTime", NOON, NOON - 9, NOON - 86_400)
    assert three.chain.finalized_time() == at(NOON - 9)
    three.servers[2].always = DOWN
    assert three.chain.finalized_time() == at(NOON - 9)
    three.servers[1].always = DOWN
    with pytest.raises(BlockTimeUnknown, match="reports no time"):
        three.chain.finalized_time()


def test_of_two_endpoints_both_must_answer_and_the_earlier_time_counts(cluster: Cluster) -> None:
    cluster.on("getBlockTime", NOON, NOON - 5)
    assert cluster.chain.finalized_time() == at(NOON - 5)
    cluster.servers[0].always = DOWN
    with pytest.raises(BlockTimeUnknown):
        cluster.chain.finalized_time()


def refused(code: int) -> Callable[[list[Any]], Any]:
    def answer(params: list[Any]) -> Any:
        if params[0] == EPOCH_INFO["absoluteSlot"]:
            raise JsonRpcError(code)
        return NOON - (1_000 - params[0])

    return answer


@pytest.mark.parametrize("code", [-32004, -32007, -32009, -32001])
def test_a_node_that_lacks_the_newest_block_reports_an_older_one(
    cluster: Cluster, code: int
) -> None:
    cluster.on("getBlockTime", refused(code))
    assert cluster.chain.finalized_time() == at(NOON - 32)


@pytest.mark.parametrize("odd", [None, "soon", 1.5, True, 10**20, [], {}])
def test_a_time_that_makes_no_sense_is_none(cluster: Cluster, odd: Any) -> None:
    cluster.on("getBlockTime", odd)
    with pytest.raises(BlockTimeUnknown):
        cluster.chain.finalized_time()


def test_an_epoch_that_makes_no_sense_has_no_time(cluster: Cluster) -> None:
    cluster.on("getEpochInfo", {"blockHeight": 900})
    cluster.on("getBlockTime", NOON)
    with pytest.raises(BlockTimeUnknown):
        cluster.chain.finalized_time()


# --- searching -----------------------------------------------------------------------------------


class History:
    """A server's history of one receipt: mentions 0 (newest) to `count`, of which one is ours."""

    def __init__(self, cluster: Cluster, server: int, count: int, ours: int | None) -> None:
        self.read: list[str] = []
        self._names = [OURS if number == ours else str(number) for number in range(count)]
        cluster.servers[server].on("getSignaturesForAddress", self._page)
        cluster.servers[server].on("getTransaction", self._transaction)

    def _page(self, params: list[Any]) -> Any:
        before = params[1].get("before")
        first = 0 if before is None else self._names.index(before) + 1
        page = self._names[first : first + 2]
        return [{"signature": each, "slot": 9, "err": None} for each in page]

    def _transaction(self, params: list[Any]) -> Any:
        self.read.append(params[0])
        return reply_of(signed()) if params[0] == OURS else None


@pytest.fixture
def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(signatures, "PAGE_SIGNATURES", 2)
    monkeypatch.setattr(search, "PAGES_A_SEARCH", 0)  # and one page for each endpoint


@pytest.mark.usefixtures("small_pages")
def test_a_search_goes_on_from_its_place_and_reads_nothing_twice(cluster: Cluster) -> None:
    first = History(cluster, 0, 9, ours=7)
    second = History(cluster, 1, 9, ours=0)

    place = cluster.chain.search_execution(ID, None)
    assert place == Searched(None, "0:3")
    found = cluster.chain.search_execution(ID, place.place)

    assert found.place is None
    assert found.execution is not None
    assert (found.execution.receipt, found.execution.signature) == (ID, OURS)
    assert sorted(first.read) == sorted([*map(str, range(7)), OURS])
    assert second.read == []


@pytest.mark.usefixtures("small_pages")
def test_after_one_endpoints_history_the_next_ones_is_searched(cluster: Cluster) -> None:
    History(cluster, 0, 3, ours=None)
    History(cluster, 1, 3, ours=2)

    place = cluster.chain.search_execution(ID, None).place
    assert place == "1:"
    found = cluster.chain.search_execution(ID, place)

    assert found.execution is not None


@pytest.mark.usefixtures("small_pages")
@pytest.mark.parametrize("place", ["9:3", "x", "", "1"])
def test_after_the_end_and_from_an_odd_place_the_search_begins_anew(
    cluster: Cluster, place: str
) -> None:
    History(cluster, 0, 1, ours=None)
    History(cluster, 1, 1, ours=None)
    assert cluster.chain.search_execution(ID, place) == Searched(None, None)


def test_a_silent_endpoint_is_passed_over_and_two_are_unreachable(cluster: Cluster) -> None:
    History(cluster, 1, 1, ours=0)
    cluster.servers[0].always = DOWN
    assert cluster.chain.search_execution(ID, None).execution is not None
    cluster.servers[1].always = DOWN
    with pytest.raises(Unreachable):
        cluster.chain.search_execution(ID, None)
