"""Watch the weeks: note when they reach a stage, look at the funds, and notify people once.

No payment depends on this module, and no failure here stops one.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence
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
from worker.core.wording import counted
from worker.ports.payout import Notifier, Store
from worker.services.context import Context
from worker.services.payout.close import record_reconciliation
from worker.services.payout.read_again import read_charges
from worker.services.payout.reconcile import Reconciliation, reconcile_or_report
from worker.services.plan.approval import ApprovalMissing, MostLeftOut
from worker.services.watch.doctor import coming_need
from worker.services.watch.metrics import FUNDS, REACHED, RECENT_WEEKS, funds_figures, open_weeks
from worker.services.week.status import Board, board

WEBHOOK, MAIL = "webhook", "mail"
"""The channels. Each sends every event once."""


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
    read_charges(context, week)
    result = reconcile_or_report(context, distribution)
    if not result.is_unproven:
        record_reconciliation(context, result)
    return result


def announce(
    store: Store, channels: Mapping[str, Notifier], events: Iterable[Event], now: datetime
) -> int:
    """Send the events that a channel has not sent yet. Returns the number of messages.

    An event is marked before it is sent, so that two workers never send it twice. The mark is
    removed if the event did not arrive, so that it is sent at the next look.

    Raises:
        Unreachable: a channel did not accept an event. Other channels have got theirs.
    """
    sent, failures = 0, []
    for event, (name, channel) in itertools.product(events, channels.items()):
        mark = mark_of(name, event.key)
        if not store.mark(mark, now):
            continue
        try:
            channel.notify(event.text)
            sent += 1
        except KontribError as failure:
            store.unmark(mark)
            failures.append(failure)
    if failures:
        raise failures[0]
    return sent


def mark_of(channel: str, key: str) -> str:
    return key if channel == WEBHOOK else f"{channel}/{key}"


def find_events(
    store: Store, now: datetime, *, grace: timedelta, stuck_after: timedelta
) -> list[Event]:
    """The current events. An event that ended loses its marks, so that it can be sent again."""
    known = {d.week: d for d in store.distributions()}
    completed = [
        d.week for d in known.values() if d.historic is None and is_newly_completed(d, now)
    ]
    stopped = [d.week for d in known.values() if d.stopped]
    events = [_closed(board(store, week)) for week in completed]
    opened = open_weeks(store, known, now, grace)
    for week in sorted({*opened, *completed, *stopped}):
        overdue = _is_overdue(store, known, opened, week, now - stuck_after, now)
        text = stuck_text(week, known.get(week), overdue=overdue)
        events += _lasting(store, f"stuck/{week.id}", text)
    events += [
        # Once for each plan: another plan of the week has another command to approve it.
        Event(f"approval/{week.id}/{(distribution.root or b'').hex()}", distribution.reason or "")
        for week, distribution in known.items()
        if _waits_for_approval(distribution)
    ]
    for week in recently_completed(store):
        events += _lasting(store, f"books/{week.id}", _disagreement(board(store, week)))
    return events + _lasting(store, "funds", _short_funds(store, known))


def _lasting(store: Store, key: str, text: str | None) -> list[Event]:
    """The event while it has a text."""
    if text is not None:
        return [Event(key, text)]
    for channel in (WEBHOOK, MAIL):
        store.unmark(mark_of(channel, key))
    return []


def _is_overdue(
    store: Store,
    known: Mapping[Week, Distribution],
    opened: Sequence[Week],
    week: Week,
    since: datetime,
    now: datetime,
) -> bool:
    """Whether work on a week was possible for so long, as far as this system has seen.

    The time counts from the first look at which the week was open and nothing held it back: a
    pause, a missing approval, or an earlier week that must be anchored first.
    """
    mark = f"open/{week.id}"
    distribution = known.get(week)
    before = next((w for w in opened if w not in known or not known[w].stage.is_frozen), week)
    is_possible = week in opened and week <= before and store.paused() is None
    if not is_possible or (distribution is not None and _waits_for_approval(distribution)):
        store.unmark(mark)
        return False
    store.mark(mark, now)
    return (store.marked_at(mark) or now) <= since


def _waits_for_approval(distribution: Distribution) -> bool:
    names = (ApprovalMissing.__name__, MostLeftOut.__name__)
    return (distribution.reason or "").startswith(names)


def _closed(week: Board) -> Event:
    left = {"held": week.held, "failed": week.failed}
    rest = "".join(f", {t.count} {name}" for name, t in left.items() if t.count)
    return Event(
        f"closed/{week.week.id}",
        f"{week.week.label} is closed: {tokens_text(week.paid.amount)} KONTRIB paid to "
        f"{counted(week.paid.count, 'contributor')}{rest}; {week.points:,} points counted; "
        f"{sol_text(week.fees)} SOL of fees; plan, database and chain agree.",
    )


def _disagreement(week: Board) -> str | None:
    note = week.notes.get("reconciliation")
    if not note or not (note["mismatch"] or note["differences"]):
        return None
    count = counted(len(note["differences"]), "difference")
    first = f" The first: {note['differences'][0].rstrip('.')}." if note["differences"] else ""
    return (
        f"{week.week.label} is closed, but plan, database and chain disagree: {count}.{first} "
        f"Look with `kontrib reconcile {week.week.label}`."
    )


def _short_funds(store: Store, known: Mapping[Week, Distribution]) -> str | None:
    refused = [d for d in known.values() if (d.reason or "").startswith("FundsShort")]
    figures = funds_figures(store)
    if refused:
        return f"Funds are short. {refused[0].reason}"
    if figures is not None and not figures.is_enough:
        return f"Funds are short: {funds_sentence(figures)}."
    return None
