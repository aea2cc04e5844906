"""Reads and writes a bundle as a folder of three files, with a page that shows and verifies it."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from worker.adapters.durable import flush_file, make_folder, put_in_place
from worker.adapters.proof_page.page import MARK, proof_page
from worker.core.errors import UsageError
from worker.core.proof.bundle import MANIFEST_FILE, PAYOUTS_FILE, PLAN_FILE
from worker.core.week import Week

PAGE_FILE = "index.html"
WEEKS_FILE = "weeks.json"
"""The weeks of a folder, as their Mondays. Only the page reads it."""
_WEEKS = rb"""\[("[0-9]{4}-[0-9]{2}-[0-9]{2}"(, )?)*\]\n"""


class BundleUnusable(UsageError):
    """The folder cannot be read or written."""

    def __init__(self, path: Path, why: str) -> None:
        super().__init__(
            f"{path} cannot be used as a bundle ({why}). A bundle is a folder with "
            f"{PLAN_FILE}, {PAYOUTS_FILE} and {MANIFEST_FILE}."
        )


class BundleNotWritten(UsageError):
    """The folder cannot be written."""

    def __init__(self, path: Path, why: str) -> None:
        super().__init__(
            f"{path} cannot be written ({why}). Nothing is published there. Name a folder that you "
            "may write to."
        )


def _refuse_another_page(path: Path) -> None:
    with _usable(path, BundleNotWritten):
        if path.exists() and MARK.encode() not in path.read_bytes():
            raise BundleNotWritten(path, "it is a page of another site")


def _refuse_another_list(path: Path) -> None:
    with _usable(path, BundleNotWritten):
        if path.exists() and not re.fullmatch(_WEEKS, path.read_bytes()):
            raise BundleNotWritten(path, "it is a file of another site")


@contextmanager
def _usable(
    path: Path, refusal: type[BundleUnusable | BundleNotWritten] = BundleUnusable
) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise refusal(path, error.strerror or str(error)) from None


def bundles_in(path: Path) -> list[BundleFolder]:
    """The bundle in a folder, or those of its weeks in order, as `kontrib publish` wrote them.

    Raises:
        BundleUnusable: there is none.
    """
    if (path / MANIFEST_FILE).exists():
        return [BundleFolder(path)]
    with _usable(path):
        weeks = sorted(each.parent for each in _manifests_below(path))
    return [BundleFolder(week) for week in weeks] or [BundleFolder(path)]


def _manifests_below(path: Path) -> Iterator[Path]:
    """The manifests of the weeks in a folder; not those of drafts, which begin with a dot."""
    return (each for each in path.glob(f"*/{MANIFEST_FILE}") if each.parent.name[0] != ".")


class BundleFolder:
    """Reads a bundle. Implements `worker.services.proof.bundle_files.BundleFiles`.

    Raises:
        BundleUnusable: a file is missing or cannot be read.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        for name in (MANIFEST_FILE, PAYOUTS_FILE, PLAN_FILE):
            if not (path / name).is_file():
                raise BundleUnusable(path, f"{name} is missing")

    def manifest(self) -> bytes:
        return b"".join(self.lines(MANIFEST_FILE))

    def lines(self, name: str) -> Iterator[bytes]:
        """The lines of a file, with line ends. Each call starts at the beginning of the file."""
        with _usable(self.path), (self.path / name).open("rb") as file:
            yield from file

    def beside(self, week: Week) -> BundleFolder | None:
        """The bundle of another week, if `kontrib publish` wrote it to the same parent folder."""
        try:
            return BundleFolder(self.path.resolve().parent / week.id)
        except BundleUnusable:
            return None


class BundleFolderWriter:
    """Writes a bundle to `<folder>/<week>`. Implements `bundle_files.BundleWriter`.

    The files go to a draft folder first, so that a reader never finds part of a bundle. Each is
    flushed to the disk and read back. The page goes beside them, and into `<folder>` for all weeks.

    Raises:
        BundleNotWritten: a folder or a file cannot be written, or is somebody else's page.
    """

    def __init__(self, folder: Path, week: Week) -> None:
        self._folder, self._target = folder, folder / week.id
        for place in (self._folder, self._target):
            _refuse_another_page(place / PAGE_FILE)
        _refuse_another_list(self._folder / WEEKS_FILE)
        with _usable(self._target, BundleNotWritten):
            make_folder(folder)
            self._draft = Path(tempfile.mkdtemp(prefix=f".{week.id}.", dir=folder))

    def write(self, name: str, lines: Iterable[bytes]) -> bytes:
        digest = hashlib.sha256()
        with _usable(self._target, BundleNotWritten), (self._draft / name).open("wb") as file:
            for line in lines:
                digest.update(line + b"\n")
                file.write(line + b"\n")
            flush_file(file)
        with _usable(self._target, BundleNotWritten), (self._draft / name).open("rb") as kept:
            if hashlib.file_digest(kept, "sha256").digest() != digest.digest():
                raise BundleNotWritten(self._target, f"{name} was not kept as it was written")
        return digest.digest()

    def finish(self) -> str:
        with _usable(self._target, BundleNotWritten):
            make_folder(self._target)
            # The manifest comes last, when the files that it names exist.
            for name in (PLAN_FILE, PAYOUTS_FILE, MANIFEST_FILE):
                put_in_place(self._draft / name, self._target / name)
            self._put(self._target / PAGE_FILE, proof_page())
            self._put(self._folder / PAGE_FILE, proof_page())
            self._list_weeks()
        self.discard()
        return str(self._target)

    def _put(self, target: Path, text: str) -> None:
        draft = self._draft / target.name
        with draft.open("w", encoding="utf-8") as file:
            file.write(text)
            flush_file(file)
        put_in_place(draft, target)

    def _list_weeks(self) -> None:
        """Write the list of weeks, again if another operator published here meanwhile."""
        listed = None
        while listed != (weeks := sorted(p.parent.name for p in _manifests_below(self._folder))):
            self._put(self._folder / WEEKS_FILE, json.dumps(weeks) + "\n")
            listed = weeks

    def discard(self) -> None:
        """Remove the draft folder."""
        shutil.rmtree(self._draft, ignore_errors=True)
