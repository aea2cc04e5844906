"""A bundle that somebody published, wherever its files are."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

from worker.core.week import Week


class BundleFiles(Protocol):
    """One week's bundle, and those of other weeks that were published with it."""

    def manifest(self) -> bytes:
        """`manifest.json` as it is."""
        ...

    def lines(self, name: str) -> Iterator[bytes]:
        """A file's lines with their line ends, from its beginning each time."""
        ...

    def beside(self, week: Week) -> BundleFiles | None:
        """The bundle of another week in the same place; None where there is none."""
        ...
