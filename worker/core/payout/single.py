"""Rewards that are paid alone: held ones, and those of void batches.

Decides where such a reward goes, why it waits, and which payout it gets.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from worker.core.payout.chain import Recipient
from worker.core.payout.hold import CLOSED_ACCOUNT, NO_WALLET
from worker.core.payout.records import Account, Payout, PayoutKind, Reward
from worker.core.plan.new_account_cap import OVER_ACCOUNT_CAP
from worker.core.plan.planned_week import PlannedWeek
from worker.core.plan.receipts import single_id
from worker.core.plan.rules import Rules
from worker.core.week import Week

NOT_MADE_YET = "its token account could not be created yet"
UNREADABLE = "its receipt cannot be read from every endpoint"
HOLD_EXPIRED = "held for longer than hold_weeks allows"


def wallet_of(reward: Reward, account: Account | None) -> str:
    """Where a reward goes: an operator's redirect, else the plan's wallet, else today's wallet.

    Only held rewards have no wallet in the plan. Empty where the user has none.
    """
    if reward.redirected_to:
        return reward.redirected_to
    if reward.row.wallet:
        return reward.row.wallet
    wallet = account.wallet if account else None
    return wallet if isinstance(wallet, str) else ""


def had_account(account: Account | None) -> bool:
    """Whether no token account is created for a user at our cost: they had one, or are unknown."""
    return account is None or account.had_token_account


def obstacle(recipient: Recipient | None, account: Account | None) -> str | None:
    """Why a reward gets no payout of its own now, or None."""
    if recipient is None:
        return NO_WALLET
    if recipient.problem is not None:
        return recipient.problem.value
    if recipient.account_exists:
        return None
    return CLOSED_ACCOUNT if had_account(account) else OVER_ACCOUNT_CAP


def cannot_receive(recipient: Recipient | None) -> str | None:
    """Why the payout of a single is not signed now, or None."""
    if recipient is None:
        return "no wallet"
    if recipient.problem is not None:
        return recipient.problem.value
    return None if recipient.account_exists else "token account does not exist"


def is_hold_expired(planned: PlannedWeek, reward: Reward, rules: Rules, now: datetime) -> bool:
    """Whether the deadline of a held reward, if the rules set one, has passed.

    The plan's own rules count: a later change of the rules takes nothing from anybody. Today's
    rules may give more time.
    """
    hold_weeks = planned.header.rules["hold_weeks"]
    if reward.row.batch or not hold_weeks or rules.hold_weeks is None:
        return False
    weeks = max(int(hold_weeks), rules.hold_weeks)
    return now > planned.week.end + timedelta(weeks=weeks)


def single_payout(week: Week, reward: Reward, wallet: str) -> Payout:
    """The payout of one reward alone, under the one id that it can ever have."""
    return Payout(
        id=single_id(week, reward.row.user),
        plan_id=reward.plan_id,
        week=week,
        kind=PayoutKind.SINGLE,
        index=reward.position,
        rewards=1,
        amount=reward.row.amount,
        wallet=wallet,
    )
