"""Import contributions from a file, each of them once, however often the import runs.

Every contribution has its id before it is stored, from the file or from its content. So a second
run finds the contributions of the first. Malformed records are listed, and the others imported.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from worker.core.chunks import chunks
from worker.core.plan.rules import rules_from
from worker.core.week import Week
from worker.core.wiki.contribution_file import (
    Contribution,
    MalformedRecord,
    Occurrences,
    contribution_from,
)
from worker.core.wiki.contribution_lines import Record
from worker.ports.payout import WikiStore

CHUNK_RECORDS = 2000
MALFORMED_LISTED_MAX = 100


class IngestStore(Protocol):
    """The store of imported contributions. It never changes an existing document."""

    def add_contributions(self, contributions: Sequence[Contribution]) -> set[str]:
        """Insert the contributions with new ids; returns these ids."""
        ...

    def add_users(self, user_ids: Sequence[str]) -> int:
        """Insert placeholder documents for unknown users; returns their number."""
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

    def reject(self, line: int, reason: str) -> None:
        self.malformed_count += 1
        if len(self.malformed) < MALFORMED_LISTED_MAX:
            self.malformed.append(MalformedLine(line, reason))


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
    """
    work = _Ingest(wiki, store, options)
    for chunk in chunks(work.prepare(records), options.chunk_records):
        work.store_chunk(chunk)
        on_progress(work.report)
    on_progress(work.report)
    return work.report


class _Ingest:
    """One import, which remembers the users it has looked up."""

    def __init__(self, wiki: WikiStore, store: IngestStore, options: IngestOptions) -> None:
        self._wiki, self._store, self._options = wiki, store, options
        self._rules = rules_from(wiki.rules_document()).points
        self._met: set[str] = set()
        self.report = IngestReport()

    def prepare(self, records: Iterable[Record]) -> Iterator[Contribution]:
        """The contributions of well-formed records."""
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
                yield contribution
            else:
                self.report.elsewhere += 1

    def store_chunk(self, chunk: Sequence[Contribution]) -> None:
        """Store users first: an interrupted import must leave no contribution without its user."""
        self._meet(sorted({c.user_id for c in chunk} - self._met))
        added = self._store.add_contributions(chunk)
        new = {c.id: c for c in reversed(chunk) if c.id in added}
        report = self.report
        report.added += len(new)
        report.known += len(chunk) - len(new)
        report.weeks.update(Week.containing(c.created_at) for c in new.values())
        report.repriced += sum(c.given_points not in (None, c.total_points) for c in new.values())

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
