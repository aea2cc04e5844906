"""Pay the payouts of an anchored plan: the loop around `core.payout.decision.next_step`.

Order of every attempt: check receipts, verify rows against the root, build and sign, write the
attempt, send, send the same bytes again while they can land, and sign anew only after expiry by
block height. Completed means finalized and read back.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta

from worker.core.chunks import chunks
from worker.core.errors import Refused
from worker.core.lifecycle import PayoutStatus
from worker.core.money import BaseUnits, Lamports
from worker.core.payout.backoff import (
    after_failure,
    after_refusal,
    for_a_person,
    for_an_event,
    next_look_at,
)
from worker.core.payout.chain import Intent
from worker.core.payout.decision import (
    Step,
    is_refused,
    next_step,
    pauses_after_refusal,
)
from worker.core.payout.records import Payout, Settlement
from worker.core.plan.planned_week import PlannedWeek
from worker.core.plan.receipts import Resolution
from worker.services.ahead import meanwhile
from worker.services.context import Context, Deadline
from worker.services.payout.anchored_rows import AnchoredRows
from worker.services.payout.in_flight import InFlight, PayReport
from worker.services.payout.outside_plan import outside_plan
from worker.services.payout.prepare import prepare_payments
from worker.services.payout.settle import read_settlements
from worker.services.plan.cluster.look import Look, look_at
from worker.services.plan.funds import FundsShort, Need, first_within_funds, funds_report
from worker.services.plan.seal import anchored_seal
from worker.services.plan.send_until_resolved import sign_all

BEHIND_MIN = 1024
"""Batches that one query looks through for work behind a worker's own range."""
GOES_ON = timedelta(minutes=3)
"""A longer task keeps others waiting, and the canary's alert fires after five minutes."""
SETTLED_AT_ONCE = 64
"""Transactions that are read, or recorded, at once. Each takes some 150 kB of memory."""


class PaidOtherThanPlanned(Refused):
    """A finalized payment moved other amounts than its anchored rows."""

    def __init__(self, payout: Payout, signature: str) -> None:
        super().__init__(
            f"{payout.id} was paid by {signature}, but not as planned. Pause with `kontrib pause` "
            f"and compare with `kontrib reconcile {payout.week.label}`."
        )


def pay(context: Context, planned: PlannedWeek, indexes: range, deadline: Deadline) -> PayReport:
    """Resolve the due payouts whose index is in range, then the batches behind it, as far as the
    deadline allows.

    Raises:
        NotAnchored, AnchorUnknown, PlanDoesNotMatchRoot, Paused, Unreachable: nothing further was
            signed.
        FundsShort: some payouts wait for funds. All others were worked on.
    """
    context.chain.check_mint()
    rows = AnchoredRows(context, planned, anchored_seal(context, planned, anew=True))
    flight, behind = InFlight(context, planned.week), deque(_behind(indexes, rows))
    goes_on_until = context.clock.now() + GOES_ON
    try:
        while not deadline.passed:
            if context.clock.now() >= goes_on_until:
                behind.clear()
            claimed = flight.claim(planned.plan_id, indexes, behind)
            outside = outside_plan(context.store, planned, claimed).values()
            flight.postpone([for_a_person(error.payout, str(error)) for error in outside])
            if not flight.payouts:
                break
            if not _round(rows, flight, deadline):
                _wait(context, flight)
        # Record what is resolved, although its transaction is not readable yet.
        with _recorded(context, flight, _read(rows, flight, flight.unread_states())):
            pass
        flight.show_waits()
    finally:
        context.store.release(flight.payouts)
    if flight.short is not None:
        raise flight.short
    flight.report.unresolved = len(flight.payouts)
    return flight.report


def _behind(indexes: range, rows: AnchoredRows) -> Iterator[range]:
    """The ranges of batches behind this one.

    A worker pays them while its last payments become final. Without them it would only wait.
    """
    batches, size = rows.seal.header.batches, max(BEHIND_MIN, len(indexes))
    for first in range(indexes.stop, batches, size):
        yield range(first, first + size)


def _round(rows: AnchoredRows, flight: InFlight, deadline: Deadline) -> bool:
    """Look at the chain once and do the next steps. False if none was resolved or first signed."""
    look = _look(rows.context, flight.payouts)
    flight.note_receipts(look.seen.receipts)
    states = {p.id: PayoutStatus.PAID for p in look.steps[Step.SETTLE_PAID]}
    states |= {p.id: PayoutStatus.VOID for p in look.steps[Step.SETTLE_VOID]}
    settlements = _read(rows, flight, flight.to_read(states), flight.keeps)
    # The database records them while the next ones are signed. A payment that landed is recorded
    # even if signing is paused or refused.
    with _recorded(rows.context, flight, settlements):
        _send_again(rows.context, flight, look.steps[Step.RESEND])
        signed = _sign(rows, flight, look, deadline) if look.steps[Step.SIGN] else 0
    return len(settlements) + signed > 0


def _send_again(context: Context, flight: InFlight, unseen: Sequence[Payout]) -> None:
    """Send the same bytes of attempts that no node has seen a while after they were sent."""
    due = flight.sends.due(unseen, context.clock.now())
    wires = [(p.attempt.signature, p.attempt.wire) for p in due if p.attempt is not None]
    if wires:
        context.chain.send(wires)
        flight.sends.note(due, context.clock.now())


def _wait(context: Context, flight: InFlight) -> None:
    """Mark rewards until the next look at the chain is due, then sleep."""
    seconds = context.pace.pause_seconds(context.limits.poll_seconds)
    until = context.clock.now() + timedelta(seconds=seconds)
    while flight.mark_some() and context.clock.now() < until:
        pass
    left = (until - context.clock.now()).total_seconds()
    if left > 0:
        context.clock.sleep(min(left, seconds))  # a clock may be set back meanwhile


@dataclass(frozen=True, slots=True)
class _Look:
    """The next step of each payout in flight."""

    steps: dict[Step, list[Payout]]
    refused: dict[str, str]
    """Why the chain executed and refused the last attempt, by payout id."""
    seen: Look


def _look(context: Context, payouts: Sequence[Payout]) -> _Look:
    seen = look_at(context, {p.id: p.attempt for p in payouts})
    steps: dict[Step, list[Payout]] = {step: [] for step in Step}
    for payout in payouts:
        state, status = seen.receipts.get(payout.id), seen.statuses.get(payout.id)
        steps[next_step(state, payout.attempt, status, seen.block_height)].append(payout)
    refused = {
        i: s.error or "refused by the chain" for i, s in seen.statuses.items() if is_refused(s)
    }
    return _Look(steps, refused, seen)


def _sign(rows: AnchoredRows, flight: InFlight, look: _Look, deadline: Deadline) -> int:
    """Sign, record and send the transactions that are possible now.

    Returns the number of first signatures. A transaction that is signed anew earns no quicker look:
    an endpoint that lags gives blockhashes that have expired, and each look would sign again.
    """
    context = rows.context
    due = _not_promised(context, flight, look)
    prepared = prepare_payments(rows, due, deadline, refused=look.refused.keys())
    flight.postpone(prepared.later)
    flight.short = prepared.short or flight.short
    intents: list[tuple[Payout, Intent]] = []
    for payout, intent in prepared.intents:
        reason = look.refused.get(payout.id)
        # A void is the answer to a refused payment. Everything else is tried again later.
        is_answer = intent.resolution is Resolution.VOID and not _was_void(payout)
        if reason is not None and not is_answer and pauses_after_refusal(payout):
            now, scale = context.clock.now(), context.limits.backoff_scale
            flight.postpone([after_refusal(payout, reason, now, scale=scale)])
        else:
            is_retry = payout.attempt is not None or payout.attempts > 0
            intents.append((payout, replace(intent, is_retry=is_retry)))
    intents = _within_funds(context, flight, intents)
    if not intents:
        return 0
    attempts = sign_all(context, [intent for _, intent in intents])
    signed = [(*pair, attempt) for pair, attempt in zip(intents, attempts, strict=True)]
    flight.record_attempts(signed)
    results = context.chain.send([(attempt.signature, attempt.wire) for attempt in attempts])
    refusals = {result.signature: result.refused for result in results if result.refused}
    for payout, _, attempt in signed:
        if reason := refusals.get(attempt.signature):
            now, scale = context.clock.now(), context.limits.backoff_scale
            flight.postpone([after_failure(payout, reason, now, scale=scale)])
    return sum(payout.attempt is None for payout, _, _ in signed)


def _was_void(payout: Payout) -> bool:
    return payout.attempt is not None and payout.attempt.resolution is Resolution.VOID


def _not_promised(context: Context, flight: InFlight, look: _Look) -> Sequence[Payout]:
    """The first payouts to sign that the treasury can pay beside our transactions under way.

    The treasury shows no transaction that has not landed, and may show one that is not final. The
    other payouts are looked at again when this is known. A payment beyond the funds would cost its
    fee and count as a failed try.
    """
    due = look.steps[Step.SIGN]
    sent = (*look.steps[Step.WAIT], *look.steps[Step.RESEND])
    under_way = [payout for payout in sent if payout.attempt is not None]
    if not under_way:
        return due
    amounts = [payout.amount for payout in (*under_way, *due)]
    count = first_within_funds(context.chain.treasury(), flight.costs, amounts)
    return due[: max(0, count - len(under_way))]


def _within_funds(
    context: Context, flight: InFlight, intents: list[tuple[Payout, Intent]]
) -> list[tuple[Payout, Intent]]:
    """The first payments that the treasury can pay. The others wait for funds, with a reason. Its
    amount may include payments that landed and are being recorded.

    Without lamports, a transaction never lands and nothing reports why.
    """
    if not intents:
        return []
    treasury, costs = context.chain.treasury(), flight.costs
    amounts = [sum(transfer.amount for transfer in intent.transfers) for _, intent in intents]
    count = first_within_funds(treasury, costs, amounts)
    if count < len(intents):
        report = replace(funds_report(context, Need(BaseUnits(0), Lamports(0))), treasury=treasury)
        flight.short = FundsShort(f"{flight.report.week.label} is not paid wholly", report)
        now, reason = context.clock.now(), str(flight.short)
        later = [payout for payout, _ in intents[count:]]
        flight.postpone([for_an_event(p, reason, next_look_at(now, p.id)) for p in later])
    return intents[:count]


def _read(
    rows: AnchoredRows,
    flight: InFlight,
    states: Mapping[str, PayoutStatus],
    keeps: Callable[[Settlement], bool] = lambda _: False,
) -> list[Settlement]:
    """Read how the chain resolved these payouts. `keeps`: those that are read again soon."""
    resolved = [payout for payout in flight.payouts if payout.id in states]
    return [
        settlement
        for chunk in chunks(resolved, SETTLED_AT_ONCE)
        for settlement in read_settlements(rows, chunk, states, flight.signed_here, keeps)
    ]


@contextmanager
def _recorded(
    context: Context, flight: InFlight, settlements: Sequence[Settlement]
) -> Iterator[None]:
    """Record settlements while the block runs. An error of the record comes before the block's.

    Raises:
        PaidOtherThanPlanned: the block did not run.
        IllegalTransition: the chain contradicts a stored final state.
    """
    now = context.clock.now()

    def record() -> None:
        for chunk in chunks(settlements, SETTLED_AT_ONCE):
            context.store.settle(chunk, now)

    with meanwhile(record) as recorded:
        _check_payments(settlements)
        try:
            yield
        finally:
            recorded.result()
    flight.settled(settlements)


def _check_payments(settlements: Sequence[Settlement]) -> None:
    """
    Raises:
        PaidOtherThanPlanned: a finalized payment moved other amounts than its rows.
    """
    for each in settlements:
        if each.signature is not None and not each.verified:
            raise PaidOtherThanPlanned(each.payout, each.signature)
