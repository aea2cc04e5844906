"""Adds up the groups of `contributions.sum_stages`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from worker.adapters.mongo.connection import Document
from worker.adapters.mongo.payout.contributions import as_plain, canonical_form
from worker.core.errors import KontribError
from worker.core.payout.records import MalformedContribution, UserPoints, WeekPoints
from worker.core.plan.points import defect
from worker.core.plan.rules import Rules

_EXACT_IN_A_DOUBLE = 2**53
_SORTED_AT = 10_000
"""The most malformed contributions in memory beyond those to list."""


class PointsNotExact(KontribError):
    """A user's points are beyond what the database can add up exactly."""

    def __init__(self, user_id: object, points: object) -> None:
        super().__init__(
            f"The points of user {user_id} add up to {points!r}, which is not exact. Correct the "
            "contributions; `kontrib check` lists them."
        )


class WeekSum:
    """The points of each user, in memory: about 200 bytes a user."""

    def __init__(self, rules: Rules, mark: str, malformed_max: int, *, exactly: bool) -> None:
        self._rules, self._mark, self._exactly = rules, mark, exactly
        self._malformed_max = malformed_max
        self._points: dict[str, int] = {}
        self._late: dict[str, int] = {}
        self._seen = self._counted = self._after_cutoff = self._malformed_count = 0
        self._malformed: list[MalformedContribution] = []

    def add(self, group: Document) -> None:
        """Add a group.

        Raises:
            PointsNotExact: it may hold contributions that do not count, or its sum is rounded.
        """
        key, count, is_late = group.get("_id"), group["count"], "late" in group
        self._seen += count
        if isinstance(key, Mapping) and self._mark in key:
            if (contribution := key[self._mark]) is None:
                self._after_cutoff += count
            else:
                self._judge(contribution, is_late)
        else:
            user_id, points = canonical_form(key), group["points"]
            if not user_id or not self._is_exact(points):
                raise PointsNotExact(key, points)
            self._add(user_id, int(points), count, is_late)

    def _is_exact(self, points: object) -> bool:
        """A database adds integers up exactly, and whole doubles below 2^53."""
        if isinstance(points, float) and self._exactly:
            return points.is_integer() and points < _EXACT_IN_A_DOUBLE
        return isinstance(points, int)

    def _judge(self, contribution: Mapping[str, Any], is_late: bool) -> None:
        plain = as_plain(contribution)
        if (reason := defect(self._rules.points, plain)) is None:
            self._add(str(plain["user_id"]), int(contribution["total_points"]), 1, is_late)
            return
        self._malformed_count += 1
        self._malformed.append(MalformedContribution(str(contribution["id"]), reason))
        if len(self._malformed) > self._malformed_max + _SORTED_AT:
            self._malformed = self._first_malformed()

    def _add(self, user_id: str, points: int, count: int, is_late: bool) -> None:
        self._counted += count
        self._points[user_id] = self._points.get(user_id, 0) + points
        if is_late:
            self._late[user_id] = self._late.get(user_id, 0) + points

    def _first_malformed(self) -> list[MalformedContribution]:
        return sorted(self._malformed, key=lambda each: each.id)[: self._malformed_max]

    def result(self) -> WeekPoints:
        late = self._late
        return WeekPoints(
            (UserPoints(user, points, late.get(user, 0)) for user, points in self._points.items()),
            self._malformed_count,
            tuple(self._first_malformed()),
            seen=self._seen,
            counted=self._counted,
            after_cutoff=self._after_cutoff,
        )
