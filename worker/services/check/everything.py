"""Compare everything that is stored with what it comes from, and list every difference.

Nothing is mended here: `kontrib recount` corrects counters, `kontrib rebuild` a week, and what is
left is for a person.
"""

from __future__ import annotations

from collections.abc import Sequence

from worker.core.check.report import Area, CheckReport
from worker.core.errors import KontribError, NotReady, UsageError
from worker.core.lifecycle import Stage
from worker.core.money import tokens_text
from worker.core.payout.records import Distribution
from worker.core.plan.commitment import Header
from worker.ports.check import CheckStore
from worker.services.check.articles import check_articles
from worker.services.check.governance import check_governance
from worker.services.check.people import check_people
from worker.services.check.points import check_contributors, check_points
from worker.services.check.records import check_records
from worker.services.check.stakes import check_stakes
from worker.services.check.weeks import check_weeks
from worker.services.context import Context
from worker.services.payout.reconcile import reconcile
from worker.services.watch.metrics import RECENT_WEEKS
from worker.services.wiki_context import WikiContext

FIGURES = "check"
"""Where the last check's figures are left for watchers."""


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
    """Every week that has a plan, archived ones included. What cannot be read is listed when
    its records are compared, and left out here, so that it stops none of the others."""
    found, unread = [], CheckReport()
    for week in store.planned_weeks():
        with unread.going_on(Area.RECORDS, week.label):
            distribution = wiki.store.distribution(week)
            if distribution is not None and distribution.plan_id:
                Header.parse(distribution.header or b"")
                found.append(distribution)
    return found


def _open_and_recent(plans: Sequence[Distribution]) -> list[Distribution]:
    """Those whose transactions are all read back: it is what costs, and what was there for long
    was read back before."""
    anchored = [d for d in plans if d.stage.is_frozen and not d.archived]
    completed = [d for d in anchored if d.stage is Stage.COMPLETED]
    opened = [d for d in anchored if d.stage is not Stage.COMPLETED]
    return [*completed[-RECENT_WEEKS:], *opened]


def check_chain(context: Context, recent: Sequence[Distribution], report: CheckReport) -> None:
    """Each open and recent week against its transactions, and the treasury against what is owed."""
    for distribution in recent:
        report.looked_at["weeks on chain"] += 1
        with report.going_on(Area.CHAIN, distribution.week.label):
            _check_payouts(context, distribution, report)
    _check_treasury(context, report)


def _check_payouts(context: Context, distribution: Distribution, report: CheckReport) -> None:
    label = distribution.week.label
    try:
        found = reconcile(context, distribution)
    except (NotReady, UsageError):
        raise  # nobody answered, or we asked wrongly: nothing is known
    except KontribError as error:
        report.add(Area.CHAIN, label, str(error), "a plan that fits its root")
        return
    for difference in found.differences:
        report.add(Area.CHAIN, label, difference, "plan = database = chain")
    if found.mismatch and not found.differences:
        sums = f"{found.database_paid} base units paid, {found.database_unpaid} unpaid"
        expected = f"{found.chain_paid} paid on chain, {found.planned} planned"
        report.add(Area.CHAIN, label, sums, expected)


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
    facts = {"at": context.clock.now(), "differences": len(report.discrepancies)}
    areas = {area.value: count for area, count in report.counts().items()}
    context.store.record_figures(FIGURES, {**facts, "areas": areas})
