"""Rewards that are paid alone: held ones once they can be paid, and those of void batches.

Each has one id for ever, `<week>/u/<user commitment>`. Whether it may be used is decided by the
anchored plan and the chain (services.paying), never by today's wallet.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from worker.core.lifecycle import Status
from worker.core.payout.records import (
    Account,
    Payout,
    PayoutKind,
    Recipient,
    Reward,
    missing_wallets,
)
from worker.core.plan.new_account_cap import OVER_ACCOUNT_CAP
from worker.core.plan.planned_week import PlannedWeek
from worker.core.plan.receipts import ReceiptState, single_id
from worker.core.plan.rules import Rules
from worker.core.week import Week
from worker.services.context import Context, Deadline
from worker.services.payout.intents import problem_of
from worker.services.payout.token_accounts import create_token_accounts
from worker.services.plan.eligibility import CLOSED_ACCOUNT, NO_WALLET

CHUNK_REWARDS = 500
LOOK_AGAIN = timedelta(hours=6)
LOOK_SOON = timedelta(minutes=5)
NOT_MADE_YET = "its token account could not be created yet"
UNREADABLE = "its receipt cannot be read from every endpoint"
HOLD_EXPIRED = "held for longer than hold_weeks allows"


@dataclass(slots=True)
class Released:
    """How many rewards can now be paid alone, and how many still cannot, by reason."""

    week: Week
    payable: int = 0
    waiting: dict[str, int] = field(default_factory=dict)


def release_singles(context: Context, planned: PlannedWeek, deadline: Deadline) -> Released:
    """Make payouts for rewards that can be paid alone now; say of the others why not.

    Raises:
        Paused: nothing may be signed now.
    """
    context.refuse_if_paused()
    released, plan_id = Released(planned.week), planned.plan_id
    rules = context.rules()
    while not deadline.passed:
        now = context.clock.now()
        rewards = context.store.rewards_to_pay_alone(plan_id, now, CHUNK_REWARDS)
        if not rewards:
            break
        _Release(context, planned, rules, released, deadline).run(rewards)
    return released


class _Release:
    """One chunk of rewards."""

    def __init__(
        self,
        context: Context,
        planned: PlannedWeek,
        rules: Rules,
        released: Released,
        deadline: Deadline,
    ) -> None:
        self._context, self._planned = context, planned
        self._rules, self._released, self._deadline = rules, released, deadline
        self._tried: set[str] = set()

    def run(self, rewards: Sequence[Reward]) -> None:
        store = self._context.store
        rewards = self._without_paid(rewards)
        accounts = store.accounts([reward.user_id for reward in rewards], [])
        wallets = {r.user_id: wallet_of(r, accounts.get(r.user_id)) for r in rewards}
        seen = self._look_at(wallets)
        seen |= self._create(rewards, wallets, accounts, seen)
        for reward in rewards:
            wallet = wallets[reward.user_id]
            recipient = seen.get(wallet)
            reason = self._expired(reward) or obstacle(recipient, accounts.get(reward.user_id))
            if reason == OVER_ACCOUNT_CAP and wallet in self._tried:
                self._wait(reward, NOT_MADE_YET, LOOK_SOON)
            elif reason or recipient is None:
                self._wait(reward, reason or NO_WALLET)
            else:
                store.write_payouts([single_payout(self._planned, reward, wallet)], [b""])
                self._released.payable += 1

    def _without_paid(self, rewards: Sequence[Reward]) -> list[Reward]:
        """Set apart what the chain has paid alone already and this database does not know:
        another operator paid it, or a backup was put back."""
        week = self._planned.week
        ids = {single_id(week, reward.row.user): reward for reward in rewards}
        states = self._context.chain.receipts(list(ids))
        open_ = [ids[i] for i, state in states.items() if state is ReceiptState.FREE]
        for receipt, state in states.items():
            if state is ReceiptState.PAID:
                wallet = wallet_of(ids[receipt], None)
                self._context.store.write_payouts(
                    [single_payout(self._planned, ids[receipt], wallet)], [b""]
                )
                self._released.payable += 1
            elif state is not ReceiptState.FREE:
                self._wait(ids[receipt], UNREADABLE)
        return open_

    def _look_at(self, wallets: dict[str, str]) -> dict[str, Recipient]:
        distinct = sorted({wallet for wallet in wallets.values() if wallet})
        return {r.wallet: r for r in self._context.chain.recipients(distinct)}

    def _create(
        self,
        rewards: Sequence[Reward],
        wallets: dict[str, str],
        accounts: dict[str, Account],
        seen: dict[str, Recipient],
    ) -> dict[str, Recipient]:
        """Create accounts at our cost for those who never had one, within the week's limit."""
        week_ago = self._context.clock.now() - timedelta(days=7)
        limit = self._rules.max_new_accounts_per_week
        room = limit - self._context.store.accounts_made_since(week_ago)
        missing = missing_wallets(list(seen.values()))
        chosen = [
            reward.user_id
            for reward in rewards
            if wallets[reward.user_id] in missing and not _had_account(accounts.get(reward.user_id))
        ][: max(0, room)]
        if not chosen:
            return {}
        wanted = sorted({wallets[user_id] for user_id in chosen})
        self._tried |= set(wanted)
        made = create_token_accounts(self._context, wanted, self._deadline)
        # Only what was made: a creation that came to nothing would hold its reward for ever.
        had = [user_id for user_id in chosen if wallets[user_id] in made]
        self._context.store.mark_accounts_made(had, self._context.clock.now())
        return {r.wallet: r for r in self._context.chain.recipients(wanted)}

    def _expired(self, reward: Reward) -> str | None:
        """A held reward whose deadline, if the rules set one, has passed.

        By the plan's own rules: a later change of them takes nothing from anybody. Today's may
        give more time.
        """
        planned = self._planned.header.rules["hold_weeks"]
        if reward.row.batch or not planned or self._rules.hold_weeks is None:
            return None
        weeks = max(int(planned), self._rules.hold_weeks)
        deadline = self._planned.week.end + timedelta(weeks=weeks)
        return HOLD_EXPIRED if self._context.clock.now() > deadline else None

    def _wait(self, reward: Reward, reason: str, pause: timedelta = LOOK_AGAIN) -> None:
        """A reward of a void batch has failed visibly; a held one goes on being held."""
        held = not reward.row.batch and reason != HOLD_EXPIRED
        status = Status.PENDING if held else Status.FAILED
        again = self._context.clock.now() + pause
        self._context.store.set_aside(reward, status, reason, again)
        waiting = self._released.waiting
        waiting[reason] = waiting.get(reason, 0) + 1


def single_payout(planned: PlannedWeek, reward: Reward, wallet: str) -> Payout:
    """The payout of one reward alone, under the one id that it can ever have."""
    return Payout(
        id=single_id(planned.week, reward.row.user),
        plan_id=planned.plan_id,
        week=planned.week,
        kind=PayoutKind.SINGLE,
        index=reward.position,
        rewards=1,
        amount=reward.row.amount,
        wallet=wallet,
    )


def wallet_of(reward: Reward, account: Account | None) -> str:
    """Where a single goes: an operator's redirect, else the plan's wallet, else (held rewards
    have none in the plan) the user's wallet of today."""
    if reward.redirected_to:
        return reward.redirected_to
    if reward.row.wallet:
        return reward.row.wallet
    wallet = account.wallet if account else None
    return wallet if isinstance(wallet, str) else ""


def obstacle(recipient: Recipient | None, account: Account | None) -> str | None:
    """Why a reward cannot be paid alone now, or None."""
    if recipient is None:
        return NO_WALLET
    if recipient.problem is not None:
        return problem_of(recipient)
    if recipient.account_exists:
        return None
    return CLOSED_ACCOUNT if _had_account(account) else OVER_ACCOUNT_CAP


def _had_account(account: Account | None) -> bool:
    return account is None or account.had_token_account
