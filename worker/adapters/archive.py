"""Stores published plans on any file system that fsspec knows: by default in a local folder."""

from __future__ import annotations

import contextlib
import hashlib
import re
import uuid
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import fsspec
from fsspec.implementations.cached import CachingFileSystem
from fsspec.implementations.local import LocalFileSystem

from config.secrets import Hiding, passwords_in_url
from worker.adapters.durable import flush_file, flush_folder, make_folder
from worker.core.chunks import chunks
from worker.core.errors import KontribError, Unreachable
from worker.core.week import Week

CHUNK_LINES = 1000
READ_BYTES = 2**20
BUCKETS = frozenset({"s3", "s3a", "gs", "gcs", "abfs", "az"})
"""Storage without folders. A call to make one would make a bucket of a mistyped name instead."""
_PLAN = re.compile(r"([0-9a-f]{64})\.jsonl")


class ArchiveUnusable(Unreachable):
    """The plan archive cannot be written or read."""

    def __init__(self, path: str, why: str) -> None:
        super().__init__(
            f"The plan archive at {path} cannot be used ({why}). "
            "No plan is anchored without it. Correct PLAN_ARCHIVE_URL or its permissions."
        )


class PlanNotKept(Unreachable):
    """The plan archive took a plan without an error, and does not return the same bytes."""

    def __init__(self, path: str, written: int, found: int | None) -> None:
        state = "is not there" if found is None else f"has {found} bytes, not the same ones"
        super().__init__(
            f"The plan archive did not keep {path}: {written} bytes were written, and the file "
            f"{state}. Nothing is anchored. Mend the storage, or change PLAN_ARCHIVE_URL."
        )


class PlanArchive:
    """Implements `worker.ports.payout.Archive`.

    A local file is flushed to the disk with its folder. Every file is read back.
    """

    def __init__(self, url: str) -> None:
        self._fs, self._base = fsspec.core.url_to_fs(url)
        self._hiding = Hiding(passwords_in_url(url))
        while isinstance(self._fs, CachingFileSystem):
            # A cache would return a plan that the storage behind it has lost.
            self._fs = self._fs.fs

    def location(self, week: Week, root: bytes) -> str:
        return f"{self._base.rstrip('/')}/{week.id}/{root.hex()}.jsonl"

    def publish(self, week: Week, root: bytes, lines: Iterable[bytes]) -> None:
        """
        Raises:
            ArchiveUnusable: the storage refused, or did not answer.
            PlanNotKept: the file read back differs from the lines.
        """
        path = self.location(week, root)
        # The plan gets its final name last, so that the archive never holds part of a plan. Each
        # worker has a part of its own, on whatever machine it runs.
        part = f"{path}.{uuid.uuid4().hex}.part"
        try:
            written = self._write(path, part, lines)
            with self._usable(path):
                self._fs.mv(part, path)
                if self._is_local:
                    flush_folder(Path(path).parent)
                found = self._read_back(path)
        except BaseException:
            with contextlib.suppress(Exception):
                self._fs.rm(part)
            raise
        if found != written:
            raise PlanNotKept(self._hiding(path), written[0], found and found[0])

    def fetch(self, week: Week, root: bytes) -> AbstractContextManager[Iterator[bytes]] | None:
        path = self.location(week, root)
        with self._usable(path):
            self._fs.invalidate_cache()  # another operator may have published it since
            return self._open(path) if self._exists(path) else None

    def _exists(self, path: str) -> bool:
        """Unlike fsspec's `exists`, which takes every error for a missing file."""
        try:
            self._fs.info(path)
        except FileNotFoundError:
            return False
        return True

    @property
    def _is_local(self) -> bool:
        return isinstance(self._fs, LocalFileSystem)

    def _write(self, path: str, part: str, lines: Iterable[bytes]) -> tuple[int, bytes]:
        """Write a file durably. Returns its length and SHA-256."""
        size, digest = 0, hashlib.sha256()
        with self._usable(path):
            self._make_folder(path)
            file = self._fs.open(part, "wb")
        try:
            for chunk in chunks(lines, CHUNK_LINES):
                content = b"".join(line + b"\n" for line in chunk)
                size += len(content)
                digest.update(content)
                with self._usable(path):
                    file.write(content)
            with self._usable(path):
                if self._is_local:
                    flush_file(file)
        finally:
            with self._usable(path):
                file.close()  # an object store takes the file here
        return size, digest.digest()

    def _make_folder(self, path: str) -> None:
        folder = self._fs._parent(path)
        if self._is_local:
            make_folder(Path(folder))
        elif not BUCKETS & {self._fs.protocol, *self._fs.protocol}:
            self._fs.makedirs(folder, exist_ok=True)

    def _read_back(self, path: str) -> tuple[int, bytes] | None:
        """Length and SHA-256 of a file as the storage returns it; None if it is not there."""
        self._fs.invalidate_cache()
        size, digest = 0, hashlib.sha256()
        try:
            with self._fs.open(path, "rb") as file:
                while content := file.read(READ_BYTES):
                    size += len(content)
                    digest.update(content)
        except FileNotFoundError:
            return None
        return size, digest.digest()

    def roots(self, week: Week) -> list[bytes]:
        folder = f"{self._base.rstrip('/')}/{week.id}"
        with self._usable(folder):
            self._fs.invalidate_cache()  # another operator may have published one since
            paths = self._fs.ls(folder, detail=False) if self._exists(folder) else []
        names = (path.rstrip("/").rpartition("/")[2] for path in paths)
        return sorted(bytes.fromhex(match[1]) for name in names if (match := _PLAN.fullmatch(name)))

    @contextmanager
    def _open(self, path: str) -> Iterator[Iterator[bytes]]:
        with self._usable(path):
            file = self._fs.open(path, "rb")
        try:
            yield self._lines(path, file)
        finally:
            file.close()

    def _lines(self, path: str, file: Any) -> Iterator[bytes]:
        with self._usable(path):
            for line in file:
                yield line.rstrip(b"\n")

    @contextmanager
    def _usable(self, path: str) -> Iterator[None]:
        """
        Raises:
            ArchiveUnusable: in place of the storage's errors. Each kind of storage has its own.
        """
        try:
            yield
        except KontribError:
            raise
        except Exception as error:
            why = self._hiding(f"{type(error).__name__}: {error}")
            raise ArchiveUnusable(self._hiding(path), why) from error
