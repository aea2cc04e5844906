"""Stores published plans on any file system that fsspec knows: by default in a local folder."""

from __future__ import annotations

import io
import os
import re
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import fsspec

from worker.core.errors import Unreachable
from worker.core.week import Week

_PLAN = re.compile(r"([0-9a-f]{64})\.jsonl")


class ArchiveUnusable(Unreachable):
    """The plan archive cannot be written or read."""

    def __init__(self, path: str, error: Exception) -> None:
        super().__init__(
            f"The plan archive at {path} cannot be used ({type(error).__name__}: {error}). "
            "No plan is anchored without it. Correct PLAN_ARCHIVE_URL or its permissions."
        )


class PlanArchive:
    """Implements `worker.ports.payout.Archive`."""

    def __init__(self, url: str) -> None:
        self._fs, self._base = fsspec.core.url_to_fs(url)

    def location(self, week: Week, root: bytes) -> str:
        return f"{self._base.rstrip('/')}/{week.id}/{root.hex()}.jsonl"

    def publish(self, week: Week, root: bytes, lines: Iterable[bytes]) -> None:
        path = self.location(week, root)
        try:
            self._fs.makedirs(self._fs._parent(path), exist_ok=True)
            # The plan gets its final name last, so that the archive never holds part of a plan.
            part = f"{path}.{os.getpid()}.part"
            with self._fs.open(part, "wb") as file:
                for line in lines:
                    file.write(line + b"\n")
                _flush_to_disk(file)
            self._fs.mv(part, path)
        except OSError as error:
            raise ArchiveUnusable(path, error) from error

    def fetch(self, week: Week, root: bytes) -> AbstractContextManager[Iterator[bytes]] | None:
        path = self.location(week, root)
        try:
            return self._open(path) if self._fs.exists(path) else None
        except OSError as error:
            raise ArchiveUnusable(path, error) from error

    def roots(self, week: Week) -> list[bytes]:
        folder = f"{self._base.rstrip('/')}/{week.id}"
        try:
            self._fs.invalidate_cache(folder)
            paths = self._fs.ls(folder, detail=False) if self._fs.exists(folder) else []
        except OSError as error:
            raise ArchiveUnusable(folder, error) from error
        names = (path.rstrip("/").rpartition("/")[2] for path in paths)
        return sorted(bytes.fromhex(match[1]) for name in names if (match := _PLAN.fullmatch(name)))

    @contextmanager
    def _open(self, path: str) -> Iterator[Iterator[bytes]]:
        try:
            with self._fs.open(path, "rb") as file:
                yield (line.rstrip(b"\n") for line in file)
        except OSError as error:
            raise ArchiveUnusable(path, error) from error


def _flush_to_disk(file: Any) -> None:
    """Make a plan survive a power cut before its anchor is sent. Remote stores do so on close."""
    file.flush()
    try:
        os.fsync(file.fileno())
    except (AttributeError, io.UnsupportedOperation):
        return
