"""Decides about rewards that are paid alone: held rewards, and rewards of void batches.

Without a payable recipient, planning holds a reward, and later the reward waits.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from worker.core.payout.chain import AccountProblem, Recipient
from worker.core.payout.records import Account, Payout, PayoutKind, Reward
from worker.core.plan.entrant import OVER_ACCOUNT_CAP
from worker.core.plan.planned_week import PlannedWeek
from worker.core.plan.receipts import single_id
from worker.core.plan.rules import Rules
from worker.core.week import Week

NO_WALLET = "no wallet address"
USER_TWICE = "several user documents have this id"
CLOSED_ACCOUNT = "token account was closed after we created it"
NOT_MADE_YET = "its token account could not be created yet"
UNREADABLE = "its receipt cannot be read from every endpoint"
HOLD_EXPIRED = "held for longer than hold_weeks allows"


def hold_reason(account: Account, recipient: Recipient | None) -> str:
    """Why a plan holds the reward of an account; empty if it can be paid."""
    if account.is_twice:
        return USER_TWICE
    if recipient is None:
        missing = account.wallet in (None, "")
        return NO_WALLET if missing else AccountProblem.NOT_AN_ADDRESS.value
    if recipient.problem is not None:
        return recipient.problem.value
    if not recipient.account_exists and account.had_token_account:
        return CLOSED_ACCOUNT
    return ""


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


def had_account(account: Account | None) -> bool:
    """Whether we have already paid for a user's token account. True for an unknown user."""
    return account is None or account.had_token_account


def obstacle(recipient: Recipient | None, account: Account | None) -> str | None:
    """Why a reward gets no single now, or None."""
    if recipient is None:
        return USER_TWICE if account and account.is_twice else NO_WALLET
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
