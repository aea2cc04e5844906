"""Lists the rewards of a week that wait: whose, how much, why, until when, and what to do."""

from __future__ import annotations

import enum
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from worker.core.lifecycle import Status
from worker.core.money import BaseUnits
from worker.core.payout.advice import BY_OPERATOR, NO_REASON, advice
from worker.core.payout.unpaid import UnpaidReward
from worker.core.plan.receipts import single_id
from worker.core.week import Week
from worker.ports.payout import Store

LISTED_MAX = 20
UNDER_WAY = "its payment is under way"


class State(enum.StrEnum):
    FAILED = "failed"
    HELD = "held"
    WAITING = "waiting"
    """It has a payment of its own, which is not final yet."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """An unpaid reward. `what_to_do` names a command where one helps."""

    user_id: str
    amount: BaseUnits
    state: State
    reason: str
    next_attempt_at: datetime | None
    what_to_do: str


@dataclass(frozen=True, slots=True)
class WaitingRewards:
    """The first of them, failed ones before others, and how many there are."""

    listed: Sequence[Waiting] = ()
    count: int = 0


def waiting_rewards(store: Store, week: Week, limit: int = LISTED_MAX) -> WaitingRewards:
    """The rewards of a week's plan that its batches do not pay."""
    distribution = store.distribution(week)
    plan_id = distribution.plan_id if distribution else None
    if plan_id is None:
        return WaitingRewards()
    found = store.unpaid_alone(plan_id, limit)
    return WaitingRewards(
        [_waiting(store, week, each) for each in found], store.count_unpaid_alone(plan_id)
    )


def _waiting(store: Store, week: Week, unpaid: UnpaidReward) -> Waiting:
    reward, again = unpaid.reward, unpaid.next_attempt_at
    state, reason = State.HELD, reward.reason or NO_REASON
    if reward.operator_hold is not None:
        reason, again = BY_OPERATOR + reward.operator_hold, None
    elif reward.status is Status.FAILED:
        state = State.FAILED
    else:
        payout = store.payout(reward.plan_id, single_id(week, reward.row.user))
        if payout is not None and not payout.status.is_resolved:
            state, again = State.WAITING, payout.next_attempt_at
            reason = payout.reason or UNDER_WAY
    step = advice(reason, week.label).replace("USER", shlex.quote(reward.user_id))
    return Waiting(reward.user_id, reward.row.amount, state, reason, again, step)
