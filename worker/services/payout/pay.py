"""Pay the payouts of an anchored plan: the loop around `core.decision.next_step`.

Order of every attempt: check receipts, verify rows against the root, build and sign, write the
attempt, send, send the same bytes again while they can land, and sign anew only after expiry by
block height. Completed means finalized and read back.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from worker.core.errors import Refused
from worker.core.lifecycle import PayoutStatus
from worker.core.payout.backoff import is_exhausted, next_attempt_at
from worker.core.payout.decision import Step, next_step
from worker.core.payout.records import (
    Attempt,
    Execution,
    Intent,
    Landing,
    Payout,
    Postponement,
    Settlement,
    SignatureStatus,
    Transfer,
)
from worker.core.plan.commitment import Seal
from worker.core.plan.planned_week import PlannedWeek
from worker.core.plan.receipts import ReceiptState, Resolution
from worker.core.watch.figures import RE_SIGNS
from worker.core.week import Week
from worker.services.context import Context, Deadline
from worker.services.payout.intents import Payer, SingleNotAllowed
from worker.services.payout.settle import read_back, settlement_of
from worker.services.plan.seal import anchored_seal

MARKED_AT_ONCE = 32
"""Payouts whose rewards are marked between two looks at the chain."""

MARKED_BEFORE_END = timedelta(seconds=30)
"""How long before its lease ends a payout's rewards are marked at the latest."""

SETTLED_AT_ONCE = 128
"""Payouts whose transactions are read at once: each takes some 150 kB of memory while it is."""

NEVER = datetime(9999, 1, 1, tzinfo=UTC)
"""When a payout is tried again whose tries ran out, or whose records were changed: not until an
operator says `retry`."""


class PaidOtherThanPlanned(Refused):
    """A finalized payment moved something else than its anchored rows say."""

    def __init__(self, payout: Payout, signature: str) -> None:
        super().__init__(
            f"{payout.id} was paid by {signature}, but not as planned. Pause with `kontrib pause` "
            f"and compare with `kontrib reconcile {payout.week.label}`."
        )


@dataclass(slots=True)
class PayReport:
    """What one piece of work did, for people."""

    week: Week
    paid: int = 0
    void: int = 0
    later: int = 0
    unresolved: int = 0
    signed: int = 0
    moved: int = 0
    reasons: list[str] = field(default_factory=list)

    @property
    def resolved(self) -> int:
        return self.paid + self.void


def pay(context: Context, planned: PlannedWeek, indexes: range, deadline: Deadline) -> PayReport:
    """Resolve the due payouts whose index is in range, as far as the deadline allows.

    Raises:
        NotAnchored, AnchorUnknown, PlanDoesNotMatchRoot, Paused, Unreachable: nothing further was
            signed.
    """
    context.chain.check_mint()
    seal = anchored_seal(context, planned)
    work = _Work(context, planned, seal, deadline)
    try:
        while not deadline.passed:
            work.claim(indexes)
            if not work.in_flight:
                break
            if not work.round() and not work.mark_some():
                context.clock.sleep(context.limits.poll_seconds)
    finally:
        context.store.release(work.in_flight)
    work.report.unresolved = len(work.in_flight)
    return work.report


class _Work:
    """The payouts in flight of one call of `pay`."""

    def __init__(
        self, context: Context, planned: PlannedWeek, seal: Seal, deadline: Deadline
    ) -> None:
        self._context, self._plan_id = context, planned.plan_id
        self._payer = Payer(context, planned, seal, deadline)
        self._expected: dict[str, tuple[Transfer, ...]] = {}
        self._statuses: dict[str, SignatureStatus] = {}
        self._fresh: dict[str, datetime] = {}
        """When our lease ends, of those that nobody had signed before us."""
        self._unmarked: dict[str, datetime] = {}
        self.in_flight: list[Payout] = []
        self.report = PayReport(planned.week)

    def claim(self, indexes: range) -> None:
        """Take more work while there is room, a little at a time: it is signed with a fresh
        blockhash, and lands while the next is prepared."""
        limits, now = self._context.limits, self._context.clock.now()
        room = limits.batches_in_flight - len(self.in_flight)
        count = min(limits.batches_per_claim, -(-limits.batches_in_flight // 2))
        if room < count:
            return
        until = now + limits.lease
        claimed = self._context.store.claim(self._plan_id, indexes, count, now=now, until=until)
        known = {payout.id for payout in self.in_flight}
        self.in_flight += [payout for payout in claimed if payout.id not in known]
        self._fresh |= {payout.id: until for payout in claimed if payout.attempt is None}
        self._refuse_foreign(claimed)

    def _refuse_foreign(self, claimed: Sequence[Payout]) -> None:
        """Neither sign nor settle what the anchored plan does not know by this id."""
        foreign = self._payer.foreign(claimed)
        self._refuse([(payout, foreign[payout.id]) for payout in claimed if payout.id in foreign])

    def mark_some(self) -> bool:
        """Mark rewards `processing` while there is nothing else to do; whether any were left.

        It costs as much as settling them, and the chain takes seconds to finalize anyway. What
        another worker may settle meanwhile is left alone: DocumentDB's update of many may look at
        its condition before that worker's write, and write after it.
        """
        soon = self._context.clock.now() + MARKED_BEFORE_END
        flying = {payout.id: payout for payout in self.in_flight}
        ours = [i for i, end in self._unmarked.items() if end > soon and i in flying]
        marked = [flying[i] for i in ours[:MARKED_AT_ONCE]]
        self._unmarked = {i: self._unmarked[i] for i in ours[MARKED_AT_ONCE:]}
        self._context.store.mark_processing(marked)
        return bool(marked)

    def round(self) -> bool:
        """One look at the chain and what it asks for; whether anything was signed or resolved."""
        height = self._context.chain.finalized_height()
        self._read_statuses()
        due = [p for p in self.in_flight if self._may_be_decided(p, height.block_height)]
        receipts = self._context.chain.receipts([p.id for p in due], not_before_slot=height.slot)
        steps: dict[Step, list[Payout]] = {step: [] for step in Step}
        for payout in self.in_flight:
            # Not looked at: its attempt may still land, and sending it again is harmless.
            state = receipts.get(payout.id, ReceiptState.FREE)
            status = self._status(payout)
            steps[next_step(state, payout.attempt, status, height.block_height)].append(payout)
        # Settled first: signing may be paused or refused, and what the chain did stands anyway.
        resolved = self._settle(steps[Step.SETTLE_PAID], PayoutStatus.PAID)
        resolved += self._settle(steps[Step.SETTLE_VOID], PayoutStatus.VOID)
        self._send_again(steps[Step.RESEND])
        signed = self._sign(steps[Step.SIGN])
        return resolved + signed > 0

    # --- looking ---

    def _read_statuses(self) -> None:
        signatures = [p.attempt.signature for p in self.in_flight if p.attempt]
        found = self._context.chain.statuses(signatures)
        self._statuses = dict(zip(signatures, found, strict=True))

    def _status(self, payout: Payout) -> SignatureStatus | None:
        return self._statuses.get(payout.attempt.signature) if payout.attempt else None

    def _may_be_decided(self, payout: Payout, block_height: int) -> bool:
        """Whether the receipt is worth reading: no attempt is still under way."""
        if payout.attempt is None or block_height > payout.attempt.last_valid_block_height:
            return True
        status = self._status(payout)
        return status is not None and status.landing in (Landing.FINALIZED, Landing.FAILED)

    # --- sending ---

    def _send_again(self, payouts: Sequence[Payout]) -> None:
        wires = [(p.attempt.signature, p.attempt.wire) for p in payouts if p.attempt]
        if wires:
            self._context.chain.send(wires)

    def _sign(self, payouts: Sequence[Payout]) -> int:
        if not payouts:
            return 0
        prepared = self._payer.prepare(payouts, refused={p.id for p in payouts if self._failed(p)})
        self._postpone(prepared.later)
        self._refuse(prepared.refused)
        # A void is the answer to a refusal. Everything else is tried again later.
        intents = [
            (payout, intent)
            for payout, intent in prepared.intents
            if intent.resolution is Resolution.VOID or not self._postponed_after_failure(payout)
        ]
        if not intents:
            return 0
        signed = self._signed(intents)
        self._context.store.record_attempts(signed)
        results = self._context.chain.send([(a.signature, a.wire) for _, a in signed])
        refusals = {r.signature: r.refused for r in results if r.refused}
        updated = {p.id: replace(p, attempt=a, status=PayoutStatus.PROCESSING) for p, a in signed}
        self.in_flight = [updated.get(p.id, p) for p in self.in_flight]
        self._unmarked |= {i: self._fresh.pop(i) for i in updated if i in self._fresh}
        self.report.signed += len(signed)
        again = sum(payout.attempt is not None for payout, _ in signed)
        self._context.counted[RE_SIGNS] += again
        for payout, attempt in signed:
            if reason := refusals.get(attempt.signature):
                self._postpone([self._backoff(updated[payout.id], reason)])
        return len(signed)

    def _signed(self, intents: Sequence[tuple[Payout, Intent]]) -> list[tuple[Payout, Attempt]]:
        blockhash = self._context.chain.latest_blockhash()
        signed = self._context.chain.sign([intent for _, intent in intents], blockhash)
        now = self._context.clock.now()
        attempts = []
        for (payout, intent), transaction in zip(intents, signed, strict=True):
            self._expected[transaction.signature] = intent.transfers
            attempt = Attempt(
                signature=transaction.signature,
                resolution=Resolution(intent.resolution),
                blockhash=blockhash.value,
                last_valid_block_height=blockhash.last_valid_block_height,
                wire=transaction.wire,
                created_at=now,
            )
            attempts.append((payout, attempt))
        return attempts

    # --- waiting ---

    def _failed(self, payout: Payout) -> bool:
        """Whether the last attempt was executed and refused, finally."""
        status = self._status(payout)
        return status is not None and status.landing is Landing.FAILED

    def _postponed_after_failure(self, payout: Payout) -> bool:
        """An executed and refused attempt is tried again later, with a growing pause."""
        status, attempt = self._status(payout), payout.attempt
        if status is None or attempt is None or not self._failed(payout):
            return False
        if payout.next_attempt_at is not None and payout.next_attempt_at > attempt.created_at:
            return False  # this is the later try
        self._postpone([self._backoff(payout, status.error or "refused by the chain")])
        return True

    def _backoff(self, payout: Payout, reason: str) -> Postponement:
        scale = self._context.limits.backoff_scale
        attempts = payout.attempts + 1
        if is_exhausted(attempts):
            return Postponement(payout, NEVER, reason)
        now = self._context.clock.now()
        return Postponement(payout, next_attempt_at(now, attempts, payout.id, scale=scale), reason)

    def _refuse(self, refused: Sequence[tuple[Payout, Refused]]) -> None:
        """What a safeguard refuses: changed records wait for a person, the rest is tried again."""
        self._postpone(
            [
                self._backoff(payout, str(error))
                if isinstance(error, SingleNotAllowed)
                else Postponement(payout, NEVER, str(error))
                for payout, error in refused
            ]
        )

    def _postpone(self, later: Sequence[Postponement]) -> None:
        if not later:
            return
        spent = [p for p in later if p.next_attempt_at == NEVER]
        if spent:
            self._stop(spent)
        self._context.store.postpone(later)
        gone = {p.payout.id for p in later}
        self.in_flight = [p for p in self.in_flight if p.id not in gone]
        self.report.later += len(later)
        self.report.reasons += [f"{p.payout.id}: {p.reason}" for p in later]

    def _stop(self, spent: Sequence[Postponement]) -> None:
        """The week stays visibly open until an operator looks. Recorded before the payouts are:
        a crash in between must not leave a week that waits for nothing, in silence."""
        label = self.report.week.label
        reasons = [f"{p.payout.id}: {p.reason.rstrip('.')}" for p in spent[:3]]
        self._context.store.record_failure(
            self.report.week,
            reason=f"{len(spent)} payouts wait for a person: {'; '.join(reasons)}. "
            f"Mend the cause, then run `kontrib retry {label}`.",
            next_attempt_at=self._context.clock.now(),
            attempts=0,
            stopped=True,
        )

    # --- settling ---

    def _settle(self, payouts: Sequence[Payout], status: PayoutStatus) -> int:
        for first in range(0, len(payouts), SETTLED_AT_ONCE):
            self._settle_some(payouts[first : first + SETTLED_AT_ONCE], status)
        return len(payouts)

    def _settle_some(self, payouts: Sequence[Payout], status: PayoutStatus) -> None:
        executions = read_back(self._context, payouts)
        settlements = [
            settlement_of(self._payer, p, status, found, self._signed_here(found))
            for p, found in ((p, executions.get(p.id)) for p in payouts)
        ]
        self._context.store.settle(settlements, self._context.clock.now())
        gone = {p.id for p in payouts}
        self.in_flight = [p for p in self.in_flight if p.id not in gone]
        self._count(settlements)
        for settlement in settlements:
            if settlement.signature is not None and not settlement.verified:
                raise PaidOtherThanPlanned(settlement.payout, settlement.signature)

    def _signed_here(self, execution: Execution | None) -> tuple[Transfer, ...] | None:
        """The transfers of a transaction that this very piece of work signed."""
        return self._expected.pop(execution.signature, None) if execution else None

    def _count(self, settlements: Sequence[Settlement]) -> None:
        for settlement in settlements:
            if settlement.status is PayoutStatus.PAID:
                self.report.paid += 1
                self.report.moved += settlement.payout.amount
            else:
                self.report.void += 1
            if settlement.signature is None:
                self.report.reasons.append(f"{settlement.payout.id}: resolved, not yet readable")
