"""One suite for the archive of published plans and its in-memory twin."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fakes.world import WEEK, MemoryArchive
from worker.adapters.archive import PlanArchive
from worker.ports.payout import Archive
from worker.services.watch.doctor import archive_answers

ROOT, OTHER = bytes(range(32)), bytes(32)


@pytest.fixture(params=["twin", "folder", "object store"])
def archive(request: pytest.FixtureRequest, tmp_path: Path) -> Archive:
    if request.param == "twin":
        return MemoryArchive()
    is_folder = request.param == "folder"
    return PlanArchive(str(tmp_path / "plans") if is_folder else f"memory://{tmp_path.name}")


def read(archive: Archive, root: bytes) -> list[bytes] | None:
    published = archive.fetch(WEEK, root)
    if published is None:
        return None
    with published as lines:
        return list(lines)


@pytest.mark.parametrize("count", [0, 1, 999, 1000, 1001, 2500])
def test_a_plan_comes_back_line_by_line(archive: Archive, count: int) -> None:
    lines = [b'{"row":"%d"}' % number for number in range(count)]

    archive.publish(WEEK, ROOT, iter(lines))

    assert read(archive, ROOT) == lines
    assert read(archive, OTHER) is None


def test_the_same_plan_can_be_published_again(archive: Archive) -> None:
    for _ in range(3):
        archive.publish(WEEK, ROOT, [b"header", b"row"])

    assert read(archive, ROOT) == [b"header", b"row"]


def test_plans_of_one_week_stand_beside_each_other(archive: Archive) -> None:
    archive.publish(WEEK, ROOT, [b"one"])
    archive.publish(WEEK, OTHER, [b"other"])

    assert (read(archive, ROOT), read(archive, OTHER)) == ([b"one"], [b"other"])
    assert archive.location(WEEK, ROOT) != archive.location(WEEK, OTHER)


def test_a_plan_whose_lines_fail_is_not_published(archive: Archive) -> None:
    def lines() -> Iterator[bytes]:
        yield b"header"
        raise LookupError("a lost index")

    with pytest.raises(LookupError):
        archive.publish(WEEK, ROOT, lines())
    assert read(archive, ROOT) is None


def test_the_doctor_proves_that_it_works(archive: Archive) -> None:
    assert archive_answers(archive).endswith("written and read back")


def test_the_roots_of_a_week_are_those_of_its_files(archive: Archive) -> None:
    assert archive.roots(WEEK) == []
    for root in (ROOT, OTHER):
        archive.publish(WEEK, root, [b"header"])
    archive.publish(WEEK.next(), b"n" * 32, [b"header"])

    assert archive.roots(WEEK) == sorted([ROOT, OTHER])
