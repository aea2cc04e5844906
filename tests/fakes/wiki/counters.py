"""The in-memory twin of `MongoCounters`, over the state of a `FakeStore`."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from bson import Int64, ObjectId

from tests.fakes.store.state import Document, as_stored
from tests.fakes.store.store import FakeStore
from tests.fakes.store.wiki_data import _part, _plain, stored_forms
from worker.adapters.mongo import names
from worker.adapters.mongo.counting.earnings import Earnings
from worker.adapters.mongo.counting.opening import (
    FIELDS,
    Opening,
    article_opening,
    opening_fields,
    user_opening,
    wikis_balances,
)
from worker.adapters.mongo.payout.historic import tokens_of as historic_tokens
from worker.adapters.mongo.wiki.contribution_counters import (
    activity_fields,
    new_fields,
    plus_article_opening,
    plus_opening,
    recounted,
)
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
from worker.core.wiki.stored_counters import NOT_RECOUNTED, unreadable


class FakeCounters:
    """Implements `worker.ports.wiki.CounterStore` in memory."""

    def __init__(self, store: FakeStore) -> None:
        self._store = store

    # --- from contributions ---------------------------------------------------------------------

    def user_activity(self, user_ids: Sequence[str]) -> dict[str, UserActivity]:
        counted, openings = self._contributions(user_ids), self._user_openings(user_ids)
        return {each: plus_opening(counted[each], openings.get(each)) for each in user_ids}

    def _contributions(self, user_ids: Sequence[str]) -> dict[str, UserActivity]:
        found = dict.fromkeys(user_ids, UserActivity())
        for document in self._of("user_id", user_ids):
            known = found[_text(document["user_id"])]
            found[_text(document["user_id"])] = UserActivity(
                known.contributions + 1, known.points + _whole(document.get("total_points"))
            )
        return found

    def write_user_activity(self, activity: Mapping[str, tuple[UserActivity, float | None]]) -> int:
        fields = {user_id: activity_fields(*each) for user_id, each in activity.items()}
        return self._set(names.USERS, fields)

    def article_activity(self, article_ids: Sequence[str]) -> dict[str, ArticleActivity]:
        counted, openings = self._article_counts(article_ids), self._article_openings(article_ids)
        return {
            each: plus_article_opening(counted[each], openings.get(each)) for each in article_ids
        }

    def _article_counts(self, article_ids: Sequence[str]) -> dict[str, ArticleActivity]:
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
        return self._set(names.ARTICLES, fields)

    # --- opening balances -----------------------------------------------------------------------

    def open_counters(
        self,
        user_ids: Sequence[str],
        article_ids: Sequence[str],
        counting: Collection[str] = (),
    ) -> int:
        users, articles = self._user_openings(user_ids), self._article_openings(article_ids)
        opened = self._open(names.USERS, users, counting)
        return opened + self._open(names.ARTICLES, articles, counting)

    def _open(
        self, collection: str, openings: Mapping[str, Opening], counting: Collection[str]
    ) -> int:
        table, written = self._table(collection), 0
        for key, opening in openings.items():
            for form in stored_forms(key):
                if form in table and (
                    fields := opening_fields(collection, table[form], opening, counting)
                ):
                    table[form] = table[form] | as_stored(fields)
                    written += 1
        return written

    def _set(self, collection: str, fields: Mapping[str, Document]) -> int:
        """Set fields of existing documents; return how many changed."""
        table, changed = self._table(collection), 0
        keys, counting = list(fields), next(iter(fields.values()), {})
        is_user = collection == names.USERS
        self.open_counters(keys if is_user else [], [] if is_user else keys, counting)
        for key, values in fields.items():
            for form in stored_forms(key):
                if (document := table.get(form)) is not None:
                    updated = document | as_stored(new_fields(document, values))
                    changed += updated != document
                    if done := recounted(document, list(values)):
                        left = [each for each in document[NOT_RECOUNTED] if each not in done]
                        updated = updated | {NOT_RECOUNTED: left}
                    table[form] = updated
        return changed

    def _table(self, collection: str) -> dict[object, Document]:
        state = self._store.state
        return state.users if collection == names.USERS else state.articles

    def unreadable_counters(
        self, user_ids: Sequence[str], article_ids: Sequence[str]
    ) -> list[tuple[str, str, object]]:
        found = []
        for collection, ids in (names.USERS, user_ids), (names.ARTICLES, article_ids):
            for key in ids:
                if (document := _find(self._table(collection), key)) is not None:
                    read = {n: v for n, v in document.items() if n in FIELDS[collection]}
                    subject = f"{collection.removesuffix('s')} {key}"
                    found += [(subject, name, v) for name, v in unreadable(read).items()]
        return found

    def _user_openings(self, user_ids: Sequence[str]) -> dict[str, Opening]:
        counted = self._contributions(user_ids)
        return {
            each: user_opening(document, counted[each], self._historic(each, None)[0])
            for each in user_ids
            if (document := _find(self._store.state.users, each)) is not None
        }

    def _article_openings(self, article_ids: Sequence[str]) -> dict[str, Opening]:
        counted = self._article_counts(article_ids)
        return {
            each: article_opening(document, counted[each])
            for each in article_ids
            if (document := _find(self._store.state.articles, each)) is not None
        }

    def _historic(self, user_id: str, at: datetime | None) -> tuple[int, list[datetime]]:
        """Completed rewards of another system: their sum, and when they were claimed."""
        rewards = [
            document
            for document in self._store.state.historic_rewards
            if _text(document.get("user_id")) == user_id
            and document.get("status") == Status.COMPLETED.value
        ]
        if at is not None:
            rewards = [d for d in rewards if not d.get("claimed_at") or d["claimed_at"] <= at]
        moments = [d["claimed_at"] for d in rewards if isinstance(d.get("claimed_at"), datetime)]
        return sum(historic_tokens(d.get("token_amount")) or 0 for d in rewards), moments

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
                self._user_openings([user_id]).get(user_id, Opening()).tokens,
                self._earned(user_id, at),
                [s for s in records if s.user_id == user_id],
                at,
            )
            for user_id in user_ids
        }

    def _stakes(self) -> list[Document]:
        return [{"_id": key} | document for key, document in self._store.state.stakes.items()]

    def _earned(self, user_id: str, at: datetime | None) -> Earnings:
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
        historic, claimed = self._historic(user_id, at)
        here = sum(s.reward.row.amount for s in paid)
        return Earnings(here + historic, here, max([*moments, *claimed], default=None))

    def wikis_balances(self, user_ids: Sequence[str]) -> dict[str, dict[str, BaseUnits]]:
        documents = {each: _find(self._store.state.users, each) for each in user_ids}
        found = {each: wikis_balances(d) for each, d in documents.items() if d is not None}
        return {each: balances for each, balances in found.items() if balances}

    def write_user_tokens(self, tokens: Mapping[str, UserTokens]) -> int:
        fields = {user_id: user_fields(each) for user_id, each in tokens.items()}
        return self._set(names.USERS, fields)

    def paid_rewards(self, plan_id: str, positions: range) -> list[CompletedReward]:
        rewards = [s.reward for s in self._store.state.rewards_of(plan_id).values()]
        paid = [r for r in rewards if r.status is Status.COMPLETED and r.position in positions]
        paid.sort(key=lambda reward: reward.position)
        return [CompletedReward(r.user_id, r.row.amount) for r in paid]

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
        stored, openings = self._store.state.article_rewards, self._article_openings(article_ids)
        return {
            wanted: BaseUnits(
                openings.get(wanted, Opening()).tokens
                + sum(n for (_, article), n in stored.items() if article == wanted)
            )
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
        return self._set(names.ARTICLES, fields)


def _find(table: Mapping[object, Document], key: str) -> Document | None:
    return next((table[form] for form in stored_forms(key) if form in table), None)


def _text(value: Any) -> str:
    return canonical_user_id(str(value))


def _whole(points: object) -> int:
    is_number = isinstance(points, int | float) and not isinstance(points, bool)
    is_whole = is_number and 0 <= points <= 2**53 and points == int(points)
    return int(points) if is_whole else 0
