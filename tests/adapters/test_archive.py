"""The plan archive trusts no storage: it reads back what it wrote, and nothing is anchored without.

The storages here take every write without an error, as a broken object store may.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import fsspec
import pytest
from fsspec.implementations.memory import MemoryFileSystem

from tests.fakes.world import WEEK, World
from worker.adapters.archive import ArchiveUnusable, PlanArchive, PlanNotKept
from worker.core.errors import NotReady
from worker.services.week.due import find_work
from worker.services.week.story import Job

ROOT = bytes(range(32))
LINES = [b"header", *(b"row %d" % number for number in range(2500))]
SIZE = sum(len(line) + 1 for line in LINES)


class StorageDown(Exception):
    """An error of the storage's own, which is no OSError."""


class Faulty(MemoryFileSystem):  # type: ignore[misc]
    """An object store that confirms each write, and then keeps it as `fault` says."""

    protocol = "faulty"
    cachable = False
    store: dict[str, Any] = {}  # noqa: RUF012 - shared, as fsspec's own
    pseudo_dirs: list[str] = [""]  # noqa: RUF012
    fault = ""

    def mv(self, path1: str, path2: str, **_: Any) -> None:
        if self.fault == "down":
            raise StorageDown("503 Slow Down")
        content = self.cat_file(path1)
        self.rm_file(path1)
        kept = {
            "": content,
            "short": content[:-1],
            "empty": b"",
            "changed": content.swapcase(),
            "longer": content + b"\n",
        }
        if self.fault != "lost":
            self.pipe_file(path2, kept[self.fault])


@pytest.fixture(autouse=True)
def storage() -> Iterator[type[Faulty]]:
    fsspec.register_implementation("faulty", Faulty, clobber=True)
    Faulty.store.clear()
    Faulty.fault = ""
    yield Faulty
    Faulty.store.clear()


def test_an_error_of_the_storage_is_quoted_without_the_password() -> None:
    archive = PlanArchive("memory://operator:hunter2-of-the-bucket@plans")

    def refuse(*_: object, **__: object) -> None:
        raise StorageDown("403 for hunter2-of-the-bucket at operator:hunter2-of-the-bucket@plans")

    archive._fs = Faulty()
    archive._fs.info = refuse  # type: ignore[method-assign]
    with pytest.raises(ArchiveUnusable) as caught:
        archive.fetch(WEEK, ROOT)

    assert "hunter2" not in str(caught.value)
    assert "403 for (hidden)" in str(caught.value)


def test_a_kept_plan_is_read_back() -> None:
    archive = PlanArchive("faulty://plans")

    archive.publish(WEEK, ROOT, LINES)

    published = archive.fetch(WEEK, ROOT)
    assert published is not None
    with published as lines:
        assert list(lines) == LINES
    assert archive.fetch(WEEK.next(), ROOT) is None


@pytest.mark.parametrize("url", ["faulty://plans", "simplecache::faulty://plans"])
@pytest.mark.parametrize(
    ("fault", "found"),
    [
        ("lost", "is not there"),
        ("short", f"has {SIZE - 1} bytes"),
        ("empty", "has 0 bytes"),
        ("changed", f"has {SIZE} bytes, not the same ones"),
        ("longer", f"has {SIZE + 1} bytes"),
    ],
)
def test_a_plan_that_the_storage_did_not_keep_is_a_named_error(
    storage: type[Faulty], url: str, fault: str, found: str
) -> None:
    storage.fault = fault

    with pytest.raises(PlanNotKept, match=f"{SIZE} bytes were written, and the file {found}"):
        PlanArchive(url).publish(WEEK, ROOT, LINES)


def test_an_error_of_the_storages_own_is_a_named_error(storage: type[Faulty]) -> None:
    storage.fault = "down"

    with pytest.raises(ArchiveUnusable, match=r"StorageDown: 503 Slow Down"):
        PlanArchive("faulty://plans").publish(WEEK, ROOT, LINES)
    assert storage.store == {}


def test_a_storage_that_cannot_say_what_it_holds_lacks_no_plan(
    storage: type[Faulty], monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = PlanArchive("faulty://plans")
    archive.publish(WEEK, ROOT, LINES)

    def down(*_: object, **__: object) -> None:
        raise StorageDown("503 Slow Down")

    monkeypatch.setattr(storage, "info", down)
    with pytest.raises(ArchiveUnusable):
        archive.fetch(WEEK, ROOT)
    with pytest.raises(ArchiveUnusable):
        archive.roots(WEEK)


def test_an_error_of_the_lines_stays_what_it_is(storage: type[Faulty]) -> None:
    def lines() -> Iterator[bytes]:
        yield b"header"
        raise LookupError("a lost index")

    with pytest.raises(LookupError, match="a lost index"):
        PlanArchive("faulty://plans").publish(WEEK, ROOT, lines())
    assert storage.store == {}


def test_a_reader_of_a_plan_keeps_its_own_errors() -> None:
    archive = PlanArchive("faulty://plans")
    archive.publish(WEEK, ROOT, LINES)
    published = archive.fetch(WEEK, ROOT)
    assert published is not None
    with pytest.raises(KeyError), published:
        raise KeyError("the reader's")


@pytest.mark.parametrize("fault", ["lost", "short", "empty", "changed", "longer", "down"])
def test_nothing_is_anchored_until_the_storage_keeps_the_plan(
    storage: type[Faulty], fault: str
) -> None:
    world = World()
    names = world.populate(4)
    world.genesis()
    before = len(world.ledger.landed)
    storage.fault = fault
    context = replace(world.first, archive=PlanArchive("faulty://plans"))
    (work,) = find_work(context)
    assert work.job is Job.PLAN

    with pytest.raises(NotReady):
        world.do(context, work)

    week = world.distribution()
    assert week.plan_id is None
    assert week.reason is not None
    assert "plan archive" in week.reason
    assert len(world.ledger.landed) == before
    assert find_work(context) == []

    storage.fault = ""
    world.clock.sleep(600)
    world.run(context)
    assert all(world.balances(names).values())
