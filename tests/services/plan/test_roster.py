"""The roster of a plan: always in the same order, each user once, in little memory."""

from __future__ import annotations

import contextlib
import gc
import hashlib
import itertools
import tempfile
import tracemalloc
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.core.strategies import rosters
from worker.core.plan.entrant import Entrant
from worker.services.plan import roster as module
from worker.services.plan.roster import NoRoomToSort, Roster, UserTwice, sorted_outside

WALLET = "4Nd1mBQtrMJVYVfKf2PJy9NZUZdTAsp7D4xWLs4gDB4T"
run_sizes = st.sampled_from([1, 3, 1000])
"""Up to twenty entrants then need many runs, few runs, or only memory."""


def many(count: int) -> Iterator[Entrant]:
    for number in range(count):
        digest = hashlib.sha256(number.to_bytes(8)).digest()
        user_id = digest[:12].hex()
        yield Entrant(digest, user_id, number + 1, 0, 10**6, WALLET, "", needs_account=False)


@given(rosters, run_sizes)
def test_entrants_come_back_whole_and_ascending_by_commitment(
    some: list[Entrant], run: int
) -> None:
    roster = Roster(some, run)

    assert list(roster) == sorted(some, key=lambda e: e.commitment)
    assert len(roster) == len(some)


@given(rosters, run_sizes, st.randoms())
def test_the_order_they_came_in_does_not_matter(some: list[Entrant], run: int, random) -> None:
    shuffled = list(some)
    random.shuffle(shuffled)

    assert list(Roster(iter(shuffled), run)) == list(Roster(some))


@given(rosters.filter(bool), run_sizes, st.data())
def test_nobody_can_be_in_it_twice(some: list[Entrant], run: int, data: st.DataObject) -> None:
    again = replace(data.draw(st.sampled_from(some)), points=7, wallet="another")
    some.insert(data.draw(st.integers(0, len(some))), again)

    with pytest.raises(UserTwice) as caught:
        Roster(some, run)

    assert caught.value.entrant.commitment == again.commitment


@given(st.lists(st.binary(max_size=3), max_size=20), run_sizes)
def test_any_records_are_sorted_and_may_be_equal(records: list[bytes], run: int) -> None:
    ascending = sorted_outside(iter(records), run)

    assert list(ascending) == sorted(records)
    assert list(ascending) == sorted(records)


@pytest.mark.parametrize("run", [3, 1000])
def test_several_can_read_it_at_once_and_each_from_the_beginning(run: int) -> None:
    roster = Roster(many(500), run)
    whole = list(roster)

    ahead = iter(roster)
    first = list(itertools.islice(ahead, 100))

    assert [(e, e) for e in whole] == list(zip(roster, roster, strict=True))
    assert first + list(ahead) == whole


@pytest.mark.parametrize("blocks", [1, 2, 3])
def test_blocks_that_are_just_full_lose_nobody(blocks: int) -> None:
    count = blocks * module.BLOCK_RECORDS
    for near in (count - 1, count, count + 1):
        assert set(Roster(many(near), 400)) == set(many(near))


@pytest.mark.parametrize("count", [0, 1, 2, 3, 4])
def test_a_roster_may_be_tiny(count: int) -> None:
    assert set(Roster(many(count), 3)) == set(many(count))


def test_a_small_roster_does_not_touch_the_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", "/does/not/exist")

    assert len(Roster(many(2), 3)) == 2
    with pytest.raises(NoRoomToSort, match="TMPDIR"):
        Roster(many(3), 3)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
def test_a_full_disk_is_named_as_what_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    with Path("/dev/full").open("r+b", buffering=0) as full:
        monkeypatch.setattr(tempfile, "TemporaryFile", lambda **_: full)

        with pytest.raises(NoRoomToSort, match="No space left"):
            Roster(many(3), 3)


OPEN_FILES = Path("/proc/self/fd")


def files_open_in(folder: Path) -> int:
    """The open files in a folder, unnamed files included: the system lists them as deleted."""
    opened = 0
    for descriptor in OPEN_FILES.iterdir():
        with contextlib.suppress(
            FileNotFoundError
        ):  # another thread's file, closed in the meantime
            opened += descriptor.readlink().is_relative_to(folder)
    return opened


@pytest.mark.skipif(not OPEN_FILES.exists(), reason="this system does not list open files")
def test_its_files_are_closed_with_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))

    roster = Roster(many(10), 3)
    assert files_open_in(tmp_path) == 1  # the runs are gone, and the sorted file remains
    reading = iter(roster)
    del roster
    assert len(list(reading)) == 10
    del reading
    gc.collect()

    assert files_open_in(tmp_path) == 0


def test_many_entrants_take_little_memory() -> None:
    tracemalloc.start()

    roster = Roster(many(20_000), 2_000)
    assert sum(1 for _ in roster) == 20_000

    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 2 * 10**6  # in memory they would take 3.4 million bytes


class SmallWrites:
    """A file that accepts a few bytes at a time, as a disk does that is almost full."""

    def __init__(self, file) -> None:
        self._file = file
        self.close, self.fileno = file.close, file.fileno

    def write(self, data: bytes) -> int:
        return self._file.write(data[:7])


def test_a_disk_may_accept_a_part_of_the_data(monkeypatch: pytest.MonkeyPatch) -> None:
    make = tempfile.TemporaryFile
    monkeypatch.setattr(
        module.tempfile, "TemporaryFile", lambda **facts: SmallWrites(make(**facts))
    )
    assert list(Roster(many(20), 3)) == list(Roster(many(20)))


def test_every_block_of_a_large_roster_is_read_and_counted() -> None:
    count = 2 * module.BLOCK_RECORDS + 200
    roster = Roster(many(count), count // 3)
    assert len(roster) == len(list(roster)) == count


@pytest.mark.parametrize("fails", ["TemporaryFile", "write"])
def test_no_room_names_the_error(monkeypatch: pytest.MonkeyPatch, fails: str) -> None:
    def refuse(*args: object, **facts: object) -> None:
        raise OSError(28, "No space left on device")

    if fails == "write":
        monkeypatch.setattr(SmallWrites, "write", refuse)
        make = tempfile.TemporaryFile
        refuse = lambda **facts: SmallWrites(make(**facts))  # noqa: E731 - a replacement
    monkeypatch.setattr(module.tempfile, "TemporaryFile", refuse)
    with pytest.raises(NoRoomToSort, match="No space left on device"):
        Roster(many(10), 3)
