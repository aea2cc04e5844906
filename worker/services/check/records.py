"""Compares the rows of every plan with its root, its payouts and its sums.

The root covers users, wallets and amounts. The check compares dates, signatures and the fields for
readers with their sources. With a chain, it compares the root and each receipt, too. Many receipts
fit into one call, while reading all transactions back would take hours.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial

from worker.core.check import records
from worker.core.check.records import record_finding
from worker.core.check.report import Area, CheckReport
from worker.core.findings import Check, Finding
from worker.core.identity import user_commitment
from worker.core.payout.records import Distribution
from worker.core.plan.commitment import Row, Seal, rows_root
from worker.core.plan.merkle import RootBuilder
from worker.core.plan.planned_week import PlannedWeek
from worker.core.week import Week
from worker.ports.check import CheckStore, StoredReward
from worker.services.check.plan_pages import BEYOND, Page, PlanPages
from worker.services.check.receipts import ReceiptCheck
from worker.services.context import Context
from worker.services.plan.planned_week import plan_of
from worker.services.wiki_context import WikiContext

LISTED_MAX = 200
"""Findings of one week that are listed. The rest are counted."""


def check_records(
    wiki: WikiContext,
    store: CheckStore,
    context: Context | None,
    read_back: Collection[Week],
    report: CheckReport,
) -> None:
    """Check every planned week, archived weeks included. `read_back` names the weeks whose recorded
    payouts `reconcile` compares with their transactions."""
    planned, first = store.planned_weeks(), wiki.store.first_week()
    if first is not None and planned:
        _check_gaps(first, planned, report)
    for subject, why in store.unreadable_history():
        report.add(Area.RECORDS, subject, why, "readable: it counts for nothing")
    for week in planned:
        report.looked_at["plans"] += 1
        with report.continue_after_errors(Area.RECORDS, week.label):
            distribution = wiki.store.distribution(week)
            if distribution is None or distribution.plan_id is None:
                continue  # the week was planned again in the meantime
            plan = plan_of(week, distribution)
            chain = commitment_of = None
            # Before the first week, another receipt key was in use. Its receipts cannot be read.
            if context is not None and (first is None or week >= first):
                salt = context.chain.plan_salt(week)
                commitment_of = partial(user_commitment, salt)
                if plan.stage.is_frozen:
                    chain = ReceiptCheck(context.chain, is_read_back=week in read_back)
            check = _PlanCheck(store, plan, chain, commitment_of)
            check.run()
            report.looked_at["rewards"] += check.sums.rewards
            if _is_same(wiki, distribution):
                report.extend(check.found.findings)
                found = check.found.wrong_count + check.found.unproven_count
                if more := found - len(check.found.findings):
                    report.add(Area.RECORDS, week.label, f"{more} more differences", "none")


def _check_gaps(first: Week, planned: Sequence[Week], report: CheckReport) -> None:
    """Find lost plans.

    Every week is planned in order, even an empty one, so a gap is a lost plan. The counters cannot
    show a lost plan, because they lack its payments, too.
    """
    for week in sorted(set(first.until(planned[-1])) - set(planned)):
        report.add(Area.RECORDS, week.label, "without a plan", "planned, like the later weeks")


def _is_same(wiki: WikiContext, before: Distribution) -> bool:
    """Whether the week stayed in its state during the check. If not, findings may be false."""
    now = wiki.store.distribution(before.week)
    return now is not None and (now.plan_id, now.stage) == (before.plan_id, before.stage)


@dataclass(slots=True)
class _Sums:
    """The sums and roots of a plan's rows."""

    rewards: int = 0
    points: int = 0
    weight: int = 0
    amount: int = 0
    batch_roots: list[bytes] = field(default_factory=list)
    held: RootBuilder = field(default_factory=RootBuilder)
    batches_differ: bool = False

    def add(self, page: Page) -> None:
        for row in page.rows().values():
            self._add_row(row, is_held=not page.indexes)
        for index in page.indexes:
            root = rows_root(page.rows_of_batch(index))
            self.batch_roots.append(root)
            self.batches_differ |= page.batches.get(index, {}).get("rows_root") != root

    def _add_row(self, row: Row, *, is_held: bool) -> None:
        self.rewards += 1
        self.points += row.points
        self.weight += row.weight
        self.amount += row.amount
        if is_held:
            self.held.add(row.canonical())


class _PlanCheck:
    """The check of one plan, with one page of it in memory at a time."""

    def __init__(
        self,
        store: CheckStore,
        plan: PlannedWeek,
        chain: ReceiptCheck | None,
        commitment_of: Callable[[str], bytes] | None,
    ) -> None:
        self._plan, self._chain, self._pages = plan, chain, PlanPages(store, plan)
        self._fields = store.week_fields(plan.week)
        self._rewards = records.RewardCheck(plan.week, self._fields.get("_id"), commitment_of)
        self.sums, self.found = _Sums(), Check("records", listed_max=LISTED_MAX)

    def run(self) -> None:
        """Fill `sums` and `found`."""
        header, label = self._plan.header, self._plan.week.label
        if header.week != self._plan.week or header.batch_size < 1:
            what = f"of {header.week.label}, in batches of {header.batch_size}"
            self.found.add(record_finding(f"{label}, header", what, f"that of {label}"))
            return
        for first_read in self._pages:
            page, found_in_page = self._confirmed(first_read)
            self.sums.add(page)
            self._add(found_in_page)
        self._add(self._of_whole())
        if self._chain is not None:
            check = Check(Area.CHAIN)
            self._chain.of_anchor(header.week, self._plan.root, check)
            self._add(check.findings)

    def _add(self, findings: Iterable[Finding]) -> None:
        for finding in findings:
            self.found.add(finding)

    # --- page by page ---

    def _confirmed(self, page: Page) -> tuple[Page, list[Finding]]:
        """Read a page with findings again: a payment may have changed it during the reading."""
        found = list(self._of_page(page))
        if not found:
            return page, found
        page = self._pages.read(page.positions, page.indexes)
        again = set(self._of_page(page))
        return page, [each for each in found if each in again]

    def _of_page(self, page: Page) -> Iterator[Finding]:
        header = self._plan.header
        if missing := len(page.positions) - len(page.rewards):
            first, last = page.positions.start, page.positions[-1]
            subject = f"{header.week.label}, rewards {first} to {last}"
            yield record_finding(subject, f"{missing} missing", "there")
        for position, reward in page.rewards.items():
            yield from self._of_reward(page, position, reward)
        for index in page.indexes:
            rows = page.rows_of_batch(index)
            if (batch := page.batches.get(index)) is None:
                yield record_finding(f"payout {header.batch_id(index)}", "missing", "there")
            else:
                yield from records.of_batch(header, index, rows, rows_root(rows), batch)
        if self._chain is not None:
            check = Check(Area.CHAIN, listed_max=BEYOND)
            self._chain.of_payouts(page, check)
            yield from check.findings

    def _of_reward(self, page: Page, position: int, reward: StoredReward) -> Iterator[Finding]:
        header = self._plan.header
        if reward.row is None:
            subject = self._rewards.subject(reward.fields)
            yield record_finding(subject, "not readable", "a row of a plan")
            return
        yield from self._rewards.of_plan(reward.row, reward.fields)
        single = page.singles.get(position)
        if single is not None:
            yield from records.of_single(header.week, reward.row, reward.fields, single)
        batch = page.batches.get(position // header.batch_size) if page.indexes else None
        if batch is not None or not page.indexes:  # a missing payout has its own finding
            yield from self._rewards.of_payment(reward.fields, batch, single)

    # --- whole records ---------------------------------------------------------------------------

    def _of_whole(self) -> Iterator[Finding]:
        plan, header, sums = self._plan, self._plan.header, self.sums
        seal = Seal(header, tuple(sums.batch_roots), sums.held.root())
        roots = [("held_root", seal.held_root, plan.held_root)]
        # A part that differs changes the root, and has its own finding.
        if not sums.batches_differ and seal.held_root == plan.held_root:
            roots.append(("root", seal.root, plan.root))
        for name, rows, stored in roots:
            if rows != stored:
                found = stored.hex() if stored else "missing"
                subject = f"{header.week.label}, {name}"
                yield record_finding(subject, found, f"{rows.hex()} of the rows")
        yield from records.of_sums(header, sums.rewards, sums.points, sums.weight, sums.amount)
        for reward in self._pages.rewards_beyond():
            subject = self._rewards.subject(reward.fields)
            yield record_finding(subject, "there", "outside the plan")
        for payout in self._pages.payouts_beyond():
            yield record_finding(f"payout {payout.get('id')}", "there", "outside the plan")
        anchor = self._pages.anchor()
        yield from records.of_anchor(header.week, plan.stage, anchor)
        yield from records.of_week(header, plan.stage, self._fields, anchor or {})
