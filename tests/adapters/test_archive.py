"""Published plans in a folder: the roots of a week, whatever else lies there."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.fakes.world import WEEK, MemoryArchive
from worker.adapters.archive import ArchiveUnusable, PlanArchive
from worker.ports.payout import Archive

ROOTS = [bytes([number]) * 32 for number in (1, 7, 200)]


@pytest.mark.parametrize("kind", ["folder", "memory"])
def test_the_roots_of_a_week_are_those_of_its_files(kind: str, tmp_path: Path) -> None:
    archive: Archive = PlanArchive(str(tmp_path)) if kind == "folder" else MemoryArchive()
    assert archive.roots(WEEK) == []
    for root in reversed(ROOTS):
        archive.publish(WEEK, root, [b"{}"])
    archive.publish(WEEK.next(), b"o" * 32, [b"{}"])

    assert archive.roots(WEEK) == ROOTS


def test_other_files_are_none_of_the_plans(tmp_path: Path) -> None:
    archive = PlanArchive(str(tmp_path))
    archive.publish(WEEK, ROOTS[0], [b"{}"])
    folder = tmp_path / WEEK.id
    for name in ("notes.txt", f"{ROOTS[1].hex()}.jsonl.7.part", "ab.jsonl", f"{'G' * 64}.jsonl"):
        (folder / name).write_text("x")
    assert archive.roots(WEEK) == [ROOTS[0]]


def test_a_folder_that_cannot_be_listed_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / WEEK.id).write_text("not a folder")
    archive = PlanArchive(str(tmp_path))

    def refuse(*args: object, **kwargs: object) -> None:
        raise PermissionError("no")

    monkeypatch.setattr(archive._fs, "ls", refuse)
    with pytest.raises(ArchiveUnusable, match=WEEK.id):
        archive.roots(WEEK)
