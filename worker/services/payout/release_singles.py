"""Releases rewards that are paid alone: payable held rewards, and rewards of void batches.

Each has one permanent id, `<week>/u/<user commitment>`. The anchored plan and the chain decide
whether the id may be used (services.payout.prepare), never today's wallet.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import timedelta

from worker.core.lifecycle import Status
from worker.core.payout.chain import Recipient, missing_wallets
from worker.core.payout.hold import why_no_account
from worker.core.payout.records import Account, Reward
from worker.core.payout.single import (
    HOLD_EXPIRED,
    NOT_MADE_YET,
    UNREADABLE,
    is_hold_expired,
    obstacle,
    single_payout,
    wallet_of,
)
from worker.core.plan.entrant import OVER_ACCOUNT_CAP
from worker.core.plan.planned_week import PlannedWeek
from worker.core.plan.receipts import ReceiptState, single_id
from worker.services.context import Context, Deadline
from worker.services.payout.token_accounts import create_within_limit, recipients_by_wallet
from worker.services.plan.funds import FundsShort

CHUNK_REWARDS = 500
LOOK_AGAIN = timedelta(hours=6)
LOOK_SOON = timedelta(minutes=5)


def release_singles(context: Context, planned: PlannedWeek, deadline: Deadline) -> Release:
    """Make payouts for rewards that can be paid alone now. Record the reasons of the others.

    Raises:
        Paused: nothing may be signed now.
        FundsShort: token accounts could not be created. The other rewards were released.
    """
    context.refuse_if_paused()
    release, last = Release(context, planned, deadline), list[Reward]()
    while not deadline.passed:
        now = context.clock.now()
        rewards = context.store.rewards_to_pay_alone(planned.plan_id, now, CHUNK_REWARDS)
        if not rewards or rewards == last:
            break  # the same again: the last round had no effect
        release.run(rewards)
        last = rewards
    if release.short is not None:
        raise release.short
    return release


class Release:
    """Releases the rewards of one week, a chunk at a time, and counts them."""

    def __init__(self, context: Context, planned: PlannedWeek, deadline: Deadline) -> None:
        self._context, self._planned, self._deadline = context, planned, deadline
        self._rules = context.rules()
        self.payable = 0
        self.waiting: Counter[str] = Counter()
        """Rewards that cannot be paid yet, by reason."""
        self.short: FundsShort | None = None
        """Set if the fee payer cannot pay the token accounts."""

    def run(self, rewards: Sequence[Reward]) -> None:
        rewards = self._without_paid(rewards)
        accounts = self._context.store.accounts([reward.user_id for reward in rewards], [])
        wallets = {r.user_id: wallet_of(r, accounts.get(r.user_id)) for r in rewards}
        seen = recipients_by_wallet(self._context, set(wallets.values()) - {""})
        tried = self._create(rewards, wallets, accounts, seen)
        seen |= recipients_by_wallet(self._context, tried) if tried else {}
        for reward in rewards:
            wallet, account = wallets[reward.user_id], accounts.get(reward.user_id)
            reason = self._reason_to_wait(reward, seen.get(wallet), account)
            if reason == OVER_ACCOUNT_CAP and self.short is not None:
                self._wait(reward, str(self.short), LOOK_SOON)
            elif reason == OVER_ACCOUNT_CAP and wallet in tried:
                self._wait(reward, NOT_MADE_YET, LOOK_SOON)
            elif reason is not None:
                self._wait(reward, reason)
            else:
                self._make_payout(reward, wallet)

    def _without_paid(self, rewards: Sequence[Reward]) -> list[Reward]:
        """Set apart rewards that were paid alone, unknown to this database: by another operator, or
        before a backup was restored."""
        ids = {single_id(self._planned.week, reward.row.user): reward for reward in rewards}
        states = self._context.chain.receipts(list(ids))
        for receipt, state in states.items():
            if state is ReceiptState.PAID:
                self._make_payout(ids[receipt], wallet_of(ids[receipt], None))
            elif state is not ReceiptState.FREE:
                self._wait(ids[receipt], UNREADABLE)
        return [ids[i] for i, state in states.items() if state is ReceiptState.FREE]

    def _create(
        self,
        rewards: Sequence[Reward],
        wallets: dict[str, str],
        accounts: dict[str, Account],
        seen: dict[str, Recipient],
    ) -> set[str]:
        """Create accounts at our cost for wallets that never had one, within the week's limit.

        Returns the wallets of the tried creations.
        """
        missing = missing_wallets(list(seen.values()))
        lacking = [reward for reward in rewards if wallets[reward.user_id] in missing]
        wanted = [
            (reward.user_id, wallets[reward.user_id])
            for reward in lacking
            if not why_no_account(
                accounts.get(reward.user_id),
                wallets[reward.user_id],
                is_redirect=bool(reward.redirected_to),
            )
        ]
        try:
            return create_within_limit(self._context, self._planned.week, wanted, self._deadline)
        except FundsShort as error:
            self.short = error
            return set()

    def _reason_to_wait(
        self, reward: Reward, recipient: Recipient | None, account: Account | None
    ) -> str | None:
        now = self._context.clock.now()
        if is_hold_expired(self._planned, reward, self._rules, now):
            return HOLD_EXPIRED
        return obstacle(recipient, account, is_redirect=bool(reward.redirected_to))

    def _make_payout(self, reward: Reward, wallet: str) -> None:
        payout = single_payout(self._planned.week, reward, wallet)
        self._context.store.write_payouts([payout], [b""])
        self.payable += 1

    def _wait(self, reward: Reward, reason: str, pause: timedelta = LOOK_AGAIN) -> None:
        """Set a reward aside. One of a void batch fails visibly; a held one stays held."""
        held = not reward.row.batch and reason != HOLD_EXPIRED
        status = Status.PENDING if held else Status.FAILED
        again = self._context.clock.now() + pause
        self._context.store.set_aside(reward, status, reason, again)
        self.waiting[reason] += 1
