"""Commands that pay a week and follow it: run, retry."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from worker.cli.arguments import AsJson, Inline, OptionalWeek, WeekArgument, session_of
from worker.cli.command import command
from worker.cli.console import emit, say
from worker.cli.session import Session
from worker.core.errors import ExitCode
from worker.core.week import Week

if TYPE_CHECKING:
    from worker.services.week.outcome import Verdict

commands = typer.Typer()


@command(commands, "kontrib run 2024-W50")
def run(
    context: typer.Context,
    week: OptionalWeek = None,
    inline: Inline = False,
    now: Annotated[
        bool, typer.Option("--now", help="Do not wait for the grace after the week's end.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Pay a week, by default the one that ended last, and follow it until it is done."""
    from worker.services.plan.plan_week import check_plannable

    session = session_of(context)
    services, moment = session.context, session.clock.now()
    week = week or Week.containing(moment).previous()
    check_plannable(services, week, at_once=now)
    in_grace = moment < week.end + services.limits.plan_grace
    known = services.store.distribution(week)
    early = in_grace and (known is None or known.plan_id is None)
    wake = partial(session.broker.wake, "tasks.distribute", week=week.id, at_once=early)
    code = _pay(session, week, wake, inline=inline, at_once=early, as_json=as_json)
    raise typer.Exit(code)


@command(commands, "kontrib retry 2024-W50")
def retry(
    context: typer.Context,
    week: WeekArgument,
    rewallet: Annotated[
        str | None,
        typer.Option("--rewallet", metavar="USER", help="Redirect a held or voided reward."),
    ] = None,
    wallet: Annotated[
        str | None,
        typer.Option("--wallet", help="Where to. Default: the user's wallet of today."),
    ] = None,
    inline: Inline = False,
    as_json: AsJson = False,
) -> None:
    """Try everything of a week that waits or stopped again, now. Pays nobody twice."""
    from worker.services.payout.override import redirect_reward, wallet_of_today
    from worker.services.plan.planned_week import planned_distribution
    from worker.services.week.unblock import retry_week

    session = session_of(context)
    if rewallet is not None:
        target = wallet or wallet_of_today(session.context, rewallet)
        reward = redirect_reward(session.context, week, rewallet, target)
        say(f"{reward.user_id}'s reward of {week.label} goes to {target}.")
    planned_distribution(session.store, week)
    count = retry_week(session.store, week, session.clock.now())
    say(f"{week.label}: {count} made due now.")
    wake = partial(session.broker.wake, "tasks.retry", week=week.id)
    raise typer.Exit(_pay(session, week, wake, inline=inline, as_json=as_json))


def _pay(
    session: Session,
    week: Week,
    wake: Callable[[], None],
    *,
    inline: bool,
    as_json: bool,
    at_once: bool = False,
) -> ExitCode:
    """Pay in this process, or wake workers and follow them.

    Raises:
        NoWorker, BrokerUnreachable: no worker can be woken.
    """
    from worker.cli.week.progress import follow

    if inline:
        return _finish(
            session, week, lambda: _pay_here(session, week, at_once=at_once), as_json=as_json
        )
    session.broker.require_workers()
    wake()
    return _finish(session, week, lambda: follow(session, week), as_json=as_json)


def _pay_here(session: Session, week: Week, *, at_once: bool) -> Verdict:
    """Pay in this process, and count what users and articles have earned by it."""
    from worker.cli.week.progress import work_inline
    from worker.services.wiki.earned_tokens import recount_week

    found = work_inline(session.context, week, at_once=at_once)
    if found.exit_code == ExitCode.DONE:
        recount_week(session.wiki, week)
    return found


def _finish(session: Session, week: Week, act: Callable[[], Verdict], *, as_json: bool) -> ExitCode:
    """Do it, say how it ended, and how to go on after Ctrl-C."""
    from worker.cli.board_view import look_at_week
    from worker.cli.week.progress import interrupted_text
    from worker.services.week.status import board

    store = session.store
    try:
        found = act()
    except KeyboardInterrupt:
        say(interrupted_text(board(store, week)))
        return ExitCode.INTERRUPTED
    data, render = look_at_week(store, week)
    data |= {"exit_code": found.exit_code, "said": found.sentence}
    emit(data, as_json=as_json, render=render)
    say(found.sentence)
    return found.exit_code
