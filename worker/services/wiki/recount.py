"""Recomputes the wiki's counters: activity from contributions, and everything at once."""

from __future__ import annotations

from collections.abc import Sequence

from worker.core.chunks import chunks
from worker.core.plan.rules import Rules
from worker.core.week import Week
from worker.core.wiki.counters import UserActivity, reputation
from worker.services.wiki.earned_tokens import (
    CHUNK_IDS,
    Recount,
    recount_article_tokens,
    recount_tokens,
    recount_week,
)
from worker.services.wiki.until_stable import write_until_stable
from worker.services.wiki_context import WikiContext


def recount_activity(
    wiki: WikiContext, rules: Rules, user_ids: Sequence[str], article_ids: Sequence[str]
) -> int:
    """Recompute counts, points, reputation and dates. Returns how many documents were wrong."""
    store, steps = wiki.counters, rules.reputation_steps

    def write_users(facts: dict[str, UserActivity]) -> int:
        scores = {user_id: reputation(steps, each.contributions) for user_id, each in facts.items()}
        return store.write_user_activity(
            {
                user_id: (activity, None if (score := scores[user_id]) is None else float(score))
                for user_id, activity in facts.items()
            }
        )

    users = write_until_stable("Users", store.user_activity, write_users, user_ids)
    return users + write_until_stable(
        "Articles", store.article_activity, store.write_article_activity, article_ids
    )


def recount_all(wiki: WikiContext) -> Recount:
    """Recompute every counter, archived weeks included."""
    result, rules = Recount(), wiki.rules()
    first = wiki.store.first_week()
    since_first = first.until(Week.containing(wiki.now())) if first else []
    for week in sorted({d.week for d in wiki.store.distributions()}.union(since_first)):
        of_week = recount_week(wiki, week)
        result.weeks += of_week.weeks
        result.corrected += of_week.corrected
        result.shared += of_week.shared
        result.unshared += of_week.unshared
        result.add_changes(of_week.changes)
    for users in chunks(wiki.store.user_ids(), CHUNK_IDS):
        result.users += len(users)
        result.corrected += recount_activity(wiki, rules, users, [])
        result.corrected += recount_tokens(wiki, users, result)
    for articles in chunks(wiki.counters.article_ids(), CHUNK_IDS):
        result.articles += len(articles)
        result.corrected += recount_activity(wiki, rules, [], articles)
        result.corrected += recount_article_tokens(wiki, articles)
        result.note_unreadable(wiki.counters.unreadable_counters([], articles))
    return result
