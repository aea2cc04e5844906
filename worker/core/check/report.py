"""The findings of `kontrib check`, by area."""

from __future__ import annotations

import enum
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

from worker.core.errors import KontribError, NotReady
from worker.core.findings import Finding, Outcome, differing, value_text
from worker.core.wording import counted

_UNREADABLE = (KeyError, TypeError, ValueError, AttributeError, ArithmeticError)
"""Errors that a document of another program can raise."""


class Area(enum.StrEnum):
    """The subject of a finding."""

    POINTS = "points"
    """Contributions that cannot count, or whose points contradict their factors."""
    WEEKS = "weeks"
    """Differences between the points of a plan and of its contributions."""
    CHAIN = "chain"
    """Recorded payments, compared with receipts, transactions and the treasury."""
    RECORDS = "records"
    """Rows, payouts and sums of a plan, compared with its root and with each other."""
    STAKES = "stakes"
    POWER = "power"
    COUNTS = "counts"
    GOVERNANCE = "governance"
    """Proposals, votes and executed changes."""


@dataclass(slots=True)
class CheckReport:
    """All findings, and the number of compared records of each kind."""

    findings: list[Finding] = field(default_factory=list)
    looked_at: Counter[str] = field(default_factory=Counter)
    from_before: list[Finding] = field(default_factory=list)
    """Facts of the wiki's that no record explains, and what they count as. No differences."""
    notes: list[str] = field(default_factory=list)
    """What a person should know, and is no difference."""

    @property
    def is_clean(self) -> bool:
        return not self.findings

    def add(self, area: Area, subject: str, found: object, expected: object) -> None:
        self.findings.append(Finding(area, subject, value_text(found), value_text(expected)))

    def note_from_before(self, area: Area, subject: str, found: object, counts_as: str) -> None:
        """List a fact of the wiki's that is taken over without a record that explains it."""
        self.from_before.append(Finding(area, subject, value_text(found), counts_as, Outcome.OK))

    def compare(
        self, area: Area, subject: str, fields: Mapping[str, object], expected: Mapping[str, object]
    ) -> None:
        """Add a finding for each expected value that a document lacks."""
        self.extend(differing(area, subject, fields, expected))

    def extend(self, findings: Iterable[Finding]) -> None:
        self.findings.extend(findings)

    @contextmanager
    def continue_after_errors(self, area: Area, subject: str) -> Iterator[None]:
        """Turn an unreadable record into a finding, so that the check continues.

        Raises:
            NotReady: a server did not answer, so the result is unknown.
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
        looked = ", ".join(_looked(count, what) for what, count in self.looked_at.items())
        if self.is_clean:
            return f"no difference in {looked}"
        listed = ", ".join(f"{count} in {area}" for area, count in self.counts().items() if count)
        return f"{counted(len(self.findings), 'difference')} ({listed}) in {looked}"


def _looked(count: int, things: str) -> str:
    """`1 week on chain`, `45 rewards`. The first word that ends with an s is the plural."""
    named = re.sub(r"s\b", "", things, count=1) if count == 1 else things
    return f"{count:,} {named}"
