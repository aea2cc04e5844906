"""What articles have of each week, computed again from rewards as a recount does it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping

from worker.core.check.records import Mismatch, mismatches
from worker.core.check.report import Area, CheckReport
from worker.core.lifecycle import Stage
from worker.core.money import tokens_float
from worker.core.payout.records import Distribution
from worker.core.week import Week
from worker.ports.check import CheckStore
from worker.services.plan.planned_week import plan_of
from worker.services.wiki.earned_tokens import is_counted, shares_by_article
from worker.services.wiki_context import WikiContext

AMOUNT = "amount_base_units"


def check_articles(wiki: WikiContext, store: CheckStore, report: CheckReport) -> None:
    """Every week that was counted, archived ones included, and shares of weeks without a plan."""
    planned = store.planned_weeks()
    for week in planned:
        with report.going_on(Area.COUNTS, f"articles of {week.label}"):
            distribution = wiki.store.distribution(week)
            if distribution is not None and _is_due(wiki, distribution):
                found = list(_of_week(wiki, store, distribution))
                _list(report, found if _is_due(wiki, distribution) else [])
    starts = {week.start for week in planned}
    for start in store.article_weeks():
        if start not in starts:
            for share in store.article_shares(start):
                subject = f"{start:%Y-%m-%d}, article {share.get('article_id')}"
                report.add(Area.COUNTS, subject, share.get(AMOUNT), "missing: no plan is of it")


def _is_due(wiki: WikiContext, distribution: Distribution) -> bool:
    """Articles are counted when a week is closed, and again when more of it was paid. Of what is
    archived, nothing was left to pay."""
    if distribution.stage is not Stage.COMPLETED:
        return False
    return distribution.archived or is_counted(wiki, distribution)


def _list(report: CheckReport, found: list[Mismatch]) -> None:
    for mismatch in found:
        report.add(Area.COUNTS, mismatch.subject, mismatch.found, mismatch.expected)


def _of_week(
    wiki: WikiContext, store: CheckStore, distribution: Distribution
) -> Iterator[Mismatch]:
    expected: Counter[str] = Counter()
    for _, shares in shares_by_article(wiki, plan_of(distribution.week, distribution)):
        expected.update(shares)
    expected.pop("", None)
    week = distribution.week
    for share in store.article_shares(week.start):
        yield from _of_share(week, share, expected.pop(str(share.get("article_id")), None))
    for article_id, amount in sorted(expected.items()):
        yield Mismatch(_subject(week, article_id), "missing", str(amount))


def _of_share(week: Week, share: Mapping[str, object], amount: int | None) -> Iterator[Mismatch]:
    subject = _subject(week, share.get("article_id"))
    if amount is None:
        yield Mismatch(
            f"{subject}, {AMOUNT}", str(share.get(AMOUNT)), "missing: no reward is of it"
        )
        return
    expected = {AMOUNT: amount, "token_amount": tokens_float(amount)}
    yield from mismatches(subject, share, expected)


def _subject(week: Week, article_id: object) -> str:
    return f"{week.label}, article {article_id}"
