"""Payouts, and the rewards that they pay."""

from __future__ import annotations

from collections.abc import Sequence
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
from worker.core.week import Week


class PayoutStore(Protocol):
    """Payouts and the rewards they pay."""

    def claim(
        self, plan_id: str, positions: range, limit: int, *, now: datetime, until: datetime
    ) -> list[Payout]:
        """Lease up to `limit` unresolved, due batches and singles whose index is in range.

        The lease saves work; it is not what makes payment safe.
        """
        ...

    def release(self, payouts: Sequence[Payout]) -> None:
        """Give up the lease of payouts that are not resolved."""
        ...

    def payout(self, plan_id: str, payout_id: str) -> Payout | None: ...

    def payouts_after(self, plan_id: str, after_id: str, limit: int) -> list[Payout]:
        """Payouts of every kind in order of their ids, from the one after `after_id` on."""
        ...

    def record_attempts(self, attempts: Sequence[tuple[Payout, Attempt]]) -> None:
        """Make signed attempts durable before they are sent."""
        ...

    def mark_processing(self, payouts: Sequence[Payout]) -> None:
        """Show the unpaid rewards of signed payouts as `processing`.

        Only readers use this status, so the write may come after sending.
        """
        ...

    def settle(self, settlements: Sequence[Settlement], now: datetime) -> None:
        """Write what the chain decided. Paid: the rewards are completed with signature and slot.
        Void: they wait, each to be paid alone. Idempotent."""
        ...

    def postpone(self, postponements: Sequence[Postponement]) -> None:
        """Record the next try of each payout, count the attempt and give up the lease."""
        ...

    def open_ranges(self, plan_id: str, size: int, now: datetime) -> list[range]:
        """Index ranges of `size` that hold due and unleased unresolved batches or singles."""
        ...

    def rewards(self, plan_id: str, positions: range) -> list[Reward]: ...

    def reward(self, week: Week, user_id: str) -> Reward | None:
        """The reward of a user in the week's plan."""
        ...

    def rewards_to_pay_alone(self, plan_id: str, now: datetime, limit: int) -> list[Reward]:
        """Held rewards and rewards of void batches that are due, unpaid, not on an operator's
        hold, and have no unresolved single; oldest try first."""
        ...

    def set_aside(
        self, reward: Reward, status: Status, reason: str, next_attempt_at: datetime
    ) -> None:
        """Record why a reward cannot be paid now."""
        ...

    def redirect(self, reward: Reward, wallet: str, now: datetime) -> None:
        """Record an operator's new wallet for a reward of a void batch or a held one."""
        ...

    def hold(self, reward: Reward, reason: str | None) -> None:
        """Keep an unpaid single from being sent; None releases it."""
        ...

    def mark_accounts_made(self, made: Sequence[tuple[str, str]], now: datetime) -> None:
        """Record that token accounts exist at our cost, by user and wallet: never again."""
        ...

    def rewards_needing_account(
        self, plan_id: str, after_position: int, limit: int
    ) -> list[Reward]:
        """Rewards whose recipient had no token account at planning, by position."""
        ...

    def count_needing_account(self, plan_id: str) -> int: ...

    def accounts_made_since(self, moment: datetime) -> int:
        """How many users' token accounts we created since then."""
        ...

    def progress(self, plan_id: str) -> Progress: ...

    def outstanding(self) -> tuple[BaseUnits, int]:
        """Base units and payouts that all anchored plans still owe, held rewards included."""
        ...

    def batch_counts(self, plan_id: str) -> dict[PayoutStatus, int]:
        """How many batches (not singles, not the anchor) are in each state."""
        ...
