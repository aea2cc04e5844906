"""The files of a bundle, wherever they are: to read and to write."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Protocol

from worker.core.week import Week


class BundleFiles(Protocol):
    """One week's bundle, and those of other weeks that were published with it."""

    def manifest(self) -> bytes:
        """The bytes of `manifest.json`."""

    def lines(self, name: str) -> Iterator[bytes]:
        """A file's lines with their line ends, from its beginning each time."""

    def beside(self, week: Week) -> BundleFiles | None:
        """The bundle of another week in the same place; None where there is none."""


class BundleWriter(Protocol):
    """The place that a bundle is written to. Readers see nothing of it before `finish`."""

    def write(self, name: str, lines: Iterable[bytes]) -> bytes:
        """Write a file of lines, each with a line end; the SHA-256 of the file."""

    def finish(self) -> str:
        """Put all files in place; their place, for people."""
