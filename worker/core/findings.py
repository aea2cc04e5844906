"""One type of finding for checks, verification, the doctor and the schema.

A `Check` is one question with its findings. A contradiction makes it wrong. A fact that cannot be
read leaves it unproven.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime

LISTED_MAX = 20
"""The most findings that one check lists. The check counts all findings."""


class Outcome(enum.StrEnum):
    """`UNPROVEN`: a fact cannot be read, so the answer is unknown."""

    OK = "ok"
    WRONG = "WRONG"
    UNPROVEN = "not proven"


def value_text(value: object) -> str:
    """A stored value, for people."""
    if isinstance(value, bytes):
        return value.hex() or "empty"
    if isinstance(value, datetime):
        return value.isoformat()
    return "missing" if value is None else str(value)


@dataclass(frozen=True, slots=True)
class Finding:
    """One contradiction, or one fact that cannot be read."""

    area: str
    """The question or subject area of the finding."""
    subject: str
    """The record, file line or payout. Empty where the area says enough."""
    found: str
    expected: str = ""
    """Empty where `found` is a sentence of its own."""
    outcome: Outcome = Outcome.WRONG
    advice: str = ""

    def __str__(self) -> str:
        where = f"{self.area}, {self.subject}" if self.subject else self.area
        what = f"{self.found}, expected {self.expected}" if self.expected else self.found
        return f"{where}: {what}"


def differing(
    area: str, subject: str, fields: Mapping[str, object], expected: Mapping[str, object]
) -> Iterator[Finding]:
    """A finding for each expected value that the document does not hold."""
    for name, value in expected.items():
        if (found := fields.get(name)) != value:
            yield Finding(area, f"{subject}, {name}", value_text(found), value_text(value))


@dataclass(slots=True)
class Check:
    """One question. `detail` describes the comparison; `notes` add facts for the reader."""

    name: str
    detail: str = ""
    findings: list[Finding] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    wrong_count: int = 0
    unproven_count: int = 0
    listed_max: int = LISTED_MAX

    def wrong(self, subject: str, found: str, expected: str = "") -> None:
        self.add(Finding(self.name, subject, found, expected))

    def unproven(self, subject: str, found: str) -> None:
        self.add(Finding(self.name, subject, found, outcome=Outcome.UNPROVEN))

    def expect(self, subject: str, what: str, expected: object, found: object) -> None:
        """Add a contradiction if the values differ."""
        if expected != found:
            self.wrong(subject, f"{what} is {found}", str(expected))

    def add(self, finding: Finding) -> None:
        """Count a finding, and list it if fewer than `listed_max` are listed."""
        if finding.outcome is Outcome.WRONG:
            self.wrong_count += 1
        else:
            self.unproven_count += 1
        if len(self.findings) < self.listed_max:
            self.findings.append(finding)

    def note(self, text: str) -> None:
        if len(self.notes) < self.listed_max:
            self.notes.append(text)

    @property
    def outcome(self) -> Outcome:
        if self.wrong_count:
            return Outcome.WRONG
        return Outcome.UNPROVEN if self.unproven_count else Outcome.OK

    @property
    def ok(self) -> bool:
        return self.outcome is Outcome.OK


def outcome_of(checks: Iterable[Check]) -> Outcome:
    """The worst outcome of all checks."""
    found = {check.outcome for check in checks}
    return next((it for it in (Outcome.WRONG, Outcome.UNPROVEN) if it in found), Outcome.OK)
