"""Watch the weeks: note when they reach a stage, look at the funds, and notify people once.

No payment depends on this module, and no failure here stops one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict
from datetime import datetime, timedelta

from worker.core.errors import KontribError
from worker.core.lifecycle import Stage
from worker.core.money import sol_text, tokens_text
from worker.core.payout.records import Distribution
from worker.core.watch.figures import FundsFigures
from worker.core.watch.news import Event, is_newly_completed
from worker.core.watch.stuck import stuck_text
from worker.core.week import Week
from worker.ports.payout import Notifier, Store
from worker.services.context import Context
from worker.services.payout.close import record_reconciliation
from worker.services.payout.reconcile import Reconciliation, reconcile_or_report
from worker.services.plan.approval import MostLeftOut
from worker.services.watch.doctor import coming_need
from worker.services.watch.metrics import FUNDS, REACHED, RECENT_WEEKS, funds_figures, open_weeks
from worker.services.week.status import Board, board


def note_stage(store: Store, week: Week, now: datetime) -> None:
    """Write down when a week was first seen at its stage."""
    distribution = store.distribution(week)
    if distribution is None or distribution.archived or distribution.stage is Stage.DUE:
        return
    reached = dict(store.notes(week).get(REACHED) or {})
    if distribution.stage.value not in reached:
        store.record_notes(week, **{REACHED: reached | {distribution.stage.value: now}})


def record_funds(context: Context) -> FundsFigures:
    """Read the treasury, and store the figures for watchers that have no keys."""
    report = coming_need(context)
    figures = FundsFigures(
        at=context.clock.now(),
        base_units=report.treasury.tokens,
        base_units_needed=report.needed.tokens,
        allowance_base_units=report.treasury.allowance,
        lamports=report.treasury.lamports,
        lamports_needed=report.needed.lamports,
    )
    context.store.record_figures(FUNDS, asdict(figures))
    return figures


def funds_sentence(figures: FundsFigures) -> str:
    """The treasury against the need, for people."""
    text = (
        f"{tokens_text(figures.base_units)} KONTRIB of {tokens_text(figures.base_units_needed)} "
        f"needed, {sol_text(figures.lamports)} SOL of {sol_text(figures.lamports_needed)} needed "
        "for the coming week and all debts"
    )
    if figures.allowance_base_units is not None:
        text += f"; the allowance is {tokens_text(figures.allowance_base_units)} KONTRIB"
    return text


def recently_completed(store: Store) -> list[Week]:
    """The last completed weeks. They are compared with the chain every day."""
    completed = [d.week for d in store.distributions() if d.stage is Stage.COMPLETED]
    return completed[-RECENT_WEEKS:]


def reconcile_week(context: Context, week: Week) -> Reconciliation | None:
    """Compare a completed week; None if it is not completed. Record the result, unless a part of
    the chain is not readable now: then the last comparison becomes old, which an alert reports."""
    distribution = context.store.distribution(week)
    if distribution is None or distribution.stage is not Stage.COMPLETED:
        return None
    result = reconcile_or_report(context, distribution)
    if not result.is_unproven:
        record_reconciliation(context, result)
    return result


def announce(store: Store, notifier: Notifier, events: Iterable[Event], now: datetime) -> int:
    """Send the events that were not sent yet. Returns their number.

    An event is marked before it is sent, so that two workers never send it twice. The mark is
    removed if the event did not arrive, so that it is sent at the next look.

    Raises:
        Unreachable: the notifier did not accept an event.
    """
    sent = 0
    for event in events:
        if not store.mark(event.key, now):
            continue
        try:
            notifier.notify(event.text)
        except KontribError:
            store.unmark(event.key)
            raise
        sent += 1
    return sent


def find_events(
    store: Store, now: datetime, *, grace: timedelta, stuck_after: timedelta
) -> list[Event]:
    """The current events. An event that ended loses its mark, so that it can be sent again."""
    known = {d.week: d for d in store.distributions()}
    completed = [
        d.week for d in known.values() if d.historic is None and is_newly_completed(d, now)
    ]
    stopped = [d.week for d in known.values() if d.stopped]
    events = [_closed(board(store, week)) for week in completed]
    for week in sorted({*open_weeks(store, known, now, grace), *completed, *stopped}):
        key = f"stuck/{week.id}"
        text = stuck_text(week, known.get(week), now - grace - stuck_after)
        if text is None:
            store.unmark(key)
        else:
            events.append(Event(key, text))
    events += [Event(f"approval/{d.week.id}", d.reason or "") for d in _mostly_left_out(known)]
    return events + _funds_events(store, known)


def _mostly_left_out(known: Mapping[Week, Distribution]) -> list[Distribution]:
    return [d for d in known.values() if (d.reason or "").startswith(MostLeftOut.__name__)]


def _closed(week: Board) -> Event:
    left = {"held": week.held, "failed": week.failed}
    rest = "".join(f", {t.count} {name}" for name, t in left.items() if t.count)
    return Event(
        f"closed/{week.week.id}",
        f"{week.week.label} is closed: {tokens_text(week.paid.amount)} KONTRIB paid to "
        f"{week.paid.count} contributors{rest}; plan, database and chain agree.",
    )


def _funds_events(store: Store, known: Mapping[Week, Distribution]) -> list[Event]:
    refused = [d for d in known.values() if (d.reason or "").startswith("FundsShort")]
    figures = funds_figures(store)
    if refused:
        return [Event("funds", f"Funds are short. {refused[0].reason}")]
    if figures is not None and not figures.is_enough:
        return [Event("funds", f"Funds are short: {funds_sentence(figures)}.")]
    store.unmark("funds")
    return []
