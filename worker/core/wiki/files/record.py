"""One record of a file of contributions, and why a whole file cannot be read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from worker.core.errors import UsageError

RECORD_BYTES_MAX = 1 << 20
"""A longer record is no contribution. The limit bounds the memory that any file takes."""
REQUIRED = ("user_id", "type", "created_at")


class NotAContributionFile(UsageError):
    """The file as a whole has another format."""

    def __init__(self, why: str) -> None:
        super().__init__(
            f"This is no file of contributions ({why}). It must hold JSON objects, or CSV with a "
            f"header that names at least {', '.join(REQUIRED)}; gzip, bzip2 and xz are fine."
        )


@dataclass(frozen=True, slots=True)
class Record:
    """A record as the file has it, or why it cannot be read. `line` is where it begins."""

    line: int
    values: Mapping[str, Any]
    problem: str | None = None
