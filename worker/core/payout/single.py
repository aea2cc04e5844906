"""Decides about rewards that are paid alone: held rewards, and rewards of void batches.

Without a payable recipient, planning holds a reward, and later the reward waits.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from worker.core.payout.chain import Recipient
from worker.core.payout.hold import USER_TWICE, wallet_missing, why_no_account
from worker.core.payout.records import Account, Payout, PayoutKind, Reward
from worker.core.payout.wallet_text import problem_text
from worker.core.plan.entrant import OVER_ACCOUNT_CAP
from worker.core.plan.planned_week import PlannedWeek
from worker.core.plan.receipts import single_id
from worker.core.plan.rules import Rules
from worker.core.week import Week

NOT_MADE_YET = "its token account could not be created yet"
UNREADABLE = "its receipt cannot be read from every endpoint"
HOLD_EXPIRED = "held for longer than hold_weeks allows"


def wallet_of(reward: Reward, account: Account | None) -> str:
    """The wallet of a reward: an operator's redirect, else the plan's wallet, else today's.

    Only held rewards have no wallet in the plan. Empty if the user has no wallet, or if several
    documents are this user.
    """
    if reward.redirected_to:
        return reward.redirected_to
    if reward.row.wallet:
        return reward.row.wallet
    wallet = account.wallet if account and not account.is_twice else None
    return wallet if isinstance(wallet, str) else ""


def obstacle(
    recipient: Recipient | None, account: Account | None, *, is_redirect: bool = False
) -> str | None:
    """Why a reward gets no payout of its own now, or None."""
    if recipient is None:
        return USER_TWICE if account and account.is_twice else wallet_missing(account)
    if recipient.account_exists or recipient.problem is not None:
        return problem_text(recipient)
    return why_no_account(account, recipient.wallet, is_redirect=is_redirect) or OVER_ACCOUNT_CAP


def can_receive(recipient: Recipient | None) -> bool:
    """Whether the payout of a single to this recipient can be signed now."""
    return recipient is not None and recipient.problem is None and recipient.account_exists


def is_hold_expired(planned: PlannedWeek, reward: Reward, rules: Rules, now: datetime) -> bool:
    """Whether the deadline of a held reward has passed. Without `hold_weeks` there is none.

    The plan's own rules count. Today's rules may give more time, never less.
    """
    hold_weeks = planned.header.rules["hold_weeks"]
    if reward.row.batch or not hold_weeks or rules.hold_weeks is None:
        return False
    weeks = max(int(hold_weeks), rules.hold_weeks)
    return now > planned.week.end + timedelta(weeks=weeks)


def single_payout(week: Week, reward: Reward, wallet: str) -> Payout:
    """The payout of one reward alone, under its only possible id."""
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
