"""Reading and writing the files of a bundle, in any place."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Protocol

from worker.core.week import Week


class BundleFiles(Protocol):
    """One week's bundle, and the bundles of other weeks in the same place."""

    def manifest(self) -> bytes:
        """The bytes of `manifest.json`."""

    def lines(self, name: str) -> Iterator[bytes]:
        """A file's lines with their line ends. Each call begins at the first line."""

    def beside(self, week: Week) -> BundleFiles | None:
        """The bundle of another week in the same place, if there is one."""


class BundleWriter(Protocol):
    """Writes a bundle. Readers see its files only after `finish`."""

    def write(self, name: str, lines: Iterable[bytes]) -> bytes:
        """Write a file, each line with a line end. Returns the SHA-256 of the file."""

    def finish(self) -> str:
        """Put all files in place. Returns the place as text for people."""
