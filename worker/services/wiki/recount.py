"""Counters of users and articles, computed anew from contributions, rewards and stakes.

Every writer reads again after it wrote, and writes again if what it counted has changed meanwhile.
So of two that work at the same time, the one that writes last has counted everything.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from typing import TypeVar

from worker.core.errors import NotReady
from worker.core.lifecycle import Stage, Status
from worker.core.money import BaseUnits
from worker.core.payout.records import Distribution
from worker.core.plan.commitment import Header
from worker.core.plan.counted_contributions import PointsWindow, points_window
from worker.core.plan.points import PointRules, Range
from worker.core.plan.rules import MULTIPLIER_KINDS, Rules
from worker.core.week import Week
from worker.core.wiki.counters import UserActivity, article_shares
from worker.core.wiki.reputation import reputation
from worker.services.wiki_context import WikiContext

CHUNK_IDS = 1000
TRIES = 10
NOTE = "counters"
"""Where a distribution says when its week was last counted."""

Facts = TypeVar("Facts")


class StillChanging(NotReady):
    """What is counted changes faster than it can be counted."""

    def __init__(self, what: str) -> None:
        super().__init__(
            f"{what} changed {TRIES} times while they were counted. Nothing is lost: run "
            "`kontrib recount` when less is going on."
        )


@dataclass(slots=True)
class Recount:
    """What a recount looked at and what it corrected."""

    weeks: int = 0
    users: int = 0
    articles: int = 0
    corrected: int = 0
    shared: int = 0
    """Base units of rewards that have an article."""
    unshared: int = 0
    """Base units of rewards whose points came from contributions without an article."""

    def sentence(self) -> str:
        return (
            f"{self.weeks} weeks, {self.users} users and {self.articles} articles counted, "
            f"{self.corrected} documents corrected"
        )


# --- from contributions ------------------------------------------------------------------------


def recount_activity(
    wiki: WikiContext, rules: Rules, user_ids: Sequence[str], article_ids: Sequence[str]
) -> int:
    """Counts, points, reputation and dates of these users and articles; how many were wrong."""
    store, steps = wiki.counters, rules.reputation_steps

    def write_users(facts: dict[str, UserActivity]) -> int:
        scores = {
            user_id: (activity, float(reputation(steps, activity.contributions)))
            for user_id, activity in facts.items()
        }
        return store.write_user_activity(scores)

    return sum(
        [
            _until_stable("Users", store.user_activity, write_users, user_ids),
            _until_stable(
                "Articles", store.article_activity, store.write_article_activity, article_ids
            ),
        ]
    )


# --- from rewards and stakes -------------------------------------------------------------------


def recount_tokens(wiki: WikiContext, user_ids: Sequence[str]) -> int:
    """What these users have earned and staked, and can vote with; how many were wrong."""
    store = wiki.counters
    return _until_stable("Rewards", store.user_tokens, store.write_user_tokens, user_ids)


def recount_week(wiki: WikiContext, week: Week) -> Recount:
    """The tokens of everyone in a week's plan, and of the articles that their points came from.

    May be called at any state of the week, any number of times.
    """
    distribution, began_at = wiki.store.distribution(week), wiki.now()
    if distribution is None or distribution.plan_id is None or not distribution.header:
        return Recount()
    result = Recount(weeks=1)
    for _ in range(TRIES):
        paid = _tallies(wiki, distribution)
        _count_week(wiki, distribution, result)
        if _tallies(wiki, distribution) == paid:
            break
    else:
        raise StillChanging(f"Rewards of {week.label}")
    facts = {"at": began_at, **paid, "shared_base_units": result.shared}
    wiki.store.record_notes(week, **{NOTE: facts})
    return result


def due_recounts(wiki: WikiContext) -> list[Week]:
    """Closed weeks that were not counted since, or of which another reward was paid."""
    return [
        d.week
        for d in wiki.store.distributions()
        if d.stage is Stage.COMPLETED and d.plan_id and not is_counted(wiki, d)
    ]


def recount_all(wiki: WikiContext) -> Recount:
    """Every counter there is."""
    result, rules = Recount(), wiki.rules()
    for week in _all_weeks(wiki):
        of_week = recount_week(wiki, week)
        result.weeks += of_week.weeks
        result.corrected += of_week.corrected
        result.shared += of_week.shared
        result.unshared += of_week.unshared
    for users in _chunks(wiki.store.user_ids()):
        result.users += len(users)
        result.corrected += recount_activity(wiki, rules, users, [])
        result.corrected += recount_tokens(wiki, users)
    for articles in _chunks(wiki.counters.article_ids()):
        result.articles += len(articles)
        result.corrected += recount_activity(wiki, rules, [], articles)
        result.corrected += _recount_article_tokens(wiki, articles)
    return result


def is_counted(wiki: WikiContext, distribution: Distribution) -> bool:
    """Whether a closed week was counted since, and nothing of it was paid after that."""
    noted = wiki.store.notes(distribution.week).get(NOTE) or {}
    counted_at, completed_at = noted.get("at"), distribution.completed_at
    if not isinstance(counted_at, datetime):
        return False
    if completed_at is not None and counted_at < completed_at:
        return False
    # Held rewards are paid after the week was closed. Where none is left, nothing can change.
    if not noted.get("unpaid_rewards"):
        return True
    now = _tallies(wiki, distribution)
    return all(noted.get(name) == value for name, value in now.items())


def _all_weeks(wiki: WikiContext) -> list[Week]:
    """Those that are known, archived ones included."""
    first, last = wiki.store.first_week(), Week.containing(wiki.now())
    known = {d.week for d in wiki.store.distributions()}
    return sorted(known | set(first.until(last) if first else []))


def _tallies(wiki: WikiContext, distribution: Distribution) -> dict[str, int]:
    """How much of a plan is paid."""
    rewards = wiki.store.progress(distribution.plan_id or "").rewards
    paid = rewards.get(Status.COMPLETED)
    return {
        "paid_rewards": paid.count if paid else 0,
        "paid_base_units": paid.amount if paid else 0,
        "unpaid_rewards": sum(t.count for s, t in rewards.items() if s is not Status.COMPLETED),
    }


def _count_week(wiki: WikiContext, distribution: Distribution, result: Recount) -> None:
    """One pass over a week's completed rewards."""
    shares: Counter[str] = Counter()
    users = 0
    for user_ids, share in shares_by_article(wiki, distribution):
        shares.update(share)
        result.corrected += recount_tokens(wiki, user_ids)
        users += len(user_ids)
    result.unshared = shares.pop("", 0)
    result.shared, result.users = shares.total(), users
    _write_shares(wiki, distribution.week, shares, result)


def shares_by_article(
    wiki: WikiContext, distribution: Distribution
) -> Iterator[tuple[list[str], Counter[str]]]:
    """What articles have of a week's completed rewards, some users at a time; "" for no article."""
    window, rules = as_planned(wiki, distribution)
    position = -1
    while paid := wiki.counters.paid_rewards(distribution.plan_id or "", position, CHUNK_IDS):
        user_ids, shares = [reward.user_id for reward in paid], Counter[str]()
        points = wiki.counters.points_by_article(window, rules, user_ids)
        for reward in paid:
            shares.update(article_shares(reward.amount, points.get(reward.user_id, {})))
        yield user_ids, shares
        position = paid[-1].position


def _write_shares(wiki: WikiContext, week: Week, shares: Counter[str], result: Recount) -> None:
    before = wiki.counters.article_rewards(week)
    changed = {a: BaseUnits(share) for a, share in shares.items() if before.get(a) != share}
    gone = sorted(set(before) - set(shares))
    if changed or gone:
        wiki.counters.write_article_rewards(week, changed, gone)
    touched = sorted({*before, *shares})
    result.articles = len(touched)
    for i in range(0, len(touched), CHUNK_IDS):
        result.corrected += _recount_article_tokens(wiki, touched[i : i + CHUNK_IDS])


def _recount_article_tokens(wiki: WikiContext, article_ids: Sequence[str]) -> int:
    store = wiki.counters
    return _until_stable("Articles", store.article_tokens, store.write_article_tokens, article_ids)


def as_planned(wiki: WikiContext, distribution: Distribution) -> tuple[PointsWindow, Rules]:
    """Which contributions the week's plan counted, and by which rules."""
    header = Header.parse(distribution.header or b"")
    week = distribution.week
    previous = wiki.store.distribution(week.previous())
    first = wiki.store.first_week() or week
    before = Header.parse(previous.header).cutoff if previous and previous.header else None
    window = points_window(week, first, header.cutoff, None if week == first else before)
    return window, replace(wiki.rules(), points=_planned_points(header))


def _planned_points(header: Header) -> PointRules:
    """The rules for points as the plan's header keeps them: text, and without defaults."""
    ranges = {}
    for kind in MULTIPLIER_KINDS:
        low, high = (Decimal(header.rules["multipliers"][kind][end]) for end in ("min", "max"))
        ranges[kind] = Range(low, high, low)
    base_points = {name: int(text) for name, text in header.rules["base_points"].items()}
    return PointRules(base_points, **ranges)


def _until_stable(
    what: str,
    read: Callable[[Sequence[str]], dict[str, Facts]],
    write: Callable[[dict[str, Facts]], int],
    ids: Sequence[str],
) -> int:
    """Write what is read, and read again, until it is the same."""
    if not ids:
        return 0
    facts, corrected = read(ids), 0
    for _ in range(TRIES):
        corrected += write(facts)
        again = read(list(facts))
        facts = {key: value for key, value in again.items() if value != facts[key]}
        if not facts:
            return corrected
    raise StillChanging(what)


def _chunks(ids: Iterable[str]) -> Iterator[list[str]]:
    iterator = iter(ids)
    while chunk := list(itertools.islice(iterator, CHUNK_IDS)):
        yield chunk
