"""Published files survive a power cut: content first, then the name, then the folder of the name.

Every call that the disk sees is recorded, and compared as a whole.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from worker.adapters.archive import ArchiveUnusable, PlanArchive
from worker.adapters.bundle_folder import BundleFolderWriter, BundleNotWritten
from worker.adapters.durable import make_folder
from worker.core.proof.bundle import MANIFEST_FILE, PAYOUTS_FILE, PLAN_FILE
from worker.core.week import Week

WEEK, ROOT = Week.parse("2024-W50"), bytes(range(32))
LINES = [b"header", *(b"row %d" % number for number in range(2500))]


class Disk:
    """Records flushes and renames in their order, by paths below a folder."""

    def __init__(self, folder: Path, patch: pytest.MonkeyPatch) -> None:
        self._folder, self.calls = folder, list[tuple[str, str]]()
        real_fsync, real_rename, real_replace = os.fsync, os.rename, os.replace

        def fsync(descriptor: int) -> None:
            path = Path(os.readlink(f"/proc/self/fd/{descriptor}"))
            self._note("flush folder" if path.is_dir() else "flush file", path)
            real_fsync(descriptor)

        def rename(source: Any, target: Any, **options: Any) -> None:
            self._note("name", Path(target))
            real_rename(source, target, **options)

        def replace(source: Any, target: Any, **options: Any) -> None:
            self._note("name", Path(target))
            real_replace(source, target, **options)

        patch.setattr(os, "fsync", fsync)
        patch.setattr(os, "rename", rename)
        patch.setattr(os, "replace", replace)

    def _note(self, what: str, path: Path) -> None:
        name = str(path.relative_to(self._folder))
        parts = [".part" if part.endswith(".part") else part for part in name.split("/")]
        parts = [".draft" if part.startswith(f".{WEEK.id}") else part for part in parts]
        self.calls.append((what, "/".join(parts)))


@pytest.fixture
def disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Disk:
    return Disk(tmp_path, monkeypatch)


def test_a_plan_is_flushed_with_every_folder_that_names_it(disk: Disk, tmp_path: Path) -> None:
    archive = PlanArchive(str(tmp_path / "archive" / "plans"))

    archive.publish(WEEK, ROOT, LINES)

    folder = f"archive/plans/{WEEK.id}"
    assert disk.calls == [
        ("flush folder", "."),
        ("flush folder", "archive"),
        ("flush folder", "archive/plans"),
        ("flush file", f"{folder}/.part"),
        ("name", f"{folder}/{ROOT.hex()}.jsonl"),
        ("flush folder", folder),
    ]
    published = archive.fetch(WEEK, ROOT)
    assert published is not None
    with published as lines:
        assert list(lines) == LINES


def test_a_plan_that_is_published_again_is_flushed_again(disk: Disk, tmp_path: Path) -> None:
    archive = PlanArchive(str(tmp_path))
    archive.publish(WEEK, ROOT, LINES)
    disk.calls.clear()

    archive.publish(WEEK, ROOT, LINES)

    assert [what for what, _ in disk.calls] == ["flush file", "name", "flush folder"]
    assert [each.name for each in (tmp_path / WEEK.id).iterdir()] == [f"{ROOT.hex()}.jsonl"]


def test_a_disk_that_cannot_flush_is_a_named_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(descriptor: int) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(ArchiveUnusable, match="Input/output error"):
        PlanArchive(str(tmp_path)).publish(WEEK, ROOT, LINES)
    assert not list(tmp_path.glob("*/*"))


def test_a_bundle_is_flushed_file_by_file_and_its_manifest_comes_last(
    disk: Disk, tmp_path: Path
) -> None:
    writer = BundleFolderWriter(tmp_path / "bundles", WEEK)
    for name in (PLAN_FILE, PAYOUTS_FILE, MANIFEST_FILE):
        writer.write(name, LINES)
    writer.finish()

    def put(name: str, folder: str) -> list[tuple[str, str]]:
        return [
            ("flush file", f"bundles/.draft/{name}"),
            ("name", f"{folder}/{name}"),
            ("flush folder", folder),
        ]

    target = f"bundles/{WEEK.id}"
    named = [
        each
        for name in (PLAN_FILE, PAYOUTS_FILE, MANIFEST_FILE)
        for each in (("name", f"{target}/{name}"), ("flush folder", target))
    ]
    assert disk.calls == [
        ("flush folder", "."),
        *(
            ("flush file", f"bundles/.draft/{name}")
            for name in (PLAN_FILE, PAYOUTS_FILE, MANIFEST_FILE)
        ),
        ("flush folder", "bundles"),
        *named,
        *put("index.html", target),
        *put("index.html", "bundles"),
        *put("weeks.json", "bundles"),
    ]


def test_a_bundle_that_the_disk_changes_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real_fsync = os.fsync

    def lose_the_end(descriptor: int) -> None:
        real_fsync(descriptor)
        os.ftruncate(descriptor, 100)

    writer = BundleFolderWriter(tmp_path, WEEK)
    monkeypatch.setattr(os, "fsync", lose_the_end)
    with pytest.raises(BundleNotWritten, match=f"{PLAN_FILE} was not kept as it was written"):
        writer.write(PLAN_FILE, LINES)


def test_only_new_folders_are_flushed(disk: Disk, tmp_path: Path) -> None:
    make_folder(tmp_path / "a" / "b")
    make_folder(tmp_path / "a" / "b")

    assert disk.calls == [("flush folder", "."), ("flush folder", "a")]
