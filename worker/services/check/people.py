"""Compares the stored counters of users and articles with the records that they count."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime, timedelta

from worker.core.check.report import Area, CheckReport
from worker.core.chunks import chunks
from worker.core.findings import value_text
from worker.core.money import BaseUnits, tokens_float
from worker.core.plan.rules import Rules
from worker.core.wiki.counters import UserActivity, UserTokens, reputation
from worker.core.wiki.stake_record import StakeStatus
from worker.core.wiki.stored_counters import (
    REPUTATION,
    as_counted,
    frozen,
    has_own_reputation,
    not_recounted,
    unreadable,
)
from worker.core.wording import counted
from worker.ports.check import CheckStore
from worker.services.wiki_context import WikiContext

CHUNK = 1000
OVERDUE = timedelta(days=2)
"""A daily task completes matured stakes. A longer delay is a fault."""


def check_people(wiki: WikiContext, store: CheckStore, report: CheckReport) -> None:
    """Check everyone's stakes, voting power and counts."""
    _check_stakes(wiki, store, report)
    for user_id, ids in store.same_users():
        found = f"{counted(len(ids), 'document')}: {', '.join(ids)}"
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
        fresh = _still_the_wikis(wiki, user_id, fields, its)
        counts = {
            "total_contributions": activity[user_id].contributions,
            "total_points": activity[user_id].points,
            **_amount("total_tokens_earned", its.earned),
            **_latest(fields, "last_reward_claim", its.last_claim_at),
            **_latest(fields, "token_updated_at", its.last_activity_at),
        }
        staked = _amount("staked_tokens", its.staked)
        power = _amount("governance_power", its.power)
        for area, expected in (Area.COUNTS, counts), (Area.STAKES, staked), (Area.POWER, power):
            _compare(report, area, subject, fields, expected, fresh)
        _name_unreadable(subject, fields, report)
        score = _reputation(fields, activity[user_id], rules)
        new = {REPUTATION} if "total_contributions" in fresh else ()
        _compare(report, Area.COUNTS, subject, fields, score, new)
        if rules.reputation_steps and has_own_reputation(fields):
            own, counts_as = fields[REPUTATION], "the wiki's own score, which no recount rewrites"
            report.note_from_before(Area.COUNTS, f"{subject}, {REPUTATION}", own, counts_as)
        if its.staked > its.earned:
            _check_cover(wiki, user_id, its, report)
        _note_opening(subject, fields, report)


def _still_the_wikis(
    wiki: WikiContext, user_id: str, fields: Mapping[str, object], its: UserTokens
) -> frozenset[str]:
    """Counters that no recount has written, and that follow from the wiki's own records."""
    fresh = not_recounted(fields)
    if fresh and (its.paid_here or (its.staked and _has_stake_of_ours(wiki, user_id))):
        return fresh & {"total_contributions", "total_points"}
    return fresh


def _has_stake_of_ours(wiki: WikiContext, user_id: str) -> bool:
    """Whether this system recorded one of the user's active stakes. Such a stake has a number."""
    return any(
        stake.status is StakeStatus.ACTIVE and stake.number is not None
        for stake in wiki.staking.stakes_of(user_id)
    )


def _compare(
    report: CheckReport,
    area: Area,
    subject: str,
    fields: Mapping[str, object],
    expected: Mapping[str, object],
    fresh: Collection[str],
) -> None:
    """Compare the counters that can be read. A difference in a `fresh` one is the wiki's own."""
    read, kept = as_counted(fields), frozen(fields)
    computed = {name: value for name, value in expected.items() if name not in kept}
    known = {n: v for n, v in computed.items() if n.removesuffix("_base_units") not in fresh}
    report.compare(area, subject, read, known)
    for name in computed:
        found, value = read.get(name), computed[name]
        if name in fresh and found is not None and found != value:
            counts_as = f"{value_text(value)} from the next recount on"
            report.note_from_before(area, f"{subject}, {name}", found, counts_as)


def _name_unreadable(subject: str, fields: Mapping[str, object], report: CheckReport) -> None:
    for name, value in unreadable(fields).items():
        found = f"{value!r}, which no recount overwrites"
        report.add(Area.COUNTS, f"{subject}, {name}", found, "a number or a date")


def _check_cover(wiki: WikiContext, user_id: str, its: UserTokens, report: CheckReport) -> None:
    """Compare the stakes of a user with the earned tokens. The wiki's own stakes are taken over."""
    subject, found = f"user {user_id}", f"{its.staked:,} base units staked"
    if _has_stake_of_ours(wiki, user_id):
        report.add(Area.STAKES, subject, found, f"at most the {its.earned:,} that were earned")
        return
    counts_as = f"more than the {its.earned:,} that were earned, as the wiki recorded it"
    report.note_from_before(Area.STAKES, subject, found, counts_as)


def _reputation(
    fields: Mapping[str, object], counted: UserActivity, rules: Rules
) -> dict[str, object]:
    """The right score. Before the first contribution, the default stays.

    Without `reputation_steps`, and where this system has not written it, it is the wiki's.
    """
    score = reputation(rules.reputation_steps, counted.contributions)
    if not counted.contributions or score is None or has_own_reputation(fields):
        return {}
    return {REPUTATION: float(score)}


def _check_articles(
    wiki: WikiContext, store: CheckStore, article_ids: list[str], report: CheckReport
) -> None:
    stored = store.article_counters(article_ids)
    activity = wiki.counters.article_activity(article_ids)
    tokens = wiki.counters.article_tokens(article_ids)
    for article_id, fields in stored.items():
        expected: dict[str, object] = {
            "contribution_count": activity[article_id].contributions,
            **_latest(fields, "last_contribution_date", activity[article_id].last_at),
            **_amount("total_tokens_earned", tokens[article_id]),
        }
        subject, fresh = f"article {article_id}", not_recounted(fields)
        _compare(report, Area.COUNTS, subject, fields, expected, fresh)
        _name_unreadable(subject, fields, report)
        _note_opening(f"article {article_id}", fields, report)


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


def _note_opening(subject: str, fields: Mapping[str, object], report: CheckReport) -> None:
    """List what the wiki had counted and no document explains."""
    found = {name: value for name, value in fields.items() if name.startswith("opening_") and value}
    if found:
        listed = ", ".join(f"{name} {value}" for name, value in found.items())
        report.notes.append(f"{subject}, opening balance: {listed}")


def _latest(
    fields: Mapping[str, object], name: str, computed: datetime | None
) -> dict[str, object]:
    """A date never goes back: a later one that the wiki has written stays."""
    stored = fields.get(name)
    is_later = isinstance(stored, datetime) and (computed is None or stored > computed)
    return {name: stored if is_later else computed}


def _amount(name: str, amount: BaseUnits) -> dict[str, object]:
    """The owner's float field, and the integer that it comes from."""
    return {name: tokens_float(amount), f"{name}_base_units": int(amount)}
