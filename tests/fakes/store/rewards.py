"""Rewards of the in-memory store."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime

from tests.fakes.store.state import Route, State, StoredPayout, StoredReward, to_milliseconds
from tests.fakes.store.wiki_data import stored_forms
from worker.core.identity import canonical_user_id
from worker.core.lifecycle import Status
from worker.core.payout.backoff import is_waiting
from worker.core.payout.records import PayoutKind, Reward
from worker.core.payout.unpaid import UnpaidReward
from worker.core.week import Week

_MADE = "token_account_created_at"
_WALLETS = "token_account_wallets"


class FakeRewards:
    """Implements the rewards' half of `worker.ports.payout.PayoutStore` over `state`."""

    state: State

    def rewards(self, plan_id: str, positions: range) -> list[Reward]:
        stored = self.state.rewards_of(plan_id)
        return [stored[position].reward for position in positions if position in stored]

    def reward(self, week: Week, user_id: str) -> Reward | None:
        plan_id, user_id = self.state.plan_of(week), canonical_user_id(user_id)
        stored = {} if plan_id is None else self.state.rewards_of(plan_id)
        return next((s.reward for s in stored.values() if s.reward.user_id == user_id), None)

    def rewards_to_pay_alone(self, plan_id: str, now: datetime, limit: int) -> list[Reward]:
        waiting = [s for s in self._of_plan(plan_id) if s.is_waiting]
        free = [s for s in waiting if s.reward.operator_hold is None]
        due = [s for s in free if not is_waiting(s.next_attempt_at, now)]
        first = datetime.min.replace(tzinfo=now.tzinfo)
        due.sort(key=lambda s: (s.next_attempt_at or first, s.reward.position))
        return [stored.reward for stored in due[:limit]]

    def unpaid_alone(self, plan_id: str, limit: int) -> list[UnpaidReward]:
        found = [s for s in self._of_plan(plan_id) if s.is_unpaid and _is_apart(s)]
        found.sort(key=lambda s: (s.reward.status.value, s.reward.position))
        return [UnpaidReward(s.reward, s.next_attempt_at) for s in found[: max(0, limit)]]

    def count_unpaid_alone(self, plan_id: str) -> int:
        return len(self.unpaid_alone(plan_id, len(self._of_plan(plan_id))))

    def set_aside(
        self, reward: Reward, status: Status, reason: str, next_attempt_at: datetime
    ) -> None:
        for stored in self._unpaid([reward]):
            later = replace(stored, next_attempt_at=to_milliseconds(next_attempt_at))
            self.state.put_reward(later, status=status, reason=reason)

    def redirect(self, reward: Reward, wallet: str) -> None:
        for stored in self._unpaid([reward]):
            if stored.route is Route.BATCH:
                continue
            due = replace(stored, next_attempt_at=None)
            self.state.put_reward(due, redirected_to=wallet)
            for single in self._open_singles(reward):
                self.state.put_payout(single, wallet=wallet, attempts=0, next_attempt_at=None)

    def hold(self, reward: Reward, reason: str | None) -> None:
        for stored in self._unpaid([reward]):
            kept = stored if reason else replace(stored, next_attempt_at=None)
            self.state.put_reward(kept, operator_hold=reason)
            for single in self._open_singles(reward):
                anew = {} if reason else {"attempts": 0, "next_attempt_at": None}
                self.state.put_payout(replace(single, operator_hold=reason), **anew)

    def count_processing(self, plan_id: str) -> int:
        return sum(s.reward.status is Status.PROCESSING for s in self._of_plan(plan_id))

    def count_incomplete(self, plan_id: str) -> int:
        paid = [s for s in self._of_plan(plan_id) if not s.is_unpaid]
        return sum(None in (s.reward.signature, s.slot, s.claimed_at) for s in paid)

    def mark_accounts_made(self, made: Sequence[tuple[str, str]], now: datetime) -> None:
        for form, wallet in [(form, w) for user_id, w in made for form in stored_forms(user_id)]:
            document = self.state.users.get(form)
            known = document.get(_WALLETS) if document else None
            wallets = known if isinstance(known, list) else []
            if document is not None and wallet not in wallets:
                facts = {_MADE: to_milliseconds(now), _WALLETS: [*wallets, wallet]}
                self.state.users[form] = document | facts

    def rewards_needing_account(self, plan_id: str) -> Iterator[Reward]:
        yield from sorted(self._needing_account(plan_id), key=lambda reward: reward.position)

    def count_needing_account(self, plan_id: str) -> int:
        return len(self._needing_account(plan_id))

    def accounts_made_since(self, moment: datetime) -> int:
        made = [document.get(_MADE) for document in self.state.users.values()]
        return sum(isinstance(at, datetime) and at >= moment for at in made)

    def _needing_account(self, plan_id: str) -> list[Reward]:
        return [s.reward for s in self._of_plan(plan_id) if s.reward.needs_account]

    def _of_plan(self, plan_id: str) -> list[StoredReward]:
        return list(self.state.rewards_of(plan_id).values())

    def _unpaid(self, rewards: Sequence[Reward]) -> list[StoredReward]:
        found = [self.state.rewards_of(r.plan_id).get(r.position) for r in rewards]
        return [stored for stored in found if stored is not None and stored.is_unpaid]

    def _open_singles(self, reward: Reward) -> list[StoredPayout]:
        return [
            stored
            for stored in self.state.payouts_of(reward.plan_id).values()
            if stored.is_unresolved
            and stored.payout.kind is PayoutKind.SINGLE
            and stored.payout.index == reward.position
        ]


def _is_apart(stored: StoredReward) -> bool:
    reward = stored.reward
    is_marked = reward.operator_hold is not None or reward.status is Status.FAILED
    return stored.route is not Route.BATCH or is_marked
