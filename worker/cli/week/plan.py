"""Commands before a week is paid: genesis, plan, approve."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

import typer
from rich.console import Console

from worker.cli.arguments import (
    AsJson,
    WeekArgument,
    read_root,
    read_week,
    session_of,
    whole_number,
)
from worker.cli.board_view import look_at_week
from worker.cli.command import command
from worker.cli.console import emit, facts, say, waiting
from worker.cli.session import Session
from worker.cli.week import plan_view
from worker.core.lifecycle import Stage
from worker.core.week import Week
from worker.services.plan.approval import ApprovalMissing, PlanReplaced, check_approved
from worker.services.plan.genesis import make_genesis
from worker.services.plan.plan_week import dry_run, plan_again, plan_week
from worker.services.plan.planned_week import planned_week
from worker.services.plan.preview import preview
from worker.services.week.status import board
from worker.services.week.unblock import approve_week

commands = typer.Typer()


@command(commands, "kontrib genesis --first-week 2024-W50")
def genesis(
    context: typer.Context,
    first_week: Annotated[
        Week,
        typer.Option(
            "--first-week",
            parser=read_week,
            metavar="WEEK",
            help="The first week to be paid.",
        ),
    ],
    after_cutoff: Annotated[
        int | None,
        typer.Option(
            "--after-cutoff",
            parser=whole_number(),
            metavar="SECONDS",
            help="For a new receipt key, if the database lacks the weeks of the key before: its "
            "last cut-off, from the first line of its last published plan.",
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Bind the receipt key to this cluster, this mint and a first week, once and for ever."""
    services = session_of(context).context
    with waiting("Waiting until the genesis is final on chain"):
        signature, made = make_genesis(services, first_week, after_cutoff)
    earlier = services.store.earlier_key()
    data = {"first_week": first_week.label, "made_now": made, "signature": signature}
    data["after_cutoff"] = earlier.cutoff if earlier else None
    how = "made" if made else "there already"
    rows = {
        "genesis": f"{how}, first week {first_week.label}",
        "late points": f"recorded since {_moment(earlier.cutoff)}" if earlier else None,
        "signature": signature,
    }
    emit(data, as_json=as_json, render=lambda console: console.print(facts(rows)))


def _moment(unix_seconds: int) -> str:
    return f"{datetime.fromtimestamp(unix_seconds, UTC):%Y-%m-%d %H:%M:%S} UTC ({unix_seconds})"


@command(commands, "kontrib plan 2024-W50 --dry-run")
def plan(
    context: typer.Context,
    week: WeekArgument,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show the plan and write nothing.")
    ] = False,
    again: Annotated[
        bool, typer.Option("--again", help="Replace a plan that is not anchored yet.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Compute, write and publish a week's plan. Nobody is paid before workers anchor it."""
    if dry_run:
        _preview(session_of(context), week, as_json=as_json)
    else:
        _plan(session_of(context), week, again=again, as_json=as_json)


def _preview(session: Session, week: Week, *, as_json: bool) -> None:
    with waiting(f"Computing {week.label}"):
        found = preview(session.context, dry_run(session.context, week))
    emit(
        plan_view.preview_document(found),
        as_json=as_json,
        render=lambda c: plan_view.show_preview(c, found),
    )
    if found.stage is not Stage.DUE:
        say(
            f"Note: {week.label} already has a plan (stage {found.stage.value}), and kontrib pays "
            "that one. The plan above is computed from today's data."
        )


def _plan(session: Session, week: Week, *, again: bool, as_json: bool) -> None:
    context = session.context
    with waiting(f"Planning {week.label}"):
        planned = plan_again(context, week) if again else plan_week(context, week, at_once=True)
    current = board(context.store, week)
    where = context.archive.location(week, planned.root)
    notes = plan_view.notes_of(current)
    data, show = look_at_week(context.store, week)
    data |= {"notes": plan_view.notes_document(notes)}
    data |= {"how": planned.how, "published": where}

    def render(console: Console) -> None:
        show(console)
        plan_view.show_notes(console, notes)

    emit(data, as_json=as_json, render=render)
    say(f"The plan was {planned.how} and is published at {where}.")
    if current.stage is Stage.PLANNED:
        try:
            check_approved(context.store, context.rules(), planned_week(context.store, week))
        except (ApprovalMissing, PlanReplaced) as error:
            say(f"Nothing is paid yet. {error}")
        else:
            say(f"Nothing is paid yet. Workers or `kontrib run {week.label}` anchor the plan.")


@command(commands, "kontrib approve 2024-W50 --root ROOT")
def approve(
    context: typer.Context,
    week: WeekArgument,
    root: Annotated[
        bytes | None,
        typer.Option(
            "--root",
            parser=read_root,
            metavar="ROOT",
            help="The plan's root, from `kontrib status WEEK`. Only this plan is approved.",
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Let a planned week be anchored that waits for approval."""
    session = session_of(context)
    is_new = approve_week(session.store, week, root)
    document = {"week": week.label, "root": root, "approved": True, "already_anchored": not is_new}
    emit(document, as_json=as_json)
    if not is_new:
        say(f"{week.label} is anchored already; there is nothing to approve.")
        return
    say(f"{week.label} is approved.")
    session.broker.wake_if_possible("tasks.retry", week)
