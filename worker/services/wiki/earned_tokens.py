"""Recomputes the tokens that users and articles have earned, from rewards and stakes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from worker.core.chunks import chunks
from worker.core.lifecycle import Stage, Status
from worker.core.money import BaseUnits, tokens_text
from worker.core.payout.records import Distribution
from worker.core.plan.planned_week import PlannedWeek
from worker.core.week import Week
from worker.core.wiki.counters import UserTokens, article_shares
from worker.core.wording import counted
from worker.services.wiki.as_planned import as_planned
from worker.services.wiki.until_stable import TRIES, StillChanging, write_until_stable
from worker.services.wiki_context import WikiContext

CHUNK_IDS = 1000
CHANGES_LISTED_MAX = 1000
CHANGES_SHOWN = 20
NOTE = "counters"
"""The note on a distribution about its last recount."""


@dataclass(frozen=True, slots=True)
class BalanceChange:
    """A number of the wiki's own that the first recount replaced. Base units."""

    user_id: str
    field: str
    before: BaseUnits
    after: BaseUnits

    def __str__(self) -> str:
        before, after = tokens_text(self.before), tokens_text(self.after)
        return f"user {self.user_id}: {self.field} was {before}, is now {after}"


@dataclass(slots=True)
class Recount:
    """The documents that a recount read, and how many it corrected."""

    weeks: int = 0
    users: int = 0
    articles: int = 0
    corrected: int = 0
    shared: int = 0
    """Base units of rewards that have an article."""
    unshared: int = 0
    """Base units of rewards whose points came from contributions without an article."""
    changed: int = 0
    """How many numbers of the wiki's own were replaced."""
    changes: list[BalanceChange] = field(default_factory=list)
    """The first of them."""
    unreadable: dict[str, str] = field(default_factory=dict)
    """Counters that no recount writes, because they cannot be read, and their values."""

    def add_changes(self, changes: Sequence[BalanceChange]) -> None:
        self.changed += len(changes)
        self.changes += changes[: CHANGES_LISTED_MAX - len(self.changes)]

    def sentence(self) -> str:
        left = (
            f", {counted(len(self.unreadable), 'unreadable counter')} left"
            if self.unreadable
            else ""
        )
        return (
            f"{counted(self.weeks, 'week')}, {counted(self.users, 'user')} and "
            f"{counted(self.articles, 'article')} counted, "
            f"{counted(self.corrected, 'document')} corrected{self.replaced()}{left}"
        )

    def replaced(self) -> str:
        """The end of a sentence; empty if no number of the wiki's own was replaced."""
        return f", {self.changed} balances of the wiki's own replaced" if self.changed else ""

    def note_unreadable(self, found: Sequence[tuple[str, str, object]]) -> None:
        self.unreadable |= {f"{subject}, {name}": repr(value) for subject, name, value in found}

    def unreadable_lines(self) -> list[str]:
        """The first counters that were left, one a line."""
        lines = [
            f"{subject} is {value}, which is no number or date. It was left: correct it, and run "
            "`kontrib recount` again"
            for subject, value in list(self.unreadable.items())[:CHANGES_SHOWN]
        ]
        more = len(self.unreadable) - len(lines)
        return [*lines, f"and {more} more; `kontrib check` names them"] if more else lines

    def change_lines(self) -> list[str]:
        """The first replaced numbers of the wiki's own, one a line."""
        shown = [str(each) for each in self.changes[:CHANGES_SHOWN]]
        more = self.changed - len(shown)
        return [*shown, f"and {more} more"] if more else shown


def recount_tokens(
    wiki: WikiContext, user_ids: Sequence[str], result: Recount | None = None
) -> int:
    """Recompute what these users earned, staked and can vote with. Returns how many were wrong.

    `result` gets every number of the wiki's own that is replaced.
    """
    store, latest = wiki.counters, dict[str, UserTokens]()
    before = store.wikis_balances(user_ids)

    def write(facts: dict[str, UserTokens]) -> int:
        latest.update(facts)
        return store.write_user_tokens(facts)

    corrected = write_until_stable("Rewards", store.user_tokens, write, user_ids)
    if result is not None:
        result.add_changes([c for user in before for c in _changes(before[user], latest, user)])
        result.note_unreadable(store.unreadable_counters(user_ids, []))
    return corrected


def _changes(
    before: Mapping[str, BaseUnits], latest: Mapping[str, UserTokens], user_id: str
) -> Iterator[BalanceChange]:
    now = {"staked_tokens": latest[user_id].staked, "governance_power": latest[user_id].power}
    for name, amount in before.items():
        if amount != now[name]:
            yield BalanceChange(user_id, name, amount, now[name])


def recount_week(wiki: WikiContext, week: Week) -> Recount:
    """Recompute the tokens of all users in a week's plan, and of the articles that gave the points.

    Safe at any state of the week, any number of times.
    """
    distribution, began_at = wiki.store.distribution(week), wiki.now()
    planned = distribution.planned if distribution else None
    if planned is None:
        return Recount()
    result = Recount(weeks=1)
    for _ in range(TRIES):
        paid = _tallies(wiki, planned.plan_id)
        _count_week(wiki, planned, result)
        if _tallies(wiki, planned.plan_id) == paid:
            break
    else:
        raise StillChanging(f"Rewards of {week.label}")
    facts = {"at": began_at, **paid, "shared_base_units": result.shared}
    wiki.store.record_notes(week, **{NOTE: facts})
    return result


def due_recounts(wiki: WikiContext) -> list[Week]:
    """Closed weeks that were not counted after their last payment."""
    known = wiki.store.distributions()
    return [d.week for d in known if d.stage is Stage.COMPLETED and not is_counted(wiki, d)]


def is_counted(wiki: WikiContext, distribution: Distribution) -> bool:
    """Whether a closed week was counted after its last payment. True for a week without a plan."""
    if distribution.plan_id is None:
        return True
    noted = wiki.store.notes(distribution.week).get(NOTE) or {}
    counted_at, completed_at = noted.get("at"), distribution.completed_at
    if not isinstance(counted_at, datetime):
        return False
    if completed_at is not None and counted_at < completed_at:
        return False
    # Held rewards are paid after the week was closed. If no reward is left, nothing can change.
    if not noted.get("unpaid_rewards"):
        return True
    now = _tallies(wiki, distribution.plan_id)
    return all(noted.get(name) == value for name, value in now.items())


def _tallies(wiki: WikiContext, plan_id: str) -> dict[str, int]:
    """Counts of a plan's rewards, and the paid base units."""
    rewards = wiki.store.progress(plan_id).rewards
    paid = rewards.get(Status.COMPLETED)
    return {
        "paid_rewards": paid.count if paid else 0,
        "paid_base_units": paid.amount if paid else 0,
        "unpaid_rewards": sum(t.count for s, t in rewards.items() if s is not Status.COMPLETED),
    }


def _count_week(wiki: WikiContext, planned: PlannedWeek, result: Recount) -> None:
    shares: Counter[str] = Counter()
    users = 0
    for user_ids, share in shares_by_article(wiki, planned):
        shares.update(share)
        result.corrected += recount_tokens(wiki, user_ids, result)
        users += len(user_ids)
    result.unshared = shares.pop("", 0)
    result.shared, result.users = shares.total(), users
    before = wiki.counters.article_rewards(planned.week)
    changed = {a: BaseUnits(share) for a, share in shares.items() if before.get(a) != share}
    gone = sorted(set(before) - set(shares))
    if changed or gone:
        wiki.counters.write_article_rewards(planned.week, changed, gone)
    touched = sorted({*before, *shares})
    result.articles = len(touched)
    for ids in chunks(touched, CHUNK_IDS):
        result.corrected += recount_article_tokens(wiki, ids)
        result.note_unreadable(wiki.counters.unreadable_counters([], ids))


def shares_by_article(
    wiki: WikiContext, planned: PlannedWeek
) -> Iterator[tuple[list[str], Counter[str]]]:
    """The articles' shares of a week's completed rewards, some users at a time.

    The share under "" belongs to no article.
    """
    window, rules = as_planned(wiki, planned)
    for first in range(0, planned.header.rewards, CHUNK_IDS):
        positions = range(first, first + CHUNK_IDS)
        paid = wiki.counters.paid_rewards(planned.plan_id, positions)
        if not paid:
            continue
        user_ids, shares = [reward.user_id for reward in paid], Counter[str]()
        points = wiki.counters.points_by_article(window, rules, user_ids)
        for reward in paid:
            shares.update(article_shares(reward.amount, points.get(reward.user_id, {})))
        yield user_ids, shares


def recount_article_tokens(wiki: WikiContext, article_ids: Sequence[str]) -> int:
    """Recompute these articles' tokens from their shares. Returns how many articles were wrong."""
    store = wiki.counters
    return write_until_stable(
        "Articles", store.article_tokens, store.write_article_tokens, article_ids
    )
