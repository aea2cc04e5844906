"""Compares every stored record with the records that it comes from, and lists every difference.

The check corrects nothing. `kontrib recount` corrects counters, and `kontrib rebuild` corrects a
week. A person must correct the rest.
"""

from __future__ import annotations

from collections.abc import Sequence

from worker.core.check.report import Area, CheckReport
from worker.core.lifecycle import Stage
from worker.core.money import tokens_text
from worker.core.payout.records import Distribution
from worker.ports.check import CheckStore
from worker.services.check.articles import check_articles
from worker.services.check.governance import check_governance
from worker.services.check.people import check_people
from worker.services.check.points import check_contributors, check_points
from worker.services.check.records import check_records
from worker.services.check.stakes import check_stakes
from worker.services.check.weeks import check_weeks
from worker.services.context import Context
from worker.services.payout.reconcile import reconcile_or_report
from worker.services.watch.metrics import RECENT_WEEKS
from worker.services.wiki_context import WikiContext


def check_all(wiki: WikiContext, store: CheckStore, context: Context | None) -> CheckReport:
    """Run every check. Without a `context`, skip the checks that need the chain.

    Raises:
        Unreachable: a server did not answer, so the result is unknown.
    """
    report = CheckReport()
    check_points(store, wiki.rules(), report)
    check_contributors(wiki, store, report)
    plans = _readable_plans(wiki, store)
    check_weeks(wiki, store, plans, report)
    recent = _open_and_recent(plans)
    check_records(wiki, store, context, {d.week for d in recent}, report)
    check_people(wiki, store, report)
    check_articles(wiki, store, report)
    check_stakes(wiki, store, report, is_online=context is not None)
    check_governance(wiki, store, report)
    if context is not None:
        _check_chain(context, recent, report)
    return report


def _readable_plans(wiki: WikiContext, store: CheckStore) -> list[Distribution]:
    """Every week whose plan can be read, archived weeks included. `check_records` lists the other
    plans."""
    found, unread = [], CheckReport()
    for week in store.planned_weeks():
        with unread.continue_after_errors(Area.RECORDS, week.label):
            distribution = wiki.store.distribution(week)
            if distribution is not None and distribution.planned is not None:
                found.append(distribution)
    return found


def _open_and_recent(plans: Sequence[Distribution]) -> list[Distribution]:
    """Weeks whose transactions are read back. Reading is slow, and earlier checks have read the
    transactions of older weeks."""
    anchored = [d for d in plans if d.stage.is_frozen and not d.archived]
    completed = [d for d in anchored if d.stage is Stage.COMPLETED]
    opened = [d for d in anchored if d.stage is not Stage.COMPLETED]
    return [*completed[-RECENT_WEEKS:], *opened]


def _check_chain(context: Context, recent: Sequence[Distribution], report: CheckReport) -> None:
    """Compare recent weeks with their transactions, and the treasury with the unpaid rewards."""
    for distribution in recent:
        report.looked_at["weeks on chain"] += 1
        label = distribution.week.label
        with report.continue_after_errors(Area.CHAIN, label):
            found = reconcile_or_report(context, distribution)
            report.extend(found.check.findings)
            if found.mismatch and found.check.ok:
                sums = f"{found.database_paid:,} base units paid, {found.database_unpaid:,} unpaid"
                expected = f"{found.chain_paid:,} paid on chain, {found.planned:,} planned"
                report.add(Area.CHAIN, label, sums, expected)
    owed, count = context.store.outstanding()
    treasury = context.chain.treasury()
    limits = [treasury.tokens, treasury.allowance]
    there = min(limit for limit in limits if limit is not None)
    if there < owed:
        expected = f"at least {tokens_text(owed)} for {count} unpaid payouts"
        report.add(Area.CHAIN, "the treasury", f"{tokens_text(there)} KONTRIB", expected)


def record_check(context: Context, report: CheckReport) -> None:
    """Store the result for the metrics."""
    facts = {"at": context.clock.now(), "differences": len(report.findings)}
    areas = {area.value: count for area, count in report.counts().items()}
    context.store.record_figures("check", {**facts, "areas": areas})
