"""Follows a week while workers or this process pay it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta

from worker.cli.console import console, progress_bar, say
from worker.cli.session import Session
from worker.core.errors import ExitCode
from worker.core.lifecycle import Stage
from worker.core.money import tokens_text
from worker.core.week import Week
from worker.core.wording import counted
from worker.services.week.due import find_work
from worker.services.week.outcome import Verdict, verdict
from worker.services.week.run import do_work
from worker.services.week.status import Board, board
from worker.services.week.story import Job, Work
from worker.services.wiki.earned_tokens import recount_week

POLL_SECONDS = 0.5
SLICE_SECONDS = 5.0
"""Work in this process is done in slices, so that the bar moves and Ctrl-C takes effect."""
SILENCE = timedelta(seconds=30)
"""After this long without progress, `follow` checks that a worker answers."""
DOING = {
    Stage.DUE: "planning",
    Stage.PLANNED: "anchoring",
    Stage.ANCHORED: "creating token accounts",
    Stage.PREPARED: "paying",
    Stage.COMPLETED: "closed",
}


def follow(session: Session, week: Week, *, patience: timedelta = timedelta()) -> Verdict:
    """Show a week's progress until it is done, has failed, or waits longer than `patience`.

    Raises:
        NoWorker: the week makes no progress, and no worker answers.
    """
    store, clock = session.store, session.clock
    moved_at = waits_since = clock.now()
    last: Board | None = None
    with live_week(week) as show:
        while True:
            now, current = clock.now(), board(store, week)
            show(current)
            if current != last:
                moved_at, last = now, current
            found = verdict(store, week, now)
            is_waiting = found is not None and found.exit_code == ExitCode.NOT_READY
            if not is_waiting:
                waits_since = now
            if found is not None and (not is_waiting or now - waits_since >= patience):
                show(board(store, week))  # the week may have moved since the first look
                return found
            if now - moved_at > SILENCE:
                session.broker.require_workers()
            clock.sleep(POLL_SECONDS)


def work_inline(session: Session, week: Week, *, at_once: bool) -> Verdict:
    """Pay a week in this process, and recount the tokens of its users and articles.

    `at_once` plans it without the grace period.

    Raises:
        KontribError: an expected failure, recorded on the week with its next try.
    """
    context = session.context
    with live_week(week) as show:
        if at_once:
            do_work(context, Work(Job.PLAN, week), seconds=SLICE_SECONDS, at_once=True)
        while work := find_work(context, only=week):
            for item in work:
                show(board(context.store, week))
                do_work(context, item, seconds=SLICE_SECONDS)
        show(board(context.store, week))
    found = verdict(context.store, week, context.clock.now())
    if found is not None and found.exit_code == ExitCode.DONE:
        counted = recount_week(session.wiki, week)
        for line in (*counted.change_lines(), *counted.unreadable_lines()):
            say(line)
    return found or Verdict(
        ExitCode.NOT_READY,
        f"Another worker is working on {week.label}. Follow it with "
        f"`kontrib status {week.label} --watch`.",
    )


@contextmanager
def live_week(week: Week) -> Iterator[Callable[[Board], None]]:
    """Yield a function that shows the week: as a bar on a terminal, else a line per change."""
    watched = console(stderr=True).is_terminal
    last = ""
    with progress_bar(week.label, total=None) as advance:

        def show(current: Board) -> None:
            nonlocal last
            text = doing_text(current)
            settled = current.paid.count + current.held.count + current.failed.count
            advance(settled, text, total=current.contributors or None)
            if text != last and not watched:
                say(f"{week.label}: {text}")
            last = text

        yield show


def doing_text(current: Board) -> str:
    """The present step, and how many rewards are paid."""
    text = DOING[current.stage]
    if current.paused and current.stage is not Stage.COMPLETED:
        text = f"paused ({current.paused})"
    if current.stage in (Stage.PREPARED, Stage.COMPLETED):
        text += (
            f", {current.paid.count:,} of {counted(current.contributors, 'reward')} paid, "
            f"{tokens_text(current.paid.amount)} KONTRIB"
        )
    return text
