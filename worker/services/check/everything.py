"""Compare everything that is stored with what it comes from, and list every difference.

Nothing is mended here: `kontrib recount` corrects counters, `kontrib rebuild` a week, and a person
does the rest.
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

FIGURES = "check"
"""The key of the last check's figures, for metrics."""


def check_all(wiki: WikiContext, store: CheckStore, context: Context | None) -> CheckReport:
    """Everything; without a context everything that needs no chain.

    Raises:
        Unreachable: a server did not answer, so nothing is known.
    """
    report = CheckReport()
    check_points(store, wiki.rules(), report)
    check_contributors(wiki, store, report)
    plans = planned_distributions(wiki, store)
    check_weeks(wiki, store, plans, report)
    recent = _open_and_recent(plans)
    check_records(wiki, store, context, {d.week for d in recent}, report)
    check_people(wiki, store, report)
    check_articles(wiki, store, report)
    check_stakes(wiki, store, report, is_online=context is not None)
    check_governance(wiki, store, report)
    if context is not None:
        check_chain(context, recent, report)
    return report


def planned_distributions(wiki: WikiContext, store: CheckStore) -> list[Distribution]:
    """Every week whose plan can be read, archived ones included. A plan that cannot be read is
    listed when its records are compared, and left out here, so that it stops no other."""
    found, unread = [], CheckReport()
    for week in store.planned_weeks():
        with unread.continue_after_errors(Area.RECORDS, week.label):
            distribution = wiki.store.distribution(week)
            if distribution is not None and distribution.planned is not None:
                found.append(distribution)
    return found


def _open_and_recent(plans: Sequence[Distribution]) -> list[Distribution]:
    """Weeks whose transactions are all read back. That is the costly part, and older weeks were
    read back before."""
    anchored = [d for d in plans if d.stage.is_frozen and not d.archived]
    completed = [d for d in anchored if d.stage is Stage.COMPLETED]
    opened = [d for d in anchored if d.stage is not Stage.COMPLETED]
    return [*completed[-RECENT_WEEKS:], *opened]


def check_chain(context: Context, recent: Sequence[Distribution], report: CheckReport) -> None:
    """Each open and recent week against its transactions, and the treasury against what is owed."""
    for distribution in recent:
        report.looked_at["weeks on chain"] += 1
        with report.continue_after_errors(Area.CHAIN, distribution.week.label):
            _check_payouts(context, distribution, report)
    _check_treasury(context, report)


def _check_payouts(context: Context, distribution: Distribution, report: CheckReport) -> None:
    found = reconcile_or_report(context, distribution)
    report.extend(found.check.findings)
    if found.mismatch and found.check.ok:
        sums = f"{found.database_paid} base units paid, {found.database_unpaid} unpaid"
        expected = f"{found.chain_paid} paid on chain, {found.planned} planned"
        report.add(Area.CHAIN, distribution.week.label, sums, expected)


def _check_treasury(context: Context, report: CheckReport) -> None:
    owed, count = context.store.outstanding()
    treasury = context.chain.treasury()
    limits = [treasury.tokens, treasury.allowance]
    there = min(limit for limit in limits if limit is not None)
    if there < owed:
        expected = f"at least {tokens_text(owed)} for {count} unpaid payouts"
        report.add(Area.CHAIN, "the treasury", f"{tokens_text(there)} KONTRIB", expected)


def record_check(context: Context, report: CheckReport) -> None:
    """Leave the result where watchers find it."""
    facts = {"at": context.clock.now(), "differences": len(report.findings)}
    areas = {area.value: count for area, count in report.counts().items()}
    context.store.record_figures(FIGURES, {**facts, "areas": areas})
