"""Import contributions from a file, each of them once, however often the import runs.

Every contribution has its id before it is stored, from the file or from its content. So a second
run finds the contributions of the first. Malformed records are listed, and the others imported.
Every record is counted once: added, known, malformed, or of another week.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from worker.core.chunks import chunks
from worker.core.errors import KontribError
from worker.core.plan.rules import rules_from
from worker.core.week import Week
from worker.core.wiki.contribution_file import (
    Contribution,
    MalformedRecord,
    Occurrences,
    Stored,
    confirms_points,
    contribution_from,
)
from worker.core.wiki.files.record import Record
from worker.core.wording import counted
from worker.ports.payout import WikiStore

CHUNK_RECORDS = 2000
MALFORMED_LISTED_MAX = 100
REASON_CHARACTERS_MAX = 300


class RecordsUnaccounted(KontribError):
    """The counts of an import do not add up."""

    def __init__(self, report: IngestReport) -> None:
        super().__init__(
            f"Of {counted(report.lines, 'record')}, {report.accounted:,} are accounted for. "
            "Compare the database with the file, and report this."
        )


class IngestStore(Protocol):
    """The store of imported contributions. It never changes an existing document."""

    def add_contributions(self, contributions: Sequence[Contribution]) -> Stored:
        """Insert the contributions with new ids."""
        ...

    def add_users(self, user_ids: Sequence[str]) -> int:
        """Insert placeholder documents for unknown users; returns their number.

        Raises:
            DocumentRefused: the database does not take one.
        """
        ...

    def give_wallets(self, wallets: Mapping[str, str]) -> int:
        """Set the wallets of users without one; returns their number."""
        ...


@dataclass(frozen=True, slots=True)
class IngestOptions:
    """Options of an import. `wallet_of` derives a user's trial wallet."""

    week: Week | None = None
    create_users: bool = False
    wallet_of: Callable[[str], str] | None = None
    chunk_records: int = CHUNK_RECORDS


@dataclass(frozen=True, slots=True)
class MalformedLine:
    line: int
    reason: str


@dataclass(slots=True)
class IngestReport:
    """The counts of an import so far."""

    lines: int = 0
    added: int = 0
    known: int = 0
    """Already in the database."""
    elsewhere: int = 0
    """Outside the requested week."""
    repriced: int = 0
    """The points in the file differ from the points by the rules; the latter were stored."""
    users_added: int = 0
    users_missing: int = 0
    wallets_given: int = 0
    malformed_count: int = 0
    malformed: list[MalformedLine] = field(default_factory=list)
    weeks: Counter[Week] = field(default_factory=Counter)
    """Contributions added, by the week of `created_at`."""

    @property
    def accounted(self) -> int:
        """Records of which it is known what became of them."""
        return self.added + self.known + self.elsewhere + self.malformed_count

    def reject(self, line: int, reason: str) -> None:
        self.malformed_count += 1
        if len(self.malformed) < MALFORMED_LISTED_MAX:
            self.malformed.append(MalformedLine(line, reason[:REASON_CHARACTERS_MAX]))


def ingest(
    wiki: WikiStore,
    store: IngestStore,
    records: Iterable[Record],
    options: IngestOptions,
    on_progress: Callable[[IngestReport], None],
) -> IngestReport:
    """Import every well-formed record; `on_progress` is called after each chunk.

    Raises:
        MalformedRules: points cannot be computed.
        NotAContributionFile: the records have another format.
        RecordsUnaccounted: a record was lost; nothing does that on purpose.
    """
    work = _Ingest(wiki, store, options)
    for chunk in chunks(work.prepare(records), options.chunk_records):
        work.store_chunk(chunk)
        on_progress(work.report)
    on_progress(work.report)
    if work.report.accounted != work.report.lines:
        raise RecordsUnaccounted(work.report)
    return work.report


class _Ingest:
    """One import, which remembers the users it has looked up."""

    def __init__(self, wiki: WikiStore, store: IngestStore, options: IngestOptions) -> None:
        self._wiki, self._store, self._options = wiki, store, options
        self._rules = rules_from(wiki.rules_document()).points
        self._met: set[str] = set()
        self.report = IngestReport()

    def prepare(self, records: Iterable[Record]) -> Iterator[tuple[int, Contribution]]:
        """The contributions of well-formed records, with their lines."""
        occurrences = Occurrences()
        for record in records:
            self.report.lines += 1
            try:
                if record.problem is not None:
                    raise MalformedRecord(record.problem)
                contribution = contribution_from(record.values, self._rules, occurrences)
            except MalformedRecord as error:
                self.report.reject(record.line, str(error))
                continue
            if self._options.week in (None, Week.containing(contribution.created_at)):
                yield record.line, contribution
            else:
                self.report.elsewhere += 1

    def store_chunk(self, chunk: Sequence[tuple[int, Contribution]]) -> None:
        """Users first: an interrupted import leaves no contribution without its user."""
        self._meet(sorted({c.user_id for _, c in chunk} - self._met))
        stored = self._store.add_contributions([c for _, c in chunk])
        new = {c.id: c for _, c in reversed(chunk) if c.id in stored.added}
        refused = [(line, stored.refused[c.id]) for line, c in chunk if c.id in stored.refused]
        for line, reason in refused:
            self.report.reject(line, f"the database refuses it ({reason})")
        report = self.report
        report.added += len(new)
        report.known += len(chunk) - len(new) - len(refused)
        report.weeks.update(Week.containing(c.created_at) for c in new.values())
        report.repriced += sum(not confirms_points(c) for c in new.values())

    def _meet(self, user_ids: Sequence[str]) -> None:
        """Look up new users, and create their documents and wallets if the options say so."""
        self._met.update(user_ids)
        accounts = self._wiki.accounts(user_ids, [])
        missing = [user_id for user_id in user_ids if user_id not in accounts]
        if self._options.create_users:
            self.report.users_added += self._store.add_users(missing)
        else:
            self.report.users_missing += len(missing)
        if (wallet_of := self._options.wallet_of) is not None:
            existing = user_ids if self._options.create_users else sorted(accounts)
            without = [u for u in existing if u not in accounts or not accounts[u].wallet]
            wallets = {user_id: wallet_of(user_id) for user_id in without}
            self.report.wallets_given += self._store.give_wallets(wallets)
