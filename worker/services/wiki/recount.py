"""Recomputes every counter of the wiki: tokens of all weeks, users and articles."""

from __future__ import annotations

from worker.core.chunks import chunks
from worker.core.week import Week
from worker.services.wiki.activity import recount_activity
from worker.services.wiki.earned_tokens import (
    CHUNK_IDS,
    Recount,
    recount_article_tokens,
    recount_tokens,
    recount_week,
)
from worker.services.wiki_context import WikiContext


def recount_all(wiki: WikiContext) -> Recount:
    """Every counter there is."""
    result, rules = Recount(), wiki.rules()
    for week in _all_weeks(wiki):
        of_week = recount_week(wiki, week)
        result.weeks += of_week.weeks
        result.corrected += of_week.corrected
        result.shared += of_week.shared
        result.unshared += of_week.unshared
    for users in chunks(wiki.store.user_ids(), CHUNK_IDS):
        result.users += len(users)
        result.corrected += recount_activity(wiki, rules, users, [])
        result.corrected += recount_tokens(wiki, users)
    for articles in chunks(wiki.counters.article_ids(), CHUNK_IDS):
        result.articles += len(articles)
        result.corrected += recount_activity(wiki, rules, [], articles)
        result.corrected += recount_article_tokens(wiki, articles)
    return result


def _all_weeks(wiki: WikiContext) -> list[Week]:
    """All weeks that are known, archived ones included."""
    first, last = wiki.store.first_week(), Week.containing(wiki.now())
    known = {d.week for d in wiki.store.distributions()}
    return sorted(known | set(first.until(last) if first else []))
