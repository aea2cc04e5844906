"""A bundle in memory: the twin of both `BundleFolderWriter` and `BundleFolder`."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator

from worker.core.bundle import MANIFEST_FILE


class MemoryBundle:
    """Written once, read any number of times; tests may change `files` in between."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self._draft: dict[str, bytes] = {}

    def write(self, name: str, lines: Iterable[bytes]) -> bytes:
        self._draft[name] = b"".join(line + b"\n" for line in lines)
        return hashlib.sha256(self._draft[name]).digest()

    def finish(self) -> str:
        self.files = dict(self._draft)
        return "memory"

    def manifest(self) -> bytes:
        return self.files[MANIFEST_FILE]

    def lines(self, name: str) -> Iterator[bytes]:
        return iter(self.files[name].splitlines(keepends=True))
