"""Operators hold, release and redirect rewards that are paid alone.

Each function raises `NoSuchReward`, `AlreadyPaid` or `PaidWithItsBatch` and changes nothing if the
reward cannot be changed.
"""

from __future__ import annotations

from worker.core.errors import Refused, UsageError
from worker.core.identity import canonical_user_id
from worker.core.lifecycle import Status
from worker.core.payout.hold import USER_TWICE, wallet_missing
from worker.core.payout.records import Reward
from worker.core.payout.wallet_text import problem_text
from worker.core.plan.receipts import ReceiptState, single_id
from worker.core.week import Week
from worker.services.context import Context
from worker.services.plan.planned_week import planned_distribution


class NoSuchReward(UsageError):
    """The user has no reward in that week's plan."""

    def __init__(self, week: Week, user: str) -> None:
        super().__init__(
            f"{user} has no reward in {week.label}. List the week with `kontrib status "
            f"{week.label} --json`; a user id is 24 hex characters or the wiki's own string."
        )


class AlreadyPaid(Refused):
    """The reward was paid; nothing about it can change any more."""

    def __init__(self, week: Week, user: str, signature: str | None) -> None:
        by = f" by {signature}" if signature else ""
        super().__init__(f"{user}'s reward of {week.label} was paid already{by}.")


class PaidWithItsBatch(Refused):
    """The reward belongs to a batch that is not void, and is paid with it."""

    def __init__(self, week: Week, user: str, batch: str, state: ReceiptState) -> None:
        super().__init__(
            f"{user}'s reward of {week.label} is paid with batch {batch}, whose receipt is "
            f"{state.value}. Only held rewards and rewards of void batches can be changed. To stop "
            "everything use `kontrib pause`."
        )


class WalletNotUsable(UsageError):
    """A reward cannot be redirected to that wallet."""

    def __init__(self, wallet: str, why: str) -> None:
        super().__init__(f"{wallet} cannot be paid: {why}. Give another wallet.")


def hold_reward(context: Context, week: Week, user: str, reason: str) -> Reward:
    """Keep a reward that is paid alone from being sent."""
    reward = reward_to_change(context, week, user)
    context.store.hold(reward, reason)
    return reward


def release_reward(context: Context, week: Week, user: str) -> Reward:
    """End a hold. If another operator has paid the reward, the sweeper notices."""
    reward = known_reward(context, week, user)
    if reward.operator_hold is None or reward.status is Status.COMPLETED:
        reward = reward_to_change(context, week, user)
    context.store.hold(reward, None)
    return reward


def redirect_reward(context: Context, week: Week, user: str, wallet: str) -> Reward:
    """Pay a held reward, or one of a void batch, to another wallet. The reward records it.

    An attempt under way may still land at the old wallet. The receipt allows one of the two
    payments, never both.

    Raises:
        WalletNotUsable: the chain cannot pay the new wallet.
    """
    reward = reward_to_change(context, week, user)
    (recipient,) = context.chain.recipients([wallet])
    if problem := problem_text(recipient):
        raise WalletNotUsable(wallet, problem)
    context.store.redirect(reward, wallet, context.clock.now())
    return reward


def wallet_of_today(context: Context, user: str) -> str:
    """The user's current wallet in the wiki.

    Raises:
        WalletNotUsable: the wiki knows no wallet.
    """
    user_id = canonical_user_id(user)
    account = context.store.accounts([user_id], []).get(user_id)
    if account is not None and account.is_twice:
        raise WalletNotUsable(f"The wallet of {user}", USER_TWICE)
    if account is None or not isinstance(account.wallet, str):
        raise WalletNotUsable(f"The wallet of {user}", wallet_missing(account))
    return account.wallet


def known_reward(context: Context, week: Week, user: str) -> Reward:
    """
    Raises:
        NotPlanned, NoSuchReward: there is no such reward.
    """
    planned_distribution(context.store, week)
    reward = context.store.reward(week, canonical_user_id(user))
    if reward is None:
        raise NoSuchReward(week, user)
    return reward


def reward_to_change(context: Context, week: Week, user: str) -> Reward:
    """A reward that is not paid yet and will be paid alone, as the chain confirms."""
    reward = known_reward(context, week, user)
    alone = single_id(week, reward.row.user)
    batch = reward.row.batch
    states = context.chain.receipts([alone, *([batch] if batch else [])])
    if reward.status is Status.COMPLETED or states[alone] is ReceiptState.PAID:
        raise AlreadyPaid(week, user, reward.signature)
    if batch and states[batch] is not ReceiptState.VOID:
        raise PaidWithItsBatch(week, user, batch, states[batch])
    return reward
