"""Commands about one week: genesis, plan, approve, run, retry, status, reconcile."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

import typer

from worker.cli.arguments import (
    AsJson,
    Inline,
    OptionalWeek,
    WeekArgument,
    read_week,
    session_of,
)
from worker.core.week import Week

FirstWeek = Annotated[
    Week,
    typer.Option(
        "--first-week", parser=read_week, metavar="WEEK", help="The first week ever to be paid."
    ),
]


def register(app: typer.Typer) -> None:
    """Add these commands."""
    examples: dict[Callable[..., None], str] = {
        genesis: "kontrib genesis --first-week 2024-W50",
        plan: "kontrib plan 2024-W50 --dry-run",
        approve: "kontrib approve 2024-W50",
        run: "kontrib run 2024-W50",
        status: "kontrib status 2024-W50 --watch",
        retry: "kontrib retry 2024-W50",
        reconcile: "kontrib reconcile 2024-W50 --json",
    }
    for command, example in examples.items():
        app.command(epilog=f"Example: {example}")(command)


def genesis(context: typer.Context, first_week: FirstWeek, as_json: AsJson = False) -> None:
    """Bind the receipt key to this cluster, this mint and a first week. Once, ever."""
    from worker.cli.week.work import make_the_genesis

    make_the_genesis(session_of(context), first_week, as_json=as_json)


def plan(
    context: typer.Context,
    week: WeekArgument,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what the plan would be, and write nothing.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Compute a week's plan, write and publish it. Workers anchor it; nobody is paid before."""
    from worker.cli.week.work import plan_the_week, preview_the_week

    act = preview_the_week if dry_run else plan_the_week
    act(session_of(context), week, as_json=as_json)


def approve(context: typer.Context, week: WeekArgument) -> None:
    """Let a planned week be anchored, where system_config.require_approval is on."""
    from worker.cli.week.work import approve_the_week

    approve_the_week(session_of(context), week)


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
    from worker.cli.week.work import run_the_week

    code = run_the_week(session_of(context), week, inline=inline, at_once=now, as_json=as_json)
    raise typer.Exit(code)


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
    from worker.cli.week.work import redirect_the_reward, retry_the_week

    if rewallet is not None:
        redirect_the_reward(session_of(context), week, rewallet, wallet)
    raise typer.Exit(retry_the_week(session_of(context), week, inline=inline, as_json=as_json))


def status(
    context: typer.Context,
    week: OptionalWeek = None,
    watch: Annotated[bool, typer.Option("--watch", help="Keep looking until Ctrl-C.")] = False,
    as_json: AsJson = False,
) -> None:
    """Show all weeks, or one in detail."""
    from worker.cli.week.status import show_status, watch_status

    act = watch_status if watch and not as_json else show_status
    act(session_of(context), week, as_json=as_json)


def reconcile(context: typer.Context, week: WeekArgument, as_json: AsJson = False) -> None:
    """Compare plan, database and chain to the base unit; exits 1 where they differ."""
    from worker.cli.week.work import reconcile_the_week

    if not reconcile_the_week(session_of(context), week, as_json=as_json):
        raise typer.Exit(1)
