"""Published plans in a folder: the roots of a week, whatever else lies there."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.fakes.world import WEEK
from worker.adapters.archive import ArchiveUnusable, PlanArchive

ROOTS = [bytes([number]) * 32 for number in (1, 7, 200)]


def test_other_files_do_not_count_as_plans(tmp_path: Path) -> None:
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
