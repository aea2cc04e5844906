"""Recomputes counts, points, reputation and dates of users and articles from contributions."""

from __future__ import annotations

from collections.abc import Sequence

from worker.core.plan.rules import Rules
from worker.core.wiki.counters import UserActivity
from worker.core.wiki.reputation import reputation
from worker.services.wiki.until_stable import write_until_stable
from worker.services.wiki_context import WikiContext


def recount_activity(
    wiki: WikiContext, rules: Rules, user_ids: Sequence[str], article_ids: Sequence[str]
) -> int:
    """The activity of these users and articles. Returns how many documents were wrong."""
    store, steps = wiki.counters, rules.reputation_steps

    def write_users(facts: dict[str, UserActivity]) -> int:
        scores = {
            user_id: (activity, float(reputation(steps, activity.contributions)))
            for user_id, activity in facts.items()
        }
        return store.write_user_activity(scores)

    users = write_until_stable("Users", store.user_activity, write_users, user_ids)
    return users + write_until_stable(
        "Articles", store.article_activity, store.write_article_activity, article_ids
    )
