"""The canonical form of a plan, and its root, which is anchored before the first token moves.

This is version 1 of the format. docs/plan-format.md describes each byte and has test vectors. Any
change needs a new version.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from worker.core.errors import Refused, UsageError
from worker.core.money import BaseUnits
from worker.core.plan.merkle import RootBuilder, inclusion_path, merkle_root, root_from_path
from worker.core.plan.receipts import BatchId
from worker.core.week import Week

FORMAT_VERSION = "1"

_UNREADABLE = (ValueError, KeyError, TypeError, AttributeError, RecursionError, UsageError)
"""The errors of reading a malformed line: wrong JSON, types, weeks, surrogates, depth."""


class PlanDoesNotMatchRoot(Refused):
    """Stored or published data differs from the anchored plan."""

    def __init__(self, what: str, expected: bytes, actual: bytes) -> None:
        self.what = what
        super().__init__(
            f"{what} does not match the anchored plan (expected {expected.hex()[:16]}..., found "
            f"{actual.hex()[:16]}...). It was changed after planning. Restore it from the "
            "published plan with `kontrib rebuild WEEK --from-chain`; until then it is not paid."
        )


def canonical_json(value: Any) -> bytes:
    """JSON with sorted keys, no spaces and unescaped UTF-8. Integers must already be strings."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return text.encode()


@dataclass(frozen=True, slots=True)
class Row:
    """One user's reward in a plan. `wallet` and `batch` are empty when it is held."""

    user: bytes
    wallet: str
    points: int
    weight: int
    amount: BaseUnits
    batch: str

    def canonical(self) -> bytes:
        # Formatted by hand for speed: no value needs escaping.
        return (
            f'{{"amount":"{self.amount}","batch":"{self.batch}","points":"{self.points}",'
            f'"user":"{self.user.hex()}","wallet":"{self.wallet}","weight":"{self.weight}"}}'
        ).encode()

    @classmethod
    def parse(cls, line: bytes) -> Row:
        """Read a canonical row.

        Raises:
            MalformedPlan: the line is not a row, or not in canonical form.
        """
        try:
            row = json.loads(line)
            parsed = cls(
                user=bytes.fromhex(row["user"]),
                wallet=row["wallet"],
                points=int(row["points"]),
                weight=int(row["weight"]),
                amount=BaseUnits(int(row["amount"])),
                batch=row["batch"],
            )
            canonical = parsed.canonical()
        except _UNREADABLE as error:
            raise MalformedPlan(line, str(error)) from None
        if canonical != line:
            raise MalformedPlan(line, "not in canonical form")
        return parsed


class MalformedPlan(Refused):
    """A line of a published plan cannot be read."""

    def __init__(self, line: bytes, why: str) -> None:
        super().__init__(f"Not a line of a plan ({why}): {line[:120]!r}. Fetch the file again.")


@dataclass(frozen=True, slots=True)
class Header:
    """The first line of a plan: its facts and totals. Integers are written as strings."""

    week: Week
    cutoff: int
    """Unix seconds: contributions recorded from this second on are late."""
    previous_root: bytes
    """Root of the week before; empty for the first week."""
    mint: str
    rules: dict[str, Any]
    batch_size: int
    batches: int
    rewards: int
    held: int
    total_points: int
    total_weight: int
    total_amount: BaseUnits
    floor_waived: bool

    def canonical(self) -> bytes:
        return canonical_json(
            {
                "batch_size": str(self.batch_size),
                "batches": str(self.batches),
                "cutoff": str(self.cutoff),
                "floor_waived": "true" if self.floor_waived else "false",
                "held": str(self.held),
                "mint": self.mint,
                "previous_root": self.previous_root.hex(),
                "rewards": str(self.rewards),
                "rules": self.rules,
                "total_amount": str(self.total_amount),
                "total_points": str(self.total_points),
                "total_weight": str(self.total_weight),
                "version": FORMAT_VERSION,
                "week": self.week.id,
            }
        )

    @classmethod
    def parse(cls, line: bytes) -> Header:
        """Read a canonical header.

        Raises:
            MalformedPlan: not a header, another version, or not in canonical form.
        """
        try:
            value = json.loads(line)
            if value["version"] != FORMAT_VERSION:
                raise MalformedPlan(line, f"format version {value['version']} is not known here")
            numbers = ("batch_size", "batches", "rewards", "held", "total_points", "total_weight")
            parsed = cls(
                week=Week.parse(value["week"]),
                cutoff=int(value["cutoff"]),
                previous_root=bytes.fromhex(value["previous_root"]),
                mint=value["mint"],
                rules=value["rules"],
                total_amount=BaseUnits(int(value["total_amount"])),
                floor_waived=value["floor_waived"] == "true",
                **{name: int(value[name]) for name in numbers},
            )
            if not (isinstance(parsed.mint, str) and isinstance(parsed.rules, dict)):
                raise TypeError("mint or rules of a wrong type")
            canonical = parsed.canonical()
        except _UNREADABLE as error:
            raise MalformedPlan(line, str(error)) from None
        if canonical != line:
            raise MalformedPlan(line, "not in canonical form")
        return parsed

    def batch_id(self, index: int) -> BatchId:
        return BatchId(self.week, index)

    def batch_positions(self, index: int) -> range:
        """The positions of a batch's rows in the canonical order."""
        payable = self.rewards - self.held
        first = index * self.batch_size
        return range(first, min(first + self.batch_size, payable))

    def batch_of(self, position: int) -> int | None:
        """The index of the batch with this row; None if the row is held."""
        return None if position in self.held_positions else position // self.batch_size

    @property
    def held_positions(self) -> range:
        return range(self.rewards - self.held, self.rewards)


@dataclass(frozen=True, slots=True)
class Seal:
    """A plan's header and the roots of its parts. They suffice to check any single batch."""

    header: Header
    batch_roots: tuple[bytes, ...]
    held_root: bytes

    def leaves(self) -> list[bytes]:
        return [self.header.canonical(), *self.batch_roots, self.held_root]

    @property
    def root(self) -> bytes:
        return merkle_root(self.leaves())

    def check_batch(self, index: int, rows: Iterable[Row]) -> None:
        """
        Raises:
            PlanDoesNotMatchRoot: a row is missing, extra or changed.
        """
        actual = rows_root(rows)
        if actual != self.batch_roots[index]:
            what = f"Batch {self.header.batch_id(index)}"
            raise PlanDoesNotMatchRoot(what, self.batch_roots[index], actual)

    def check_held(self, rows: Iterable[Row]) -> None:
        """
        Raises:
            PlanDoesNotMatchRoot: a row is missing, extra or changed.
        """
        actual = rows_root(rows)
        if actual != self.held_root:
            what = f"The list of held rewards of {self.header.week}"
            raise PlanDoesNotMatchRoot(what, self.held_root, actual)


def rows_root(rows: Iterable[Row]) -> bytes:
    return merkle_root(row.canonical() for row in rows)


class SealBuilder:
    """Seals a plan from its rows in canonical order: batched ones first, then held ones."""

    def __init__(self, header: Header) -> None:
        self._header = header
        self._roots: list[bytes] = []
        self._builder, self._in_part, self._seen = RootBuilder(), 0, 0

    def add(self, row: Row) -> None:
        self.add_line(row.canonical())

    def add_line(self, line: bytes) -> None:
        """Add a row by its canonical line."""
        payable = self._header.rewards - self._header.held
        full = self._in_part == self._header.batch_size
        if self._in_part and (self._seen == payable or (full and self._seen < payable)):
            self._close_batch()
        self._builder.add(line)
        self._in_part += 1
        self._seen += 1

    def seal(self) -> Seal:
        """
        Raises:
            MalformedPlan: the number of rows differs from the header.
        """
        if self._seen != self._header.rewards:
            why = f"{self._seen} rows instead of {self._header.rewards}"
            raise MalformedPlan(self._header.canonical(), why)
        if self._in_part and not self._header.held:
            self._close_batch()
        return Seal(self._header, tuple(self._roots), self._builder.root())

    def _close_batch(self) -> None:
        self._roots.append(self._builder.root())
        self._builder, self._in_part = RootBuilder(), 0


@dataclass(frozen=True, slots=True)
class RowProof:
    """Proves that a row belongs to a plan: the paths to its part's root and to the plan's."""

    header: bytes
    row: bytes
    index_in_part: int
    part_size: int
    row_path: tuple[bytes, ...]
    part: int
    parts: int
    part_path: tuple[bytes, ...]
    header_path: tuple[bytes, ...]

    def root(self) -> bytes | None:
        """The plan root that the row and the header lead to; None if they differ."""
        path = list(self.row_path)
        part_root = root_from_path(self.row, self.index_in_part, self.part_size, path)
        if part_root is None:
            return None
        root = root_from_path(part_root, self.part, self.parts, self.part_path)
        of_header = root_from_path(self.header, 0, self.parts, self.header_path)
        return root if root == of_header else None


def prove_row(seal: Seal, part: int, rows: Sequence[Row], index: int) -> RowProof:
    """Prove the row at `index` of a part (batch 0..n-1, or n for the held rows)."""
    leaves = seal.leaves()
    lines = [row.canonical() for row in rows]
    return RowProof(
        header=leaves[0],
        row=lines[index],
        index_in_part=index,
        part_size=len(lines),
        row_path=tuple(inclusion_path(lines, index)),
        part=part + 1,
        parts=len(leaves),
        part_path=tuple(inclusion_path(leaves, part + 1)),
        header_path=tuple(inclusion_path(leaves, 0)),
    )
