"""Weeks run from Monday 00:00 UTC to the next Monday 00:00 UTC, the end excluded."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from worker.core.errors import UsageError

_ISO_WEEK = re.compile(r"([0-9]{4})-?W([0-9]{2})")
_LENGTH = timedelta(days=7)
YEAR_FIRST, YEAR_LAST = 1970, 9998
"""Weeks before and after these can be computed, too."""


class MalformedWeek(UsageError):
    """The text is neither an ISO week nor the date of a Monday."""

    def __init__(self, text: str, why: str) -> None:
        self.text = text
        super().__init__(
            f"'{text}' is not a week ({why}). Write it as 2024-W50 or as its Monday, 2024-12-09."
        )


@dataclass(frozen=True, slots=True, order=True)
class Week:
    """One week, named by the date of its Monday."""

    monday: date

    def __post_init__(self) -> None:
        if self.monday.weekday() != 0:
            raise MalformedWeek(self.monday.isoformat(), f"{self.monday:%A} is not a Monday")

    @classmethod
    def parse(cls, text: str) -> Week:
        """Read `2024-W50` or `2024-12-09`.

        Raises:
            MalformedWeek: the text is neither form, the date is not a Monday, or its year is at
                the end of the calendar.
        """
        text = text.strip()
        try:
            if match := _ISO_WEEK.fullmatch(text):
                monday = date.fromisocalendar(int(match[1]), int(match[2]), 1)
            else:
                monday = date.fromisoformat(text)
        except ValueError as error:
            raise MalformedWeek(text, str(error)) from None
        if not YEAR_FIRST <= monday.year <= YEAR_LAST:
            raise MalformedWeek(text, f"its year is not from {YEAR_FIRST} to {YEAR_LAST}")
        return cls(monday)

    @classmethod
    def containing(cls, moment: datetime) -> Week:
        """The week in which a timezone-aware moment falls."""
        day = moment.astimezone(UTC).date()
        return cls(day - timedelta(days=day.weekday()))

    @property
    def id(self) -> str:
        """The Monday's date, which begins every id on chain: `2024-12-09`."""
        return self.monday.isoformat()

    @property
    def label(self) -> str:
        """The ISO week, for people: `2024-W50`."""
        year, number, _ = self.monday.isocalendar()
        return f"{year}-W{number:02}"

    @property
    def start(self) -> datetime:
        return datetime.combine(self.monday, time(), UTC)

    @property
    def end(self) -> datetime:
        return self.start + _LENGTH

    def next(self) -> Week:
        return Week(self.monday + _LENGTH)

    def previous(self) -> Week:
        return Week(self.monday - _LENGTH)

    def back(self, weeks: int) -> Week:
        """The week that lies so many weeks earlier."""
        return Week(self.monday - weeks * _LENGTH)

    def until(self, last: Week) -> list[Week]:
        """Every week from this one to `last`, both included; empty if `last` is earlier."""
        count = (last.monday - self.monday).days // 7 + 1
        return [Week(self.monday + i * _LENGTH) for i in range(max(0, count))]

    def __str__(self) -> str:
        return self.label
