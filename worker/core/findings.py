"""What checking comes to: questions, and everything that speaks against a yes."""

from __future__ import annotations

import enum
from collections.abc import Iterable
from dataclasses import dataclass, field

LISTED_MAX = 20
"""Findings that one check names; all of them are counted."""


class Outcome(enum.StrEnum):
    """`UNPROVEN` means that something could not be read, so that neither can be said."""

    OK = "ok"
    WRONG = "WRONG"
    UNPROVEN = "not proven"


@dataclass(frozen=True, slots=True)
class Finding:
    """One contradiction, or one thing that could not be read, and where."""

    outcome: Outcome
    place: str
    what: str

    def __str__(self) -> str:
        return f"{self.place}: {self.what}"


@dataclass(slots=True)
class Check:
    """One question. `detail` says what was compared, `notes` what a reader should know."""

    name: str
    detail: str = ""
    findings: list[Finding] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    wrong_count: int = 0
    unproven_count: int = 0

    def wrong(self, place: str, what: str) -> None:
        self.wrong_count += 1
        self._list(Finding(Outcome.WRONG, place, what))

    def unproven(self, place: str, what: str) -> None:
        self.unproven_count += 1
        self._list(Finding(Outcome.UNPROVEN, place, what))

    def expect(self, place: str, what: str, expected: object, found: object) -> None:
        """Note a contradiction unless both are the same."""
        if expected != found:
            self.wrong(place, f"{what} is {found}, and must be {expected}")

    def note(self, text: str) -> None:
        if len(self.notes) < LISTED_MAX:
            self.notes.append(text)

    @property
    def outcome(self) -> Outcome:
        if self.wrong_count:
            return Outcome.WRONG
        return Outcome.UNPROVEN if self.unproven_count else Outcome.OK

    def _list(self, finding: Finding) -> None:
        if len(self.findings) < LISTED_MAX:
            self.findings.append(finding)


def outcome_of(checks: Iterable[Check]) -> Outcome:
    """The worst of them."""
    found = {check.outcome for check in checks}
    return next((it for it in (Outcome.WRONG, Outcome.UNPROVEN) if it in found), Outcome.OK)
