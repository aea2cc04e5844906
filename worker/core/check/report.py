"""The findings of a check of everything that is stored, by area."""

from __future__ import annotations

import enum
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

from worker.core.errors import KontribError, NotReady
from worker.core.findings import Finding, differing, value_text

_UNREADABLE = (KeyError, TypeError, ValueError, AttributeError, ArithmeticError)
"""Errors of reading a document that another program may have written."""


class Area(enum.StrEnum):
    """The subject of a finding."""

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


@dataclass(slots=True)
class CheckReport:
    """Every finding, and how many records of each kind were compared."""

    findings: list[Finding] = field(default_factory=list)
    looked_at: Counter[str] = field(default_factory=Counter)
    notes: list[str] = field(default_factory=list)
    """What a person should know, and is no difference."""

    @property
    def is_clean(self) -> bool:
        return not self.findings

    def add(self, area: Area, subject: str, found: object, expected: object) -> None:
        self.findings.append(Finding(area, subject, value_text(found), value_text(expected)))

    def compare(
        self, area: Area, subject: str, fields: Mapping[str, object], expected: Mapping[str, object]
    ) -> None:
        """Add every expected value that a document does not hold."""
        self.extend(differing(area, subject, fields, expected))

    def extend(self, findings: Iterable[Finding]) -> None:
        self.findings.extend(findings)

    @contextmanager
    def continue_after_errors(self, area: Area, subject: str) -> Iterator[None]:
        """Add a record that cannot be read as a finding, so that the rest is still compared.

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
        """Findings by area, every area included."""
        counted = Counter(each.area for each in self.findings)
        return {area: counted[area] for area in Area}

    def sentence(self) -> str:
        looked = ", ".join(f"{count:,} {what}" for what, count in self.looked_at.items())
        if self.is_clean:
            return f"no difference in {looked}"
        listed = ", ".join(f"{count} in {area}" for area, count in self.counts().items() if count)
        return f"{len(self.findings)} differences ({listed}) in {looked}"
