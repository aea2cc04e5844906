"""Compares each article's stored share of a week with the rewards that it is counted from."""

from __future__ import annotations

from collections import Counter

from worker.core.check.report import Area, CheckReport
from worker.core.lifecycle import Stage
from worker.core.money import tokens_float
from worker.core.payout.records import Distribution
from worker.ports.check import CheckStore
from worker.services.plan.planned_week import plan_of
from worker.services.wiki.earned_tokens import is_counted, shares_by_article
from worker.services.wiki_context import WikiContext

AMOUNT = "amount_base_units"


def check_articles(wiki: WikiContext, store: CheckStore, report: CheckReport) -> None:
    """Check every counted week, archived ones included, and find shares of weeks without a plan."""
    planned = store.planned_weeks()
    for week in planned:
        with report.continue_after_errors(Area.COUNTS, f"articles of {week.label}"):
            distribution = wiki.store.distribution(week)
            if distribution is not None and _is_counted(wiki, distribution):
                found = CheckReport()
                _check_week(wiki, store, distribution, found)
                # A payment during the reading would make right shares look wrong.
                report.extend(found.findings if _is_counted(wiki, distribution) else [])
    starts = {week.start for week in planned}
    for start in store.article_weeks():
        if start not in starts:
            for share in store.article_shares(start):
                subject = f"{start:%Y-%m-%d}, article {share.get('article_id')}"
                report.add(Area.COUNTS, subject, share.get(AMOUNT), "missing: the week has no plan")


def _is_counted(wiki: WikiContext, distribution: Distribution) -> bool:
    """Whether the shares include every payment. An archived week has nothing left to pay."""
    is_closed = distribution.stage is Stage.COMPLETED
    return is_closed and (distribution.archived or is_counted(wiki, distribution))


def _check_week(
    wiki: WikiContext, store: CheckStore, distribution: Distribution, report: CheckReport
) -> None:
    expected: Counter[str] = Counter()
    for _, shares in shares_by_article(wiki, plan_of(distribution.week, distribution)):
        expected.update(shares)
    expected.pop("", None)
    week = distribution.week
    for share in store.article_shares(week.start):
        article_id = str(share.get("article_id"))
        subject = f"{week.label}, article {article_id}"
        if (amount := expected.pop(article_id, None)) is None:
            missing = "missing: no reward belongs to it"
            report.add(Area.COUNTS, f"{subject}, {AMOUNT}", share.get(AMOUNT), missing)
        else:
            amounts = {AMOUNT: amount, "token_amount": tokens_float(amount)}
            report.compare(Area.COUNTS, subject, share, amounts)
    for article_id, amount in sorted(expected.items()):
        report.add(Area.COUNTS, f"{week.label}, article {article_id}", None, amount)
