"""Keeps the payouts that one call of `pay` has claimed, and counts their results."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import cached_property, partial

from worker.core.lifecycle import PayoutStatus
from worker.core.payout.backoff import NEVER, READ_AGAIN_SECONDS, for_an_event
from worker.core.payout.chain import Costs, Intent, Transfer
from worker.core.payout.looks.last_sends import LastSends
from worker.core.payout.looks.unknown_receipts import UnknownReceipts
from worker.core.payout.records import Attempt, Payout, Postponement, Settlement
from worker.core.plan.receipts import ReceiptState, unknown_because
from worker.core.watch.figures import RE_SIGNS
from worker.core.week import Week
from worker.core.wording import counted
from worker.services.context import Context
from worker.services.plan.funds import FundsShort
from worker.services.plan.send_until_resolved import record_attempts

LOOK_AGAIN = timedelta(seconds=30)
MARKED_AT_ONCE = 32
"""Payouts whose rewards are marked between two looks at the chain."""

MARKED_AFTER = timedelta(seconds=30)
"""Rewards are marked this long after the send. Most are settled by then, with one write less."""

USUAL_WAIT = timedelta(minutes=5)
"""A transaction is final, or its blockhash expired, within this time on a cluster that works."""

MARKED_BEFORE_END = timedelta(seconds=30)
"""Rewards are marked only while their payout's lease lasts longer than this."""


@dataclass(slots=True)
class PayReport:
    """Counts and reasons of one call of `pay`, for people. `moved` is in base units."""

    week: Week
    paid: int = 0
    void: int = 0
    later: int = 0
    unresolved: int = 0
    moved: int = 0
    reasons: list[str] = field(default_factory=list)

    @property
    def resolved(self) -> int:
        return self.paid + self.void


@dataclass(frozen=True, slots=True)
class _Unread:
    """A resolved payout whose transaction no endpoint returned, and the looks for it."""

    status: PayoutStatus
    looks: int
    next_look_at: datetime


@dataclass(frozen=True, slots=True)
class _Sent:
    """When a payout was signed first, and the end of the lease under which it was."""

    at: datetime
    lease_ends: datetime

    def is_ours(self, now: datetime) -> bool:
        """Whether no other worker may settle its rewards soon."""
        return self.lease_ends > now + MARKED_BEFORE_END


class InFlight:
    """Claimed payouts that are neither resolved nor postponed."""

    def __init__(self, context: Context, week: Week) -> None:
        self._context = context
        self._lease_ends: dict[str, datetime] = {}
        self._unmarked: dict[str, _Sent] = {}
        """The payouts that only we have signed, while their rewards are unmarked."""
        self._unknown = UnknownReceipts()
        self._unread: dict[str, _Unread] = {}
        self.sends = LastSends()
        self.payouts: list[Payout] = []
        self.signed_here: dict[str, tuple[Transfer, ...]] = {}
        """The transfers of the transactions that this call signed, by signature."""
        self.short: FundsShort | None = None
        """Set if payouts wait for funds."""
        self.report = PayReport(week)

    @cached_property
    def costs(self) -> Costs:
        """The charges of the cluster, read once for each call of `pay`."""
        return self._context.chain.costs()

    def claim(self, plan_id: str, own: range, behind: deque[range]) -> list[Payout]:
        """Claim more payouts while there is room: from our own range, else from one behind it.

        A few at a time get a fresh blockhash, and land while the next ones are prepared.
        """
        limits, now = self._context.limits, self._context.clock.now()
        count = min(limits.batches_per_claim, -(-limits.batches_in_flight // 2))
        if limits.batches_in_flight - len(self.payouts) < count:
            return []
        until, store = now + limits.lease, self._context.store
        claim = partial(store.claim, plan_id, limit=count, now=now, until=until)
        claimed = _first_claim(claim, own, behind)
        known = {payout.id for payout in self.payouts}
        self.payouts += [payout for payout in claimed if payout.id not in known]
        self._lease_ends |= {payout.id: until for payout in claimed}
        return claimed

    def record_attempts(self, signed: Sequence[tuple[Payout, Intent, Attempt]]) -> None:
        """Make signed transactions durable before they are sent."""
        attempts = [(payout, attempt) for payout, _, attempt in signed]
        record_attempts(self._context, attempts)
        self.signed_here |= {attempt.signature: intent.transfers for _, intent, attempt in signed}
        self.sends.note((payout for payout, _ in attempts), self._context.clock.now())
        self._unmarked |= {
            payout.id: _Sent(attempt.created_at, self._lease_ends[payout.id])
            for payout, attempt in attempts
            if payout.attempt is None
        }
        self._context.counted[RE_SIGNS] += sum(it.attempt is not None for it, _ in attempts)
        updated = {
            p.id: replace(p, attempt=attempt, status=PayoutStatus.PROCESSING, next_attempt_at=None)
            for p, attempt in attempts
        }
        self.payouts = [updated.get(p.id, p) for p in self.payouts]

    def mark_some(self) -> bool:
        """Mark some rewards `processing` whose payment takes unusually long. False if none is due.

        Marking costs as much as settling. Rewards that another worker may settle in the meantime
        are not marked: DocumentDB's update of many documents may check its condition before that
        worker's write, and write after it.
        """
        now = self._context.clock.now()
        flying = {payout.id: payout for payout in self.payouts}
        ours = {i: s for i, s in self._unmarked.items() if i in flying and s.is_ours(now)}
        slow = [i for i, sent in ours.items() if sent.at <= now - MARKED_AFTER][:MARKED_AT_ONCE]
        self._unmarked = {i: sent for i, sent in ours.items() if i not in slow}
        self._context.store.mark_processing([flying[i] for i in slow])
        return bool(slow)

    def postpone(self, later: Sequence[Postponement]) -> None:
        """Record the next tries. A payout that waits for a person stops its week visibly."""
        if not later:
            return
        if waiting := [each for each in later if each.next_attempt_at == NEVER]:
            _stop_week(self._context, self.report.week, waiting)
        self._context.store.postpone(later)
        self._forget([each.payout for each in later])
        self.report.later += len(later)
        self.report.reasons += [f"{each.payout.id}: {each.reason}" for each in later]

    def note_receipts(self, receipts: Mapping[str, ReceiptState]) -> None:
        """Postpone payouts whose receipts stay unknown, with the endpoints' troubles."""
        now = self._context.clock.now()
        late = self._unknown.look(receipts, now)
        waiting = [payout for payout in self.payouts if payout.id in late]
        self.postpone([for_an_event(it, self._why_unknown, now + LOOK_AGAIN) for it in waiting])

    @property
    def _why_unknown(self) -> str:
        why = unknown_because(self._context.chain.endpoint_troubles)
        return f"its receipt cannot be read: {why}"

    def to_read(self, resolved: Mapping[str, PayoutStatus]) -> dict[str, PayoutStatus]:
        """The resolved payouts whose transaction is looked for now."""
        now = self._context.clock.now()
        later = {i for i, unread in self._unread.items() if unread.next_look_at > now}
        return {i: status for i, status in resolved.items() if i not in later}

    def keeps(self, settlement: Settlement) -> bool:
        """Whether a payout stays in flight until its transaction is readable."""
        known = self._unread.get(settlement.payout.id)
        looks = known.looks if known else 0
        if looks == len(READ_AGAIN_SECONDS):
            return False
        again = self._context.clock.now() + timedelta(seconds=READ_AGAIN_SECONDS[looks])
        self._unread[settlement.payout.id] = _Unread(settlement.status, looks + 1, again)
        return True

    def unread_states(self) -> dict[str, PayoutStatus]:
        """The resolved payouts in flight, whose transaction is not readable yet."""
        flying = {payout.id for payout in self.payouts}
        return {i: unread.status for i, unread in self._unread.items() if i in flying}

    def show_waits(self) -> None:
        """Record why payouts are still in flight, where it is no usual wait for finality. They stay
        due, and the next call goes on with them."""
        now, later = self._context.clock.now(), []
        for payout in self.payouts:
            if payout.id in self._unknown.ids:
                reason = self._why_unknown
            elif payout.attempt is not None and payout.attempt.created_at < now - USUAL_WAIT:
                sent = f"{payout.attempt.created_at:%Y-%m-%d %H:%M:%S}"
                troubles = "".join(f"; {it}" for it in self._context.chain.endpoint_troubles)
                reason = f"sent at {sent} UTC, neither final nor expired yet{troubles}"
            else:
                continue
            later.append(for_an_event(payout, reason, now))
        self.postpone(later)

    def settled(self, settlements: Sequence[Settlement]) -> None:
        """Count the resolved payouts, which are no longer in flight."""
        self._forget([each.payout for each in settlements])
        for each in settlements:
            if each.status is PayoutStatus.PAID:
                self.report.paid += 1
                self.report.moved += each.payout.amount
            else:
                self.report.void += 1
            if each.missing is not None:
                self.report.reasons.append(f"{each.payout.id}: {each.missing}")
            if each.signature is not None:
                self.signed_here.pop(each.signature, None)

    def _forget(self, payouts: Sequence[Payout]) -> None:
        gone = {payout.id for payout in payouts}
        self.payouts = [payout for payout in self.payouts if payout.id not in gone]


def _first_claim(
    claim: Callable[[range], list[Payout]], own: range, behind: deque[range]
) -> list[Payout]:
    """The payouts of the first range that has some.

    A range behind our own that has none is forgotten: others have claimed them.
    """
    for positions in (own, *behind):
        if claimed := claim(positions):
            return claimed
        if positions is not own:
            behind.popleft()
    return []


def _stop_week(context: Context, week: Week, waiting: Sequence[Postponement]) -> None:
    """Stop the week visibly until an operator looks. The stop is recorded before the payouts
    are postponed, so that a crash in between cannot leave a week that waits silently."""
    count = counted(len(waiting), "payout waits", "payouts wait")
    reasons = [f"{each.payout.id}: {each.reason.rstrip('.')}" for each in waiting[:3]]
    context.store.record_failure(
        week,
        reason=f"{count} for a person: {'; '.join(reasons)}. "
        f"Mend the cause, then run `kontrib retry {week.label}`.",
        next_attempt_at=context.clock.now(),
        attempts=0,
        stopped=True,
    )
