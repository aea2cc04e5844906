"""What a check finds, and how points are computed again from a contribution's own factors."""

from __future__ import annotations

import enum
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

from worker.core.errors import KontribError, NotReady
from worker.core.plan.points import PointRules, total_points

_UNREADABLE = (KeyError, TypeError, ValueError, AttributeError, ArithmeticError)
"""What reading a document can raise that somebody else has written."""


class Area(enum.StrEnum):
    """What a difference is about."""

    POINTS = "points"
    """Contributions whose points are not what their factors give, or that cannot count."""
    WEEKS = "weeks"
    """Points that no plan counted, or that a plan counted and that are not there any more."""
    CHAIN = "chain"
    """Recorded payments against the receipts and transactions, and the treasury."""
    RECORDS = "records"
    """Rows, payouts and sums of a plan against its root and against each other."""
    STAKES = "stakes"
    POWER = "power"
    COUNTS = "counts"
    GOVERNANCE = "governance"
    """Proposals, votes, and the changes that they made."""


@dataclass(frozen=True, slots=True)
class Discrepancy:
    """One difference: of what, what is stored, and what it should be."""

    area: Area
    subject: str
    found: str
    expected: str

    def __str__(self) -> str:
        return f"{self.area}: {self.subject} is {self.found}, expected {self.expected}"


@dataclass(slots=True)
class CheckReport:
    """Every difference, and how much was looked at."""

    discrepancies: list[Discrepancy] = field(default_factory=list)
    looked_at: Counter[str] = field(default_factory=Counter)

    @property
    def is_clean(self) -> bool:
        return not self.discrepancies

    def add(self, area: Area, subject: str, found: object, expected: object) -> None:
        self.discrepancies.append(Discrepancy(area, subject, str(found), str(expected)))

    @contextmanager
    def going_on(self, area: Area, subject: str) -> Iterator[None]:
        """List what cannot be read, so that the rest is compared all the same.

        Raises:
            NotReady: a server did not answer, so nothing is known.
        """
        try:
            yield
        except NotReady:
            raise
        except (KontribError, *_UNREADABLE) as error:
            self.add(area, subject, f"not readable ({error or type(error).__name__})", "readable")

    def counts(self) -> dict[Area, int]:
        """Differences by area, every area included."""
        counted = Counter(each.area for each in self.discrepancies)
        return {area: counted[area] for area in Area}

    def sentence(self) -> str:
        looked = ", ".join(f"{count:,} {what}" for what, count in self.looked_at.items())
        if self.is_clean:
            return f"no difference in {looked}"
        listed = ", ".join(f"{count} in {area}" for area, count in self.counts().items() if count)
        return f"{len(self.discrepancies)} differences ({listed}) in {looked}"


@dataclass(frozen=True, slots=True)
class Factors:
    """What a contribution's points were computed from, as stored."""

    base_points: object
    quality: object
    reputation: object
    demand: object

    @property
    def are_missing(self) -> bool:
        """Whether the document holds nothing to compute from: only the result was stored."""
        return self.base_points is None and (self.quality, self.reputation, self.demand) == (
            None,
            None,
            None,
        )


def recomputed_points(rules: PointRules, kind: str, factors: Factors) -> int | None:
    """Points from the factors that the contribution itself holds; None where one is no number.

    Its own base points, since the configured ones may have been changed since.
    """
    base = factors.base_points
    if isinstance(base, float) and base.is_integer():
        base = int(base)
    if base is not None and (isinstance(base, bool) or not isinstance(base, int) or base < 0):
        return None
    own = rules if base is None else replace(rules, base_points={kind: base})
    try:
        return total_points(
            own,
            kind,
            quality=factors.quality,
            reputation=factors.reputation,
            demand=factors.demand,
        )
    except KontribError:
        return None
