"""Compares the stored counters of users and articles with the records that they count."""

from __future__ import annotations

from datetime import timedelta

from worker.core.check.report import Area, CheckReport
from worker.core.chunks import chunks
from worker.core.money import BaseUnits, tokens_float
from worker.core.plan.rules import Rules
from worker.core.wiki.counters import UserActivity, reputation
from worker.ports.check import CheckStore
from worker.services.wiki_context import WikiContext

CHUNK = 1000
OVERDUE = timedelta(days=2)
"""A daily task completes matured stakes. A longer delay is a fault."""


def check_people(wiki: WikiContext, store: CheckStore, report: CheckReport) -> None:
    """Check everyone's stakes, voting power and counts."""
    _check_stakes(wiki, store, report)
    for user_id, ids in store.same_users():
        found = f"{len(ids)} documents: {', '.join(ids)}"
        report.add(Area.COUNTS, f"user {user_id}", found, "one: their rewards are held")
    rules = wiki.rules()
    for users in chunks(wiki.store.user_ids(), CHUNK):
        report.looked_at["users"] += len(users)
        _check_users(wiki, store, users, rules, report)
    for articles in chunks(wiki.counters.article_ids(), CHUNK):
        report.looked_at["articles"] += len(articles)
        _check_articles(wiki, store, articles, report)


def _check_users(
    wiki: WikiContext, store: CheckStore, user_ids: list[str], rules: Rules, report: CheckReport
) -> None:
    stored = store.user_counters(user_ids)
    activity, tokens = wiki.counters.user_activity(user_ids), wiki.counters.user_tokens(user_ids)
    for user_id, fields in stored.items():
        subject, its = f"user {user_id}", tokens[user_id]
        counts = _activity_counts(activity[user_id], rules) | {
            **_amount("total_tokens_earned", its.earned),
            "last_reward_claim": its.last_claim_at,
            "token_updated_at": its.last_activity_at,
        }
        report.compare(Area.COUNTS, subject, fields, counts)
        report.compare(Area.STAKES, subject, fields, _amount("staked_tokens", its.staked))
        report.compare(Area.POWER, subject, fields, _amount("governance_power", its.power))
        if its.staked > its.earned:
            most = f"at most the {its.earned} that were earned"
            report.add(Area.STAKES, subject, f"{its.staked} base units staked", most)


def _activity_counts(counted: UserActivity, rules: Rules) -> dict[str, object]:
    """The right counts. Before the first contribution, the wiki's own default reputation stays.

    Without `reputation_steps` it always belongs to the wiki.
    """
    counts: dict[str, object] = {
        "total_contributions": counted.contributions,
        "total_points": counted.points,
    }
    score = reputation(rules.reputation_steps, counted.contributions)
    if counted.contributions and score is not None:
        counts["reputation_score"] = float(score)
    return counts


def _check_articles(
    wiki: WikiContext, store: CheckStore, article_ids: list[str], report: CheckReport
) -> None:
    stored = store.article_counters(article_ids)
    activity = wiki.counters.article_activity(article_ids)
    tokens = wiki.counters.article_tokens(article_ids)
    for article_id, fields in stored.items():
        expected: dict[str, object] = {
            "contribution_count": activity[article_id].contributions,
            "last_contribution_date": activity[article_id].last_at,
            **_amount("total_tokens_earned", tokens[article_id]),
        }
        report.compare(Area.COUNTS, f"article {article_id}", fields, expected)


def _check_stakes(wiki: WikiContext, store: CheckStore, report: CheckReport) -> None:
    """Find stakes that cannot be read, that have no user, or that should have ended."""
    for stake_id in store.unreadable_stakes():
        report.add(Area.STAKES, f"stake {stake_id}", "not readable", "counted for its user")
    for users in chunks(wiki.staking.staking_users(), CHUNK):
        report.looked_at["users with stakes"] += len(users)
        known = store.user_counters(users)
        for user_id in users:
            if user_id not in known:
                report.add(Area.STAKES, f"user {user_id}", "missing", "there: they have stakes")
    now = wiki.now()
    for stake in wiki.staking.active_stakes():
        if now - stake.end > OVERDUE:
            found = f"active, though it ended on {stake.end:%Y-%m-%d}"
            report.add(Area.STAKES, f"stake {stake.id}", found, "completed")


def _amount(name: str, amount: BaseUnits) -> dict[str, object]:
    """The owner's float field, and the integer that it comes from."""
    return {name: tokens_float(amount), f"{name}_base_units": int(amount)}
