"""Commands that pay a week and follow it: run, retry."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Annotated

import typer

from worker.cli.arguments import AsJson, Inline, OptionalWeek, WeekArgument, session_of
from worker.cli.board_view import look_at_week
from worker.cli.command import command
from worker.cli.console import emit, say
from worker.cli.session import Session
from worker.cli.week.progress import doing_text, follow, work_inline
from worker.core.errors import ExitCode, UsageError
from worker.core.lifecycle import Status
from worker.core.money import tokens_text
from worker.core.payout.records import Reward
from worker.core.week import Week
from worker.core.wording import counted
from worker.services.payout.override import redirect_reward, wallet_of_today
from worker.services.plan.plan_week import check_plannable
from worker.services.plan.planned_week import planned_distribution
from worker.services.week.status import Board, board
from worker.services.week.unblock import forget_waits, retry_week

commands = typer.Typer()


@command(commands, "kontrib run 2024-W50")
def run(
    context: typer.Context,
    week: OptionalWeek = None,
    inline: Inline = False,
    now: Annotated[
        bool, typer.Option("--now", help="Skip the grace period after the week's end.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Pay a week and follow it until it is done. Default: the week that ended last."""
    session = session_of(context)
    services, moment = session.context, session.clock.now()
    week = week or Week.containing(moment).previous()
    check_plannable(services, week, at_once=now)
    in_grace = moment < week.end + services.limits.plan_grace
    known = services.store.distribution(week)
    forget_waits(services.store, week)
    early = in_grace and (known is None or known.plan_id is None)
    wake = partial(session.broker.wake, "tasks.distribute", week=week.id, at_once=early)
    raise typer.Exit(_pay(session, week, wake, inline=inline, at_once=early, as_json=as_json))


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
        typer.Option("--wallet", help="The new wallet. Default: the user's present wallet."),
    ] = None,
    no_wait: Annotated[
        bool, typer.Option("--no-wait", help="Wake the workers and return at once.")
    ] = False,
    inline: Inline = False,
    as_json: AsJson = False,
) -> None:
    """Retry now all work of a week that waits or stopped. Pays nobody twice.

    Waits until the work is done, and reports what became of it.
    """
    if no_wait and inline:
        raise UsageError("--inline does the work in this process, so it cannot be left to others.")
    session = session_of(context)
    redirected: Reward | None = None
    if rewallet is not None:
        target = wallet or wallet_of_today(session.context, rewallet)
        redirected = redirect_reward(session.context, week, rewallet, target)
        say(f"{redirected.user_id}'s reward of {week.label} goes to {target}.")
    planned_distribution(session.store, week)
    before = board(session.store, week)
    count = retry_week(session.store, week)
    say(f"{week.label}: {counted(count, 'piece')} of work made due now.")
    wake = partial(session.broker.wake, "tasks.retry", week=week.id)
    if no_wait:
        _leave_to_workers(session, week, wake, as_json=as_json)
        return
    code = _pay(session, week, wake, inline=inline, as_json=as_json)
    if code is not ExitCode.INTERRUPTED and not _say_result(session, before, redirected):
        code = code or ExitCode.NOT_READY
    raise typer.Exit(code)


def _leave_to_workers(
    session: Session, week: Week, wake: Callable[[], None], *, as_json: bool
) -> None:
    session.broker.require_workers()
    wake()
    data, render = look_at_week(session.store, week)
    emit(data, as_json=as_json, render=render)
    say(f"Workers do the work now. Follow it with `kontrib status {week.label} --watch`.")


def _say_result(session: Session, before: Board, redirected: Reward | None) -> bool:
    """Print what a retry has paid. False if it was to pay one reward, which is not paid."""
    store, week = session.store, before.week
    after = board(store, week)
    count = after.paid.count - before.paid.count
    amount = tokens_text(after.paid.amount - before.paid.amount)
    say(f"This retry paid {counted(count, 'reward')}, {amount} KONTRIB.")
    if redirected is None:
        return True
    now = store.reward(week, redirected.user_id)
    if now is not None and now.status is Status.COMPLETED:
        say(f"{now.user_id}'s reward is paid: {now.signature or 'signature not read yet'}.")
        return True
    say(f"{redirected.user_id}'s reward is not paid yet; see `kontrib status {week.label}`.")
    return False


def _pay(
    session: Session,
    week: Week,
    wake: Callable[[], None],
    *,
    inline: bool,
    as_json: bool,
    at_once: bool = False,
) -> ExitCode:
    """Pay in this process, or wake workers and follow them. Print how it ended.

    Raises:
        NoWorker, BrokerUnreachable: no worker can be woken.
    """
    if not inline:
        session.broker.require_workers()
        wake()
    try:
        found = work_inline(session, week, at_once=at_once) if inline else follow(session, week)
    except KeyboardInterrupt:
        say(
            f"Interrupted. {week.label}: {doing_text(board(session.store, week))}. Nothing is lost "
            f"and nothing is paid twice: `kontrib run {week.label}` continues, and "
            f"`kontrib status {week.label} --watch` shows its progress."
        )
        return ExitCode.INTERRUPTED
    data, render = look_at_week(session.store, week)
    data |= {"exit_code": found.exit_code, "said": found.sentence}
    emit(data, as_json=as_json, render=render)
    say(found.sentence)
    return found.exit_code
