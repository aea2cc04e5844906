"""Payouts, and the rewards that they pay."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Protocol

from worker.core.lifecycle import PayoutStatus, Status
from worker.core.money import BaseUnits
from worker.core.payout.records import (
    Attempt,
    Payout,
    Postponement,
    Progress,
    Reward,
    Settlement,
)
from worker.core.payout.unpaid import UnpaidReward
from worker.core.week import Week


class PayoutStore(Protocol):
    """Payouts and the rewards they pay."""

    def claim(
        self, plan_id: str, positions: range, limit: int, *, now: datetime, until: datetime
    ) -> list[Payout]:
        """Lease up to `limit` unresolved, due batches and singles whose index is in range.

        The lease only saves work. Payment is safe without it.
        """

    def release(self, payouts: Sequence[Payout]) -> None:
        """Give up the lease of unresolved payouts."""

    def payout(self, plan_id: str, payout_id: str) -> Payout | None: ...

    def payouts_after(self, plan_id: str, after_id: str, limit: int) -> list[Payout]:
        """Payouts of every kind whose ids are greater than `after_id`, in order of their ids."""

    def record_attempts(self, attempts: Sequence[tuple[Payout, Attempt]]) -> None:
        """Store signed attempts durably. Returns before anything may be sent."""

    def mark_processing(self, payouts: Sequence[Payout]) -> None:
        """Show the unpaid rewards of signed payouts as `processing`.

        Only readers use this status, so the write may come after sending.
        """

    def settle(self, settlements: Sequence[Settlement], now: datetime) -> None:
        """Write the outcomes on chain. Idempotent.

        Rewards of a paid payout become completed, with signature, slot and date. Rewards of a void
        batch wait, each to be paid alone. An anchor's signature becomes that of its week. A payout
        that lacks facts gets the reason `Settlement.missing`, and the time of the next look.
        """

    def unread(
        self, plan_id: str, after_id: str, limit: int, *, due: datetime | None
    ) -> list[Payout]:
        """Resolved payouts that lack facts of their transaction and have a greater id, by id.

        With `due`, only those with a reason whose next look is due. Without it, all of them, and
        those of older versions, which recorded no reason.
        """

    def order_void(self, payout: Payout, reason: str) -> bool:
        """Record an operator's order to void a batch, and make it due. False if it is resolved.

        Due work has no time, here and in `redirect`: the operator's clock may be fast.
        """

    def void_orders(self, plan_id: str, ids: Sequence[str]) -> set[str]:
        """Those of these batches that an operator ordered to void."""

    def postpone(self, postponements: Sequence[Postponement]) -> None:
        """Record the next try of each payout, count the attempt and give up the lease."""

    def open_ranges(self, plan_id: str, size: int, now: datetime) -> list[range]:
        """Index ranges of `size` with unresolved batches or singles that are due and unleased."""

    def rewards(self, plan_id: str, positions: range) -> list[Reward]: ...

    def reward(self, week: Week, user_id: str) -> Reward | None:
        """The reward of a user in the week's plan."""

    def rewards_to_pay_alone(self, plan_id: str, now: datetime, limit: int) -> list[Reward]:
        """Due, unpaid rewards that need a payout of their own, oldest try first.

        They are held by the plan or come from a void batch. A reward on an operator's hold or
        with an unresolved single is left out.
        """

    def unpaid_alone(self, plan_id: str, limit: int) -> list[UnpaidReward]:
        """The first unpaid rewards that are paid alone, have failed, or are on an operator's hold.

        Failed ones first, then by position.
        """

    def count_unpaid_alone(self, plan_id: str) -> int:
        """The number of rewards that `unpaid_alone` lists without a limit."""

    def set_aside(
        self, reward: Reward, status: Status, reason: str, next_attempt_at: datetime
    ) -> None:
        """Record why a reward cannot be paid now."""

    def redirect(self, reward: Reward, wallet: str) -> None:
        """Record an operator's new wallet for a held reward or a reward of a void batch."""

    def count_processing(self, plan_id: str) -> int:
        """The number of rewards whose payment is marked as under way."""

    def count_incomplete(self, plan_id: str) -> int:
        """The number of completed rewards without a signature, a slot or a date."""

    def hold(self, reward: Reward, reason: str | None) -> None:
        """Put a reward on an operator's hold, so that no single of it is sent; None releases and
        makes it due."""

    def mark_accounts_made(self, made: Sequence[tuple[str, str]], now: datetime) -> None:
        """Record that token accounts exist at our cost, by user and wallet: never again."""

    def rewards_needing_account(self, plan_id: str) -> Iterator[Reward]:
        """Rewards whose recipient had no token account at planning, in order."""

    def count_needing_account(self, plan_id: str) -> int: ...

    def accounts_made_since(self, moment: datetime) -> int:
        """The number of users' token accounts that we created since a moment."""

    def progress(self, plan_id: str) -> Progress: ...

    def outstanding(self) -> tuple[BaseUnits, int]:
        """Base units and number of payouts that all anchored plans owe, held rewards included."""

    def batch_counts(self, plan_id: str) -> dict[PayoutStatus, int]:
        """The number of batches in each state, without singles and the anchor."""
