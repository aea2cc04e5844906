"""Payouts of the in-memory store, and the effects of their resolution on rewards."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from tests.fakes.store.state import Route, State, StoredPayout, StoredReward, to_milliseconds
from worker.core.lifecycle import IllegalTransition, PayoutStatus, Status
from worker.core.payout.records import (
    Attempt,
    Payout,
    PayoutKind,
    Postponement,
    Settlement,
)

VOID_REASON = "batch void: paid alone"
VOID_SINGLE_REASON = "its receipt is void: it can never be paid"


def _read_again(settlement: Settlement, attempts: int) -> dict[str, Any]:
    again = settlement.next_look_at
    return {
        "reason": settlement.missing,
        "next_attempt_at": again and to_milliseconds(again),
        "attempts": attempts,
    }


class FakePayouts:
    """Implements the payouts' half of `worker.ports.payout.PayoutStore` over `state`."""

    state: State

    # --- claims and releases --------------------------------------------------------------------

    def claim(
        self, plan_id: str, positions: range, limit: int, *, now: datetime, until: datetime
    ) -> list[Payout]:
        stored = self.state.payouts_of(plan_id).values()
        due = [s for s in stored if s.is_due(now) and s.payout.index in positions]
        due.sort(key=lambda s: (s.payout.kind, s.payout.index))
        for each in due[:limit]:
            self.state.put_payout(replace(each, leased_until=to_milliseconds(until)))
        return [each.payout for each in due[:limit]]

    def release(self, payouts: Sequence[Payout]) -> None:
        for stored in self._open(payouts):
            self.state.put_payout(replace(stored, leased_until=None))

    def payout(self, plan_id: str, payout_id: str) -> Payout | None:
        stored = self.state.payouts_of(plan_id).get(payout_id)
        return None if stored is None else stored.payout

    def unread(
        self, plan_id: str, after_id: str, limit: int, *, due: datetime | None
    ) -> list[Payout]:
        return [
            payout
            for payout in self.payouts_after(plan_id, after_id, 10**9)
            if payout.status.is_resolved
            if (payout.reason or (due is None and payout.signature is None))
            if due is None or payout.next_attempt_at is None or payout.next_attempt_at <= due
        ][:limit]

    def order_void(self, payout: Payout, reason: str) -> bool:
        found = [s for s in self._open([payout]) if s.payout.kind is PayoutKind.BATCH]
        for stored in found:
            self.state.put_payout(stored, void_reason=reason, attempts=0, next_attempt_at=None)
        return bool(found)

    def void_orders(self, plan_id: str, ids: Sequence[str]) -> set[str]:
        known = self.state.payouts_of(plan_id)
        return {i for i in ids if i in known and known[i].payout.void_reason is not None}

    def open_ranges(self, plan_id: str, size: int, now: datetime) -> list[range]:
        stored = self.state.payouts_of(plan_id).values()
        starts = {s.payout.index // size * size for s in stored if s.is_due(now)}
        return [range(start, start + size) for start in sorted(starts)]

    def payouts_after(self, plan_id: str, after_id: str, limit: int) -> list[Payout]:
        stored = sorted(self.state.payouts_of(plan_id).items())
        return [each.payout for id_, each in stored if id_ > after_id][:limit]

    # --- outcomes of a payout -------------------------------------------------------------------

    def record_attempts(self, attempts: Sequence[tuple[Payout, Attempt]]) -> None:
        for payout, attempt in attempts:
            for stored in self._open([payout]):
                kept = replace(attempt, created_at=to_milliseconds(attempt.created_at))
                self.state.put_payout(
                    stored, attempt=kept, status=PayoutStatus.PROCESSING, next_attempt_at=None
                )

    def mark_processing(self, payouts: Sequence[Payout]) -> None:
        for stored in self._open(payouts):
            for unpaid in self._unpaid_of(stored.payout):
                self.state.put_reward(unpaid, status=Status.PROCESSING)

    def settle(self, settlements: Sequence[Settlement], now: datetime) -> None:
        contradictions: list[IllegalTransition] = []
        for settlement in settlements:
            payout, wanted = settlement.payout, settlement.status
            if (stored := self.state.payouts_of(payout.plan_id).get(payout.id)) is None:
                continue
            current = stored.payout.status
            if current.is_resolved and current is not wanted:
                contradictions.append(IllegalTransition(payout.id, current, wanted))
                continue
            self._settle_rewards(stored.payout, settlement, now)
            self._settle_payout(stored, settlement)
        if contradictions:
            raise contradictions[0]

    def _settle_payout(self, stored: StoredPayout, settlement: Settlement) -> None:
        known = stored.payout
        fee = stored.fee if settlement.fee is None else settlement.fee
        verified = settlement.verified or stored.verified
        facts: dict[str, Any] = {"next_attempt_at": None, "reason": None}
        if settlement.missing is not None:
            is_incomplete = known.signature is None or known.reason is not None
            looks = known.attempts if settlement.payout.status.is_resolved else 0
            facts = _read_again(settlement, looks + 1) if is_incomplete else {}
        self.state.put_payout(
            replace(stored, leased_until=None, fee=fee, verified=verified),
            status=settlement.status,
            signature=settlement.signature or known.signature,
            slot=known.slot if settlement.slot is None else settlement.slot,
            **facts,
        )
        if known.kind is PayoutKind.ANCHOR and settlement.signature is not None:
            self._record_anchor(known.plan_id, settlement.signature)

    def _record_anchor(self, plan_id: str, signature: str) -> None:
        for table in (self.state.weeks, self.state.archive):
            for week, stored in table.items():
                if stored.distribution.plan_id == plan_id:
                    signed = replace(stored.distribution, signature=signature)
                    table[week] = replace(stored, distribution=signed)

    def _settle_rewards(self, payout: Payout, settlement: Settlement, now: datetime) -> None:
        if settlement.status is PayoutStatus.PAID:
            for stored in self._rewards_of(payout):
                self._complete(stored, settlement, now)
        elif payout.kind is PayoutKind.SINGLE:
            for stored in self._unpaid_of(payout):
                self.state.put_reward(stored, status=Status.FAILED, reason=VOID_SINGLE_REASON)
        else:
            for stored in self._unpaid_of(payout):
                waiting = replace(stored, route=Route.WAITING, next_attempt_at=None)
                self.state.put_reward(waiting, status=Status.PENDING, reason=VOID_REASON)

    def _complete(self, stored: StoredReward, settlement: Settlement, now: datetime) -> None:
        slot = settlement.slot if settlement.slot is not None else stored.slot
        first = settlement.landed_at or stored.claimed_at or now
        claimed_at = to_milliseconds(first)
        paid = replace(stored, slot=slot, claimed_at=claimed_at, next_attempt_at=None)
        signature = settlement.signature or stored.reward.signature
        self.state.put_reward(
            paid, status=Status.COMPLETED, reason=None, signature=signature, paid_at=claimed_at
        )

    def postpone(self, postponements: Sequence[Postponement]) -> None:
        for each in postponements:
            for stored in self._open([each.payout]):
                self.state.put_payout(
                    replace(stored, leased_until=None),
                    next_attempt_at=to_milliseconds(each.next_attempt_at),
                    reason=each.reason,
                    attempts=stored.payout.attempts + each.is_failure,
                )

    # --- lookups --------------------------------------------------------------------------------

    def _open(self, payouts: Sequence[Payout]) -> list[StoredPayout]:
        found = [self.state.payouts_of(p.plan_id).get(p.id) for p in payouts]
        return [s for s in found if s is not None and not s.payout.status.is_resolved]

    def _rewards_of(self, payout: Payout) -> list[StoredReward]:
        """The rewards of a payout that no other payout has taken over."""
        rewards = self.state.rewards_of(payout.plan_id)
        if payout.kind is PayoutKind.SINGLE:
            return [rewards[payout.index]] if payout.index in rewards else []
        return [
            stored
            for stored in rewards.values()
            if payout.kind is PayoutKind.BATCH
            and stored.reward.row.batch == payout.id
            and stored.route is Route.BATCH
        ]

    def _unpaid_of(self, payout: Payout) -> list[StoredReward]:
        return [stored for stored in self._rewards_of(payout) if stored.is_unpaid]
