"""The memos of our transactions. Anyone can read them on chain without our database."""

from __future__ import annotations

import json
from dataclasses import dataclass

from worker.core.errors import KontribError
from worker.core.plan.commitment import FORMAT_VERSION, Header, canonical_json
from worker.core.plan.earlier_key import EarlierKey
from worker.core.week import MalformedWeek, Week


class MalformedMemo(KontribError):
    """A memo on chain is not ours, or has another version."""

    def __init__(self, memo: str, why: str) -> None:
        super().__init__(f"Not a memo of this system ({why}): {memo[:200]!r}")


@dataclass(frozen=True, slots=True)
class GenesisMemo:
    first_week: Week
    mint: str
    earlier: EarlierKey | None = None
    """The key whose weeks this one continues."""

    def text(self) -> str:
        value = {"first_week": self.first_week.id, "kontrib": FORMAT_VERSION, "mint": self.mint}
        if self.earlier is not None:
            value["earlier_cutoff"] = str(self.earlier.cutoff)
            value["earlier_first_week"] = self.earlier.first_week.id
        return canonical_json(value).decode()

    @classmethod
    def parse(cls, memo: str) -> GenesisMemo:
        """
        Raises:
            MalformedMemo: it is not a genesis memo, or has another version.
        """
        value = _read(memo, ("first_week", "mint"), ("earlier_cutoff", "earlier_first_week"))
        try:
            earlier = None
            if "earlier_cutoff" in value:
                since = Week.parse(value["earlier_first_week"])
                earlier = EarlierKey(int(value["earlier_cutoff"]), since)
            return cls(Week.parse(value["first_week"]), value["mint"], earlier)
        except (ValueError, KeyError, MalformedWeek) as error:
            raise MalformedMemo(memo, str(error)) from None


@dataclass(frozen=True, slots=True)
class AnchorMemo:
    """The facts about a plan that its anchor makes public."""

    week: Week
    cutoff: int
    root: bytes
    previous_root: bytes
    rewards: int
    batches: int
    batch_size: int
    total_amount: int
    mint: str

    @classmethod
    def of(cls, header: Header, root: bytes) -> AnchorMemo:
        return cls(
            week=header.week,
            cutoff=header.cutoff,
            root=root,
            previous_root=header.previous_root,
            rewards=header.rewards,
            batches=header.batches,
            batch_size=header.batch_size,
            total_amount=header.total_amount,
            mint=header.mint,
        )

    def text(self) -> str:
        value = {
            "batch_size": str(self.batch_size),
            "batches": str(self.batches),
            "cutoff": str(self.cutoff),
            "kontrib": FORMAT_VERSION,
            "mint": self.mint,
            "previous_root": self.previous_root.hex(),
            "rewards": str(self.rewards),
            "root": self.root.hex(),
            "total": str(self.total_amount),
            "week": self.week.id,
        }
        return canonical_json(value).decode()

    @classmethod
    def parse(cls, memo: str) -> AnchorMemo:
        """
        Raises:
            MalformedMemo: it is not an anchor memo, or has another version.
        """
        numbers = ("cutoff", "rewards", "batches", "batch_size")
        value = _read(memo, (*numbers, "total", "week", "mint", "root", "previous_root"))
        try:
            return cls(
                week=Week.parse(value["week"]),
                root=bytes.fromhex(value["root"]),
                previous_root=bytes.fromhex(value["previous_root"]),
                total_amount=int(value["total"]),
                mint=value["mint"],
                **{name: int(value[name]) for name in numbers},
            )
        except (ValueError, MalformedWeek) as error:
            raise MalformedMemo(memo, str(error)) from None


def _read(memo: str, names: tuple[str, ...], optional: tuple[str, ...] = ()) -> dict[str, str]:
    try:
        value = json.loads(memo)
        if value["kontrib"] != FORMAT_VERSION:
            raise MalformedMemo(memo, f"version {value['kontrib']} is not known here")
        there = tuple(name for name in optional if name in value)
        return {name: str(value[name]) for name in names + there}
    except (ValueError, KeyError, TypeError) as error:
        raise MalformedMemo(memo, str(error)) from None
