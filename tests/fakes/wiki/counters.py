"""The in-memory twin of `MongoCounters`, over the state of a `FakeStore`."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from bson import Int64, ObjectId

from tests.fakes.store.state import Document, as_stored
from tests.fakes.store.store import FakeStore
from tests.fakes.store.wiki_data import _part, _plain, stored_forms
from worker.adapters.mongo.wiki.contribution_counters import activity_fields
from worker.adapters.mongo.wiki.reward_counters import tokens_of, user_fields
from worker.adapters.mongo.wiki.staking_records import stake_of
from worker.core.identity import canonical_user_id
from worker.core.lifecycle import Status
from worker.core.money import BaseUnits, tokens_float
from worker.core.plan.counted_contributions import PointsWindow
from worker.core.plan.points import defect
from worker.core.plan.rules import Rules
from worker.core.week import Week
from worker.core.wiki.counters import ArticleActivity, CompletedReward, UserActivity, UserTokens


class FakeCounters:
    """Implements `worker.ports.wiki.CounterStore` in memory."""

    def __init__(self, store: FakeStore) -> None:
        self._store = store

    # --- from contributions ---------------------------------------------------------------------

    def user_activity(self, user_ids: Sequence[str]) -> dict[str, UserActivity]:
        found = dict.fromkeys(user_ids, UserActivity())
        for document in self._of("user_id", user_ids):
            known = found[_text(document["user_id"])]
            found[_text(document["user_id"])] = UserActivity(
                known.contributions + 1, known.points + _whole(document.get("total_points"))
            )
        return found

    def write_user_activity(self, activity: Mapping[str, tuple[UserActivity, float | None]]) -> int:
        fields = {user_id: activity_fields(*each) for user_id, each in activity.items()}
        return _set(self._store.state.users, fields)

    def article_activity(self, article_ids: Sequence[str]) -> dict[str, ArticleActivity]:
        found = dict.fromkeys(article_ids, ArticleActivity())
        for document in self._of("article_id", article_ids):
            article_id, at = _text(document["article_id"]), document.get("created_at")
            known = found[article_id]
            dates = [d for d in (known.last_at, at) if isinstance(d, datetime)]
            found[article_id] = ArticleActivity(known.contributions + 1, max(dates, default=None))
        return found

    def write_article_activity(self, activity: Mapping[str, ArticleActivity]) -> int:
        fields = {
            article_id: {
                "contribution_count": counted.contributions,
                "last_contribution_date": counted.last_at,
            }
            for article_id, counted in activity.items()
        }
        return _set(self._store.state.articles, fields)

    def article_ids(self) -> Iterator[str]:
        return iter([canonical_user_id(str(form)) for form in self._store.state.articles])

    def _of(self, field: str, ids: Sequence[str]) -> list[Document]:
        forms = [form for each in ids for form in stored_forms(each)]
        documents = self._store.state.contributions.values()
        single = [d for d in documents if not isinstance(d.get(field), list)]
        return [d for d in single if d.get(field) in forms]

    # --- from rewards and stakes ----------------------------------------------------------------

    def user_tokens(
        self, user_ids: Sequence[str], *, at: datetime | None = None
    ) -> dict[str, UserTokens]:
        records = list(filter(None, map(stake_of, self._stakes())))
        return {
            user_id: tokens_of(
                *self._earned(user_id, at), [s for s in records if s.user_id == user_id], at
            )
            for user_id in user_ids
        }

    def _stakes(self) -> list[Document]:
        return [{"_id": key} | document for key, document in self._store.state.stakes.items()]

    def _earned(self, user_id: str, at: datetime | None) -> tuple[int, datetime | None]:
        state = self._store.state
        weeks = [*state.weeks.values(), *state.archive.values()]
        paid = [
            stored
            for week in weeks
            for stored in state.rewards_of(week.distribution.plan_id or "").values()
            if stored.reward.user_id == user_id and stored.reward.status is Status.COMPLETED
        ]
        if at is not None:
            paid = [s for s in paid if s.claimed_at is None or s.claimed_at <= at]
        moments = [s.claimed_at for s in paid if s.claimed_at is not None]
        return sum(s.reward.row.amount for s in paid), max(moments, default=None)

    def write_user_tokens(self, tokens: Mapping[str, UserTokens]) -> int:
        fields = {user_id: user_fields(each) for user_id, each in tokens.items()}
        return _set(self._store.state.users, fields)

    def paid_rewards(self, plan_id: str, after_position: int, limit: int) -> list[CompletedReward]:
        rewards = [s.reward for s in self._store.state.rewards_of(plan_id).values()]
        paid = [r for r in rewards if r.status is Status.COMPLETED and r.position > after_position]
        paid.sort(key=lambda reward: reward.position)
        return [CompletedReward(r.position, r.user_id, r.row.amount) for r in paid[:limit]]

    def points_by_article(
        self, window: PointsWindow, rules: Rules, user_ids: Sequence[str]
    ) -> dict[str, dict[str, int]]:
        found: dict[str, dict[str, int]] = {}
        for document in self._of("user_id", user_ids):
            if _part(document, window) is None or defect(rules.points, _plain(document)):
                continue
            articles = found.setdefault(_text(document["user_id"]), {})
            article = document.get("article_id")
            key = _text(article) if isinstance(article, str | ObjectId) else ""
            articles[key] = articles.get(key, 0) + int(document["total_points"])
        return found

    def article_rewards(self, week: Week) -> dict[str, BaseUnits]:
        stored = self._store.state.article_rewards
        return {article: BaseUnits(n) for (when, article), n in stored.items() if when == week}

    def write_article_rewards(
        self, week: Week, shares: Mapping[str, BaseUnits], gone: Collection[str]
    ) -> None:
        stored = self._store.state.article_rewards
        stored.update({(week, article_id): share for article_id, share in shares.items()})
        for article_id in gone:
            stored.pop((week, article_id), None)

    def article_tokens(self, article_ids: Sequence[str]) -> dict[str, BaseUnits]:
        stored = self._store.state.article_rewards
        return {
            wanted: BaseUnits(sum(n for (_, article), n in stored.items() if article == wanted))
            for wanted in article_ids
        }

    def write_article_tokens(self, tokens: Mapping[str, BaseUnits]) -> int:
        fields = {
            article_id: {
                "total_tokens_earned": tokens_float(amount),
                "total_tokens_earned_base_units": Int64(amount),
            }
            for article_id, amount in tokens.items()
        }
        return _set(self._store.state.articles, fields)


def _set(table: dict[object, Document], fields: Mapping[str, Document]) -> int:
    """Set fields of existing documents; return how many changed."""
    changed = 0
    for key, values in fields.items():
        for form in stored_forms(key):
            if (document := table.get(form)) is not None:
                updated = document | as_stored(values)
                changed += updated != document
                table[form] = updated
    return changed


def _text(value: Any) -> str:
    return canonical_user_id(str(value))


def _whole(points: object) -> int:
    is_number = isinstance(points, int | float) and not isinstance(points, bool)
    is_whole = is_number and 0 <= points <= 2**53 and points == int(points)
    return int(points) if is_whole else 0
