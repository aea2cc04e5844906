"""Every plan, archived ones included: its rows against its root, its payouts and its sums.

The root covers what is owed to whom; what it does not cover (dates, signatures, the fields that
readers look at) is compared with what it was derived from. With a chain, the root itself and each
receipt, too: a few accounts a call, where reading all transactions back would take hours.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import cast

from worker.core.check.records import (
    Mismatch,
    RewardCheck,
    of_anchor,
    of_batch,
    of_single,
    of_sums,
    of_week,
)
from worker.core.check.report import Area, CheckReport
from worker.core.identity import plan_salt, user_commitment
from worker.core.payout.records import Distribution, PayoutKind
from worker.core.plan.commitment import Header, Row, Seal, rows_root
from worker.core.plan.merkle import RootBuilder
from worker.core.week import Week
from worker.ports.check import CheckStore, StoredReward
from worker.services.check.receipts import ReceiptCheck
from worker.services.context import Context
from worker.services.wiki_context import WikiContext

CHUNK_REWARDS = 2000
LISTED_MAX = 200
"""Differences of one week that are listed; of a week that is all wrong, the rest are counted."""
BEYOND = 2**31
"""No plan has as many rewards."""

Fields = Mapping[str, object]
Found = tuple[Area, Mismatch]


def check_records(
    wiki: WikiContext,
    store: CheckStore,
    context: Context | None,
    read_back: Collection[Week],
    report: CheckReport,
) -> None:
    """Every planned week. Of those in `read_back`, the payouts that are recorded are compared
    with their transactions elsewhere, so that their receipts need not be read here."""
    planned = store.planned_weeks()
    _check_gaps(wiki, planned, report)
    for week in planned:
        report.looked_at["plans"] += 1
        with report.going_on(Area.RECORDS, week.label):
            distribution = wiki.store.distribution(week)
            if distribution is None or distribution.plan_id is None:
                continue  # planned anew meanwhile
            chain = _receipts(wiki, context, distribution, is_read_back=week in read_back)
            check = _PlanCheck(store, distribution, chain, _commitments(wiki, context, week))
            check.run()
            report.looked_at["rewards"] += check.sums.rewards
            if _is_same(wiki, distribution):
                check.listed.add_to(report, week)


def _check_gaps(wiki: WikiContext, planned: Sequence[Week], report: CheckReport) -> None:
    """Weeks are planned in order, empty ones too, so that one between others was lost. What it
    paid counts for nobody any more, and no counter says so."""
    first = wiki.store.first_week()
    if first is None or not planned:
        return
    for week in sorted(set(first.until(planned[-1])) - set(planned)):
        report.add(Area.RECORDS, week.label, "without a plan", "planned, as the weeks after it")


def _receipts(
    wiki: WikiContext, context: Context | None, distribution: Distribution, *, is_read_back: bool
) -> ReceiptCheck | None:
    """Nothing to read for a plan that may still change, or that another receipt key anchored."""
    first = wiki.store.first_week()
    if context is None or not distribution.stage.is_frozen:
        return None
    if first is not None and distribution.week < first:
        return None
    return ReceiptCheck(context.chain, is_read_back=is_read_back)


def _commitments(wiki: WikiContext, context: Context | None, week: Week) -> partial[bytes] | None:
    first = wiki.store.first_week()
    if context is None or (first is not None and week < first):
        return None
    return partial(user_commitment, plan_salt(context.chain.receipt_secret, week))


def _is_same(wiki: WikiContext, before: Distribution) -> bool:
    """Else it moved on while it was read, and what was found may be of two moments."""
    now = wiki.store.distribution(before.week)
    return now is not None and (now.plan_id, now.stage) == (before.plan_id, before.stage)


@dataclass(slots=True)
class _Listed:
    """Differences of one week: the first ones, and how many there are."""

    first: list[Found] = field(default_factory=list)
    count: int = 0

    def add(self, area: Area, mismatch: Mismatch) -> None:
        self.count += 1
        if self.count <= LISTED_MAX:
            self.first.append((area, mismatch))

    def add_to(self, report: CheckReport, week: Week) -> None:
        for area, mismatch in self.first:
            report.add(area, mismatch.subject, mismatch.found, mismatch.expected)
        if more := self.count - len(self.first):
            report.add(Area.RECORDS, week.label, f"{more} more differences", "none")


@dataclass(slots=True)
class _Sums:
    rewards: int = 0
    points: int = 0
    weight: int = 0
    amount: int = 0

    def add(self, row: Row) -> None:
        self.rewards += 1
        self.points += row.points
        self.weight += row.weight
        self.amount += row.amount


@dataclass(frozen=True, slots=True)
class _Page:
    """Some neighbouring rewards, and all payouts of theirs."""

    positions: range
    indexes: range
    rewards: dict[int, StoredReward]
    batches: dict[int, Fields]
    singles: dict[int, Fields]

    def rows(self, positions: range) -> list[Row]:
        """What can be read of them; the root tells that something is missing."""
        found = (self.rewards[p].row for p in positions if p in self.rewards)
        return [row for row in found if row is not None]


@dataclass(slots=True)
class _Parts:
    """Roots of the parts of a plan, as its rows give them."""

    batches: list[bytes] = field(default_factory=list)
    held: RootBuilder = field(default_factory=RootBuilder)
    differ: bool = False


class _PlanCheck:
    """One plan. Never more than a page of it is in memory."""

    def __init__(
        self,
        store: CheckStore,
        distribution: Distribution,
        chain: ReceiptCheck | None,
        commitment_of: partial[bytes] | None,
    ) -> None:
        self._store, self._chain, self._distribution = store, chain, distribution
        self._plan_id = distribution.plan_id or ""
        self._header = Header.parse(distribution.header or b"")
        self._fields = store.week_fields(distribution.week)
        week = distribution.week
        self._rewards = RewardCheck(week, self._fields.get("_id"), commitment_of)
        self.sums, self.listed = _Sums(), _Listed()

    def run(self) -> None:
        """Fills `sums` and `listed`."""
        header, label = self._header, self._distribution.week.label
        if header.week != self._distribution.week or header.batch_size < 1:
            found = f"of {header.week.label}, in batches of {header.batch_size}"
            mismatch = Mismatch(f"{label}, header", found, f"that of {label}")
            return self.listed.add(Area.RECORDS, mismatch)
        parts = _Parts()
        for first_read in self._pages():
            page, found_in_page = self._confirmed(first_read)
            self._add(page, parts)
            for area, mismatch in found_in_page:
                self.listed.add(area, mismatch)
        for mismatch in self._of_whole(parts):
            self.listed.add(Area.RECORDS, mismatch)
        if self._chain is not None:
            root = self._distribution.root or b""
            for mismatch in self._chain.of_anchor(header.week, root):
                self.listed.add(Area.CHAIN, mismatch)
        return None

    # --- page by page ---

    def _confirmed(self, page: _Page) -> tuple[_Page, list[Found]]:
        """What differs is read again: it may have been paid just now."""
        found = list(self._of_page(page))
        if not found:
            return page, found
        page = self._read(page.positions, page.indexes)
        again = set(self._of_page(page))
        return page, [each for each in found if each in again]

    def _pages(self) -> Iterator[_Page]:
        header = self._header
        at_once = max(1, CHUNK_REWARDS // header.batch_size)
        for first in range(0, header.batches, at_once):
            indexes = range(first, min(first + at_once, header.batches))
            start = header.batch_positions(first).start
            positions = range(start, header.batch_positions(indexes[-1]).stop)
            yield (page := self._read(positions, indexes))
            if not page.rewards and self._is_end(positions.stop):
                return  # a header that promises more than was ever there
        for first in range(header.held_positions.start, header.rewards, CHUNK_REWARDS):
            positions = range(first, min(first + CHUNK_REWARDS, header.rewards))
            yield (page := self._read(positions, range(0)))
            if not page.rewards and self._is_end(positions.stop):
                return

    def _is_end(self, position: int) -> bool:
        return next(self._store.plan_rewards(self._plan_id, range(position, BEYOND)), None) is None

    def _read(self, positions: range, indexes: range) -> _Page:
        """Rewards last: they are written before their payouts, so a payout that is read as paid
        has rewards that are."""
        payouts = partial(self._store.plan_payouts, self._plan_id)
        batches = {_index(each): each for each in payouts(PayoutKind.BATCH, indexes)}
        singles = {_index(each): each for each in payouts(PayoutKind.SINGLE, positions)}
        rewards = {r.position: r for r in self._store.plan_rewards(self._plan_id, positions)}
        return _Page(positions, indexes, rewards, batches, singles)

    def _add(self, page: _Page, parts: _Parts) -> None:
        for row in page.rows(page.positions):
            self.sums.add(row)
            if not page.indexes:
                parts.held.add(row.canonical())
        for index in page.indexes:
            root = rows_root(page.rows(self._header.batch_positions(index)))
            parts.batches.append(root)
            parts.differ |= page.batches.get(index, {}).get("rows_root") != root

    def _of_page(self, page: _Page) -> Iterator[Found]:
        for mismatch in self._of_records(page):
            yield Area.RECORDS, mismatch
        if self._chain is not None:
            rows = {p: r.row for p, r in page.rewards.items() if r.row is not None}
            found = self._chain.of_payouts(
                self._header, page.indexes, rows, page.batches, page.singles
            )
            for mismatch in found:
                yield Area.CHAIN, mismatch

    def _of_records(self, page: _Page) -> Iterator[Mismatch]:
        if missing := len(page.positions) - len(page.rewards):
            first, last = page.positions.start, page.positions[-1]
            subject = f"{self._header.week.label}, rewards {first} to {last}"
            yield Mismatch(subject, f"{missing} missing", "there")
        for position, reward in page.rewards.items():
            yield from self._of_reward(page, position, reward)
        for index in page.indexes:
            rows = page.rows(self._header.batch_positions(index))
            if (batch := page.batches.get(index)) is None:
                yield Mismatch(f"payout {self._header.batch_id(index)}", "missing", "there")
            else:
                yield from of_batch(self._header, index, rows, rows_root(rows), batch)

    def _of_reward(self, page: _Page, position: int, reward: StoredReward) -> Iterator[Mismatch]:
        if reward.row is None:
            yield Mismatch(self._rewards.subject(reward.fields), "not readable", "a row of a plan")
            return
        yield from self._rewards.of_plan(reward.row, reward.fields)
        single = page.singles.get(position)
        if single is not None:
            yield from of_single(self._header.week, reward.row, reward.fields, single)
        batch = page.batches.get(position // self._header.batch_size) if page.indexes else None
        if batch is not None or not page.indexes:  # a missing payout is listed by itself
            yield from self._rewards.of_payment(reward.fields, batch, single)

    # --- as a whole ---

    def _of_whole(self, parts: _Parts) -> Iterator[Mismatch]:
        header, distribution = self._header, self._distribution
        seal = Seal(header, tuple(parts.batches), parts.held.root())
        roots = [("held_root", seal.held_root, distribution.held_root)]
        # Where a part differs, that is listed; the root can only say so again.
        if not parts.differ and seal.held_root == distribution.held_root:
            roots.append(("root", seal.root, distribution.root))
        for name, rows, stored in roots:
            if rows != stored:
                found = stored.hex() if stored else "missing"
                yield Mismatch(f"{header.week.label}, {name}", found, f"{rows.hex()} of the rows")
        sums = self.sums
        yield from of_sums(header, sums.rewards, sums.points, sums.weight, sums.amount)
        yield from self._of_what_is_beyond()
        anchors = self._store.plan_payouts(self._plan_id, PayoutKind.ANCHOR, range(BEYOND))
        anchor = next(anchors, None)
        yield from of_anchor(header.week, distribution.stage, anchor)
        yield from of_week(header, distribution.stage, self._fields, anchor or {})

    def _of_what_is_beyond(self) -> Iterator[Mismatch]:
        """Rewards and payouts that the header has no place for."""
        header = self._header
        for reward in self._store.plan_rewards(self._plan_id, range(header.rewards, BEYOND)):
            yield Mismatch(self._rewards.subject(reward.fields), "there", "no part of the plan")
        ends = {PayoutKind.BATCH: header.batches, PayoutKind.SINGLE: header.rewards}
        for kind, end in ends.items():
            for payout in self._store.plan_payouts(self._plan_id, kind, range(end, BEYOND)):
                yield Mismatch(f"payout {payout.get('id')}", "there", "no part of the plan")


def _index(payout: Fields) -> int:
    return cast(int, payout["index"])  # it was found by it
