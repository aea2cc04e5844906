"""Operators hold, release and redirect rewards, and order batches to be void.

Each function raises `NoSuchReward`, `AlreadyPaid` or `PaidWithItsBatch` and changes nothing if the
reward cannot be changed.
"""

from __future__ import annotations

from dataclasses import dataclass

from worker.core.errors import Refused, UsageError
from worker.core.identity import canonical_user_id
from worker.core.lifecycle import Status
from worker.core.payout.hold import USER_TWICE, wallet_missing
from worker.core.payout.records import Payout, Reward
from worker.core.payout.wallet_text import problem_text
from worker.core.plan.planned_week import PlannedWeek
from worker.core.plan.receipts import ReceiptState, single_id
from worker.core.week import Week
from worker.core.wording import counted
from worker.services.context import Context
from worker.services.plan.planned_week import planned_distribution, planned_week
from worker.services.plan.seal import NotAnchored


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
        way = "To stop everything use `kontrib pause`."
        if state is ReceiptState.FREE:
            way = (
                f'`kontrib hold {user} {week.label} --void-batch --reason "why"` makes the batch '
                "void, if no payment of it lands before, and pays its other rewards alone. "
            ) + way
        super().__init__(
            f"{user}'s reward of {week.label} is paid with batch {batch}, whose receipt is "
            f"{state.value}. Only held rewards and rewards of void batches can be changed. {way}"
        )


class NoSuchBatch(UsageError):
    """The week's plan has no batch of that number."""

    def __init__(self, week: Week, index: int, batches: int) -> None:
        super().__init__(
            f"{week.label} has no batch {index}: it has {counted(batches, 'batch', 'batches')}, "
            "numbered from 0. "
            f"`kontrib status {week.label}` names the batches that wait."
        )


class NotOpen(Refused):
    """The batch cannot become void: it is resolved, or its receipt cannot be read."""

    def __init__(self, week: Week, batch: str, state: str) -> None:
        super().__init__(
            f"Batch {batch} is {state}, so it is not made void. If the database shows something "
            f"else, `kontrib retry {week.label}` looks at the chain again."
        )


@dataclass(frozen=True, slots=True)
class Held:
    """A reward on an operator's hold, and what happens next, for people."""

    reward: Reward
    consequence: str


class WalletNotUsable(UsageError):
    """A reward cannot be redirected to that wallet."""

    def __init__(self, wallet: str, why: str) -> None:
        super().__init__(f"{wallet} cannot be paid: {why}. Give another wallet.")


def hold_reward(
    context: Context, week: Week, user: str, reason: str, *, void_batch: bool = False
) -> Held:
    """Keep a reward from being paid until it is released.

    Before the anchor, the plan is made again with the reward held. After it, a reward that is paid
    alone is held. `void_batch` orders an unpaid batch to be void, so that its reward can be held.
    """
    reward, store = known_reward(context, week, user), context.store
    planned, now = planned_week(store, week), context.clock.now()
    if not planned.stage.is_frozen:
        store.hold(reward, reason)
        if reward.row.batch:
            store.reset_week(week, now)
            return Held(reward, "The plan is made again, with this reward held.")
        return Held(reward, "The plan holds it already. It is not paid before its release.")
    try:
        reward = reward_to_change(context, week, user)
    except PaidWithItsBatch:
        if not void_batch or not reward.row.batch:
            raise
        unpaid = _open_batch(context, planned, reward.row.batch)
        store.hold(reward, reason)  # before the order, so that the void releases a held reward
        _order_void(context, planned, unpaid, reason)
        return Held(
            reward,
            f"Batch {reward.row.batch} becomes void, and its other rewards are paid alone. A "
            "payment of the batch that is under way may still land first.",
        )
    store.hold(reward, reason)
    payout = store.payout(planned.plan_id, single_id(week, reward.row.user))
    if payout is not None and payout.attempt is not None:
        return Held(
            reward,
            f"A payment that was signed at {payout.attempt.created_at:%Y-%m-%d %H:%M:%S} UTC may "
            "still land within minutes. After that nothing is sent before the release.",
        )
    return Held(reward, "Nothing is sent before its release.")


def void_batch(context: Context, week: Week, index: int, reason: str) -> Payout:
    """Order an unpaid batch of an anchored plan to be void. Its rewards are then paid alone.

    The batch has one receipt: it is paid or void, never both. So a payment that is under way is no
    danger.

    Raises:
        NotPlanned, NotAnchored: the week has no anchored plan.
        NoSuchBatch, NotOpen: there is nothing to make void.
    """
    planned = planned_week(context.store, week)
    if not planned.stage.is_frozen:
        raise NotAnchored(week, ReceiptState.FREE)
    header = planned.header
    if index not in range(header.batches):
        raise NoSuchBatch(week, index, header.batches)
    payout = _open_batch(context, planned, str(header.batch_id(index)))
    _order_void(context, planned, payout, reason)
    return payout


def _open_batch(context: Context, planned: PlannedWeek, batch: str) -> Payout:
    payout = context.store.payout(planned.plan_id, batch)
    if payout is None:
        raise NotOpen(planned.week, batch, "missing in the database")
    state = context.chain.receipts([batch])[batch]
    if state is not ReceiptState.FREE:
        raise NotOpen(planned.week, batch, f"{state.value} on chain")
    return payout


def _order_void(context: Context, planned: PlannedWeek, payout: Payout, reason: str) -> None:
    if not context.store.order_void(payout, reason):
        raise NotOpen(planned.week, payout.id, "resolved")


def release_reward(context: Context, week: Week, user: str) -> Reward:
    """End a hold. If another operator has paid the reward, the sweeper notices."""
    reward = known_reward(context, week, user)
    if reward.operator_hold is None or reward.status is Status.COMPLETED:
        reward = reward_to_change(context, week, user)
    for marked in context.store.marked_rewards(week):
        if marked.user_id == reward.user_id:  # under earlier plan ids, too
            context.store.hold(marked, None)
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
    context.store.redirect(reward, wallet)
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
