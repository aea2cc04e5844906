"""Do one piece of work and say in a sentence what was done. Tasks and `--inline` both call this."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from worker.core.errors import KontribError, NotReady, UsageError
from worker.core.money import tokens_text
from worker.core.payout.backoff import is_exhausted, next_attempt_at, next_look_at
from worker.core.week import Week
from worker.services.context import Context, Deadline
from worker.services.payout.close import close_week
from worker.services.payout.pay import pay
from worker.services.payout.release_singles import release_singles
from worker.services.payout.token_accounts import prepare_accounts
from worker.services.plan.anchor import anchor_week
from worker.services.plan.plan_week import plan_week
from worker.services.plan.planned_week import NotPlanned, planned_week
from worker.services.week.due import Job, Work


@dataclass(frozen=True, slots=True)
class Done:
    """What a piece of work came to. `again` asks for the next step at once."""

    sentence: str
    again: bool


def do_work(
    context: Context,
    work: Work,
    *,
    seconds: float,
    at_once: bool = False,
    stopping: Callable[[], bool] = lambda: False,
) -> Done:
    """Do one piece of work within `seconds`, or until `stopping` says to hand it over.

    An expected failure is recorded on the week with its next try, and raised.
    """
    deadline = Deadline(context.clock, seconds, stopping)
    try:
        return _JOBS[work.job](context, work, deadline, at_once)
    except UsageError:
        raise
    except KontribError as error:
        _stumble(context, work.week, error)
        raise


def _stumble(context: Context, week: Week, error: KontribError) -> None:
    """Write the reason onto the week, and when it is tried again.

    What must happen outside is looked for again and again; what a safeguard refuses is tried
    with growing pauses, and then stops visibly. Only an operator's retry ends a stop.
    """
    known = context.store.distribution(week)
    now, scale = context.clock.now(), context.limits.backoff_scale
    attempts = known.attempts if known else 0
    if isinstance(error, NotReady):
        again = next_look_at(now, week.id, scale=scale)
    else:
        attempts += 1
        again = next_attempt_at(now, attempts, week.id, scale=scale)
    reason = f"{type(error).__name__}: {error}"
    stopped_by = known.reason if known and known.stopped else None
    context.store.stumble(
        week,
        reason=stopped_by or reason,
        next_attempt_at=again,
        attempts=attempts,
        stopped=stopped_by is not None or is_exhausted(attempts),
    )


def _plan(context: Context, work: Work, _: Deadline, at_once: bool) -> Done:
    planned = plan_week(context, work.week, at_once=at_once)
    header = planned.header
    return Done(
        f"{work.week.label}: plan {planned.how}, {header.rewards} rewards "
        f"({header.held} held) in {header.batches} batches, "
        f"{tokens_text(header.total_amount)} KONTRIB for {header.total_points} points",
        again=True,
    )


def _anchor(context: Context, work: Work, deadline: Deadline, _: bool) -> Done:
    anchored = anchor_week(context, work.week, deadline)
    if not anchored.finalized:
        return Done(f"{work.week.label}: anchor sent, not final yet", again=True)
    return Done(
        f"{work.week.label}: anchored, root {anchored.root.hex()[:16]}, "
        f"signature {anchored.signature or 'not readable yet'}",
        again=True,
    )


def _accounts(context: Context, work: Work, deadline: Deadline, _: bool) -> Done:
    prepared = prepare_accounts(context, planned_week(context.store, work.week), deadline)
    rest = "all there" if prepared.finished else "more to create"
    return Done(f"{work.week.label}: {prepared.created} token accounts created, {rest}", again=True)


def _pay(context: Context, work: Work, deadline: Deadline, _: bool) -> Done:
    planned = planned_week(context.store, work.week)
    report = pay(context, planned, range(work.first, work.last), deadline)
    of = report.resolved + report.unresolved + report.later
    text = f"{work.week.label}: {report.paid} of {of} payouts paid"
    parts = {"void": report.void, "unknown": report.unresolved, "to be retried": report.later}
    text += "".join(f", {count} {name}" for name, count in parts.items() if count)
    text += f", {tokens_text(report.moved)} KONTRIB moved"
    if report.reasons:
        text += f" ({'; '.join(report.reasons[:3])})"
    # Who got nothing of an open range, because another one was faster, looks for the next.
    return Done(text, again=report.resolved > 0 or report.unresolved > 0 or of == 0)


def _singles(context: Context, work: Work, deadline: Deadline, _: bool) -> Done:
    released = release_singles(context, planned_week(context.store, work.week), deadline)
    waiting = "; ".join(f"{n} wait: {why}" for why, n in sorted(released.waiting.items()))
    text = f"{work.week.label}: {released.payable} rewards can be paid alone"
    return Done(text + (f", {waiting}" if waiting else ""), again=True)


def _close(context: Context, work: Work, _: Deadline, __: bool) -> Done:
    distribution = context.store.distribution(work.week)
    if distribution is None:
        raise NotPlanned(work.week)
    result = close_week(context, distribution)
    return Done(f"closed; {result.sentence()}", again=False)


_JOBS: dict[Job, Callable[[Context, Work, Deadline, bool], Done]] = {
    Job.PLAN: _plan,
    Job.ANCHOR: _anchor,
    Job.ACCOUNTS: _accounts,
    Job.PAY: _pay,
    Job.SINGLES: _singles,
    Job.CLOSE: _close,
}
