"""Reads a published plan as a stranger does: JSON lines, and the Merkle root over them.

It is part of the auditor and shares no code with the system.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class PlanRow:
    commitment: str
    wallet: str
    amount: int
    batch: str


@dataclass(frozen=True, slots=True)
class PublishedPlan:
    """The contents of a file, and the Merkle root of its bytes."""

    week: str
    total: int
    root: str
    previous_root: str
    rows: list[PlanRow]
    by_batch: dict[str, list[PlanRow]] = field(default_factory=dict)
    by_commitment: dict[str, PlanRow] = field(default_factory=dict)


def read_plan(content: bytes) -> PublishedPlan:
    """Read a file without the code that wrote it."""
    header_line, *row_lines = content.splitlines()
    header, rows = json.loads(header_line), [_row(line) for line in row_lines]
    by_batch: dict[str, list[PlanRow]] = {}
    lines_of: dict[str, list[bytes]] = {"": []}
    for row, line in zip(rows, row_lines, strict=True):
        by_batch.setdefault(row.batch, []).append(row)
        lines_of.setdefault(row.batch, []).append(line)
    held = lines_of.pop("")
    parts = [tree_root(lines_of[batch]) for batch in sorted(lines_of)]
    return PublishedPlan(
        week=header["week"],
        total=int(header["total_amount"]),
        root=tree_root([header_line, *parts, tree_root(held)]).hex(),
        previous_root=header["previous_root"],
        rows=rows,
        by_batch=by_batch,
        by_commitment={row.commitment: row for row in rows},
    )


def _row(line: bytes) -> PlanRow:
    row = json.loads(line)
    return PlanRow(row["user"], row["wallet"], int(row["amount"]), row["batch"])


def tree_root(leaves: Sequence[bytes]) -> bytes:
    """The Merkle tree hash exactly as in RFC 6962, section 2.1."""
    if not leaves:
        return hashlib.sha256(b"").digest()
    if len(leaves) == 1:
        return hashlib.sha256(b"\x00" + leaves[0]).digest()
    split = 1
    while split * 2 < len(leaves):
        split *= 2
    return hashlib.sha256(b"\x01" + tree_root(leaves[:split]) + tree_root(leaves[split:])).digest()
