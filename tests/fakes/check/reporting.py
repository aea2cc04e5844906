"""The in-memory twin of the report's store."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from datetime import datetime

from tests.fakes.store.store import FakeStore
from tests.fakes.store.wiki_data import _part as counted_part
from tests.fakes.store.wiki_data import _plain as plain_contribution
from worker.adapters.mongo.base import canonical_id
from worker.adapters.mongo.check.reporting import name_in
from worker.adapters.mongo.payout.historic import historic_reward_of, paid_at
from worker.core.identity import canonical_user_id
from worker.core.lifecycle import Status
from worker.core.payout.records import Reward
from worker.core.plan.counted_contributions import PointsWindow
from worker.core.plan.points import defect
from worker.core.plan.rules import Rules
from worker.core.week import Week
from worker.ports.report import PaidReward, TypeTally


class FakeReporting:
    """Implements `worker.ports.report.ReportStore` over a `FakeStore`."""

    def __init__(self, store: FakeStore) -> None:
        self._state = store.state

    def points_by_type(self, window: PointsWindow, rules: Rules) -> dict[str, TypeTally]:
        found: dict[str, TypeTally] = {}
        for document in self._state.contributions.values():
            if counted_part(document, window) is None:
                continue
            if defect(rules.points, plain_contribution(document)) is None:
                kind, points = str(document["type"]), int(document["total_points"])
                known = found.get(kind, TypeTally(0, 0))
                found[kind] = TypeTally(known.count + 1, known.points + points)
        return found

    def paid_between(
        self, start: datetime, end: datetime, user_id: str | None = None
    ) -> Iterator[PaidReward]:
        wanted = None if user_id is None else canonical_user_id(user_id)
        found = [
            PaidReward(stored.week, stored.reward, stored.slot, stored.claimed_at)
            for plan_id in self._installed_plans()
            for stored in self._state.rewards_of(plan_id).values()
            if wanted in (None, stored.reward.user_id)
            and stored.reward.status is Status.COMPLETED
            and stored.claimed_at is not None
            and start <= stored.claimed_at < end
        ]
        for document in self._state.historic_rewards:
            reward, moment = historic_reward_of(document), paid_at(document)
            if reward is None or moment is None or wanted not in (None, reward.user_id):
                continue
            if reward.status is Status.COMPLETED and start <= moment < end:
                week = Week.containing(document["week_start"])
                found.append(PaidReward(week, reward, None, moment))
        return iter(sorted(found, key=lambda each: (each.paid_at, each.week)))

    def historic_rewards(self, week: Week) -> list[Reward]:
        of_week = [
            document
            for document in self._state.historic_rewards
            if Week.containing(document["week_start"]) == week
        ]
        found = filter(None, map(historic_reward_of, of_week))
        return sorted(found, key=lambda reward: reward.user_id)

    def names(self, user_ids: Collection[str], field: str) -> dict[str, str]:
        named = {canonical_id(d["_id"]): name_in(d, field) for d in self._state.users.values()}
        return {user_id: named[user_id] for user_id in user_ids if named.get(user_id)}

    def _installed_plans(self) -> list[str]:
        weeks = [*self._state.weeks.values(), *self._state.archive.values()]
        return [week.distribution.plan_id for week in weeks if week.distribution.plan_id]
