"""Adds up the groups of `contributions.sum_stages`."""

from __future__ import annotations

import itertools
import json
from collections import deque
from collections.abc import Iterator, Mapping
from typing import Any

from worker.adapters.mongo.base import canonical_id
from worker.adapters.mongo.connection import Document
from worker.adapters.mongo.payout.contributions import as_plain
from worker.core.errors import KontribError
from worker.core.payout.records import MalformedContribution, UserPoints, WeekPoints
from worker.core.plan.points import claimed_points, defect
from worker.core.plan.rules import Rules

_EXACT_IN_A_DOUBLE = 2**53
_PAGE_USERS = 1_000
_NOTHING = (0, 0, 0, 0)
_UNLISTED_MAX = 10_000
"""The number of malformed contributions kept in memory in addition to the listed ones."""


class PointsNotExact(KontribError):
    """A user's points are too large for an exact sum in the database."""

    def __init__(self, user_id: object, points: object) -> None:
        super().__init__(
            f"The points of user {user_id} add up to {points!r}, which is not exact. Correct the "
            "contributions; `kontrib check` lists them."
        )


class WeekSum:
    """The running sum of a week. It keeps most users as text, so a million users take 35 MB."""

    def __init__(self, rules: Rules, mark: str, malformed_max: int, *, exactly: bool) -> None:
        self._rules, self._mark, self._exactly = rules, mark, exactly
        self._malformed_max, self._highest = malformed_max, rules.points.highest_of_all()
        self._page: list[tuple[str, int, int]] = []
        self._pages: deque[str] = deque()
        self._id_types: set[type] = set()
        self._rest: dict[str, tuple[int, int, int, int]] = {}
        """Points, late points, contributions and late contributions of late groups, and of
        contributions that were judged."""
        self._seen = self._counted = self._after_cutoff = 0
        self._malformed_count = self._malformed_points = 0
        self._malformed: list[MalformedContribution] = []

    def add(self, group: Document) -> None:
        """Add a group.

        Raises:
            PointsNotExact: it may hold contributions that do not count, its sum is rounded, or its
                user may have another group.
        """
        key, count, is_late = group.get("_id"), group["count"], "late" in group
        self._seen += count
        if isinstance(key, dict) and self._mark in key:
            if (contribution := key[self._mark]) is None:
                self._after_cutoff += count
            else:
                self._judge(contribution, is_late)
            return
        user_id, points = canonical_id(key), group["points"]
        if not user_id or not self._is_exact(points):
            raise PointsNotExact(key, points)
        self._counted += count
        if is_late:
            self._add_to_rest(user_id, int(points), count, is_late=True)
        else:
            self._add_own(key, user_id, int(points), count)

    def _is_exact(self, points: object) -> bool:
        """A database adds integers exactly, and whole doubles below 2^53."""
        if isinstance(points, float) and self._exactly:
            return points.is_integer() and points < _EXACT_IN_A_DOUBLE
        return isinstance(points, int)

    def _add_own(self, key: object, user_id: str, points: int, count: int) -> None:
        """Add the points of a user.

        Two keys belong to one user only if their types differ, or if one key is not in canonical
        form.
        """
        self._id_types.add(type(key))
        if len(self._id_types) > 1 or str(key) != user_id:
            raise PointsNotExact(key, points)
        self._page.append((user_id, points, count))
        if len(self._page) == _PAGE_USERS:
            self._pages.append(json.dumps(self._page))
            self._page = []

    def _judge(self, contribution: Mapping[str, Any], is_late: bool) -> None:
        plain = as_plain(contribution)
        if (reason := defect(self._rules.points, plain)) is None:
            self._counted += 1
            points = int(contribution["total_points"])
            self._add_to_rest(str(plain["user_id"]), points, 1, is_late=is_late)
            return
        self._malformed_count += 1
        self._malformed_points += claimed_points(plain["total_points"], self._highest)
        self._malformed.append(MalformedContribution(str(contribution["id"]), reason))
        if len(self._malformed) > self._malformed_max + _UNLISTED_MAX:
            self._malformed = self._first_malformed()

    def _add_to_rest(self, user_id: str, points: int, count: int, *, is_late: bool) -> None:
        total, late, counts, late_counts = self._rest.get(user_id, _NOTHING)
        if is_late:
            late, late_counts = late + points, late_counts + count
        self._rest[user_id] = (total + points, late, counts + count, late_counts)

    def _first_malformed(self) -> list[MalformedContribution]:
        return sorted(self._malformed, key=lambda each: each.id)[: self._malformed_max]

    def result(self) -> WeekPoints:
        return WeekPoints(
            self._users(),
            self._malformed_count,
            tuple(self._first_malformed()),
            seen=self._seen,
            counted=self._counted,
            after_cutoff=self._after_cutoff,
            malformed_points=self._malformed_points,
        )

    def _users(self) -> Iterator[UserPoints]:
        for page in itertools.chain(self._take_pages(), [self._page]):
            for user_id, points, count in page:
                more, late, counts, late_counts = self._rest.pop(user_id, _NOTHING)
                yield UserPoints(user_id, points + more, late, count + counts, late_counts)
        for user_id, sums in self._rest.items():
            yield UserPoints(user_id, *sums)

    def _take_pages(self) -> Iterator[list[tuple[str, int, int]]]:
        """The full pages. Each is given up as it is read: the caller needs the memory."""
        while self._pages:
            yield json.loads(self._pages.popleft())
