"""Accounts for every contribution that a plan saw."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from worker.core.errors import KontribError
from worker.core.week import Week


class ContributionsUnaccounted(KontribError):
    """Planning lost or doubled a contribution. A bug: the plan is not used."""

    def __init__(self, week: Week, fates: Fates) -> None:
        self.fates = fates
        super().__init__(
            f"The contributions of {week.label} do not add up: {fates.equation()}. Nothing was "
            "planned. Look at `kontrib check`, and report this with its output."
        )


@dataclass(frozen=True, slots=True)
class Fates:
    """The fate of each contribution in a plan's window.

    `counted` and `late` are the week's own and earlier contributions of users with a reward;
    `excluded` are those of all other users. The `points` are of `counted` and `late`. The
    `points_left_out` are of `excluded` and `malformed`.
    """

    seen: int
    counted: int
    late: int
    excluded: int
    malformed: int
    after_cutoff: int
    points: int
    points_left_out: int

    @classmethod
    def read(cls, document: Mapping[str, Any] | None) -> Fates | None:
        """The fates that a plan's notes hold, or None. Adopted plans have none."""
        names = cls.__dataclass_fields__
        if not document or any(not isinstance(document.get(name), int) for name in names):
            return None
        return cls(**{name: int(document[name]) for name in names})

    def equation(self) -> str:
        return (
            f"{self.seen:,} seen, {self.counted:,} counted, {self.late:,} late, "
            f"{self.excluded:,} excluded, {self.malformed:,} malformed, "
            f"{self.after_cutoff:,} recorded after the cut-off"
        )

    def check(self, week: Week) -> None:
        """
        Raises:
            ContributionsUnaccounted: a contribution has no fate, or two.
        """
        parts = self.counted + self.late + self.excluded + self.malformed + self.after_cutoff
        if parts != self.seen:
            raise ContributionsUnaccounted(week, self)

    def left_out(self) -> Fraction:
        """The share of contributions, or of points, that cannot count: the larger one.

        Contributions that were recorded after the cut-off still count later, so they are no part.
        """
        contributions = self.excluded + self.malformed
        return max(
            _share(contributions, self.counted + self.late),
            _share(self.points_left_out, self.points),
        )


def _share(part: int, rest: int) -> Fraction:
    return Fraction(part, part + rest) if part else Fraction(0)
