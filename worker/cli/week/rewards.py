"""Commands about single rewards, and about a week's records: hold, release, rebuild."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from worker.cli.arguments import AsJson, WeekArgument, session_of

if TYPE_CHECKING:
    from rich.console import Console

    from worker.cli.session import Session
    from worker.core.week import Week

REBUILD_SECONDS = 3600.0

UserArgument = Annotated[
    str, typer.Argument(metavar="USER", help="The user's id in the wiki.", show_default=False)
]


def register(app: typer.Typer) -> None:
    """Add these commands."""
    user = "507f1f77bcf86cd799439011"
    app.command(epilog=f'Example: kontrib hold {user} 2024-W50 --reason "identity in doubt"')(hold)
    app.command(epilog=f"Example: kontrib release {user} 2024-W50")(release)
    app.command(epilog="Example: kontrib rebuild 2024-W50 --from-chain")(rebuild)


def hold(
    context: typer.Context,
    user: UserArgument,
    week: WeekArgument,
    reason: Annotated[str, typer.Option("--reason", help="Recorded on the reward.")],
) -> None:
    """Keep an unpaid reward that goes out alone from being sent."""
    from worker.cli.console import say
    from worker.services.payout.override import hold_reward

    reward = hold_reward(session_of(context).context, week, user, reason)
    say(f"{reward.user_id}'s reward of {week.label} is held: {reason}")


def release(context: typer.Context, user: UserArgument, week: WeekArgument) -> None:
    """Let a held reward go again."""
    from worker.cli.console import say
    from worker.cli.week.work import wake_or_say
    from worker.services.payout.override import release_reward

    session = session_of(context)
    reward = release_reward(session.context, week, user)
    say(f"{reward.user_id}'s reward of {week.label} is released.")
    wake_or_say(session, "tasks.retry", week=week)


def rebuild(
    context: typer.Context,
    week: WeekArgument,
    from_chain: Annotated[
        bool,
        typer.Option("--from-chain", help="Confirm: the database's records are replaced."),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Replace a week's records by what the chain and the published plan say. Signs nothing.

    Without the published plan it shows what was paid, by wallet, and changes nothing.
    """
    from worker.core.errors import UsageError
    from worker.services.plan.adopt import AnchoredPlanMissing

    if not from_chain:
        raise UsageError(
            f"This replaces what the database says of {week.label}. Confirm it with --from-chain."
        )
    session = session_of(context)
    try:
        _rebuild(session, week, as_json=as_json)
    except AnchoredPlanMissing as error:
        _show_recovered(session, week, as_json=as_json)
        raise error from None


def _rebuild(session: Session, week: Week, *, as_json: bool) -> None:
    from worker.cli.console import emit, facts, waiting
    from worker.cli.week.work import wake_or_say
    from worker.core.money import tokens_text
    from worker.services.context import Deadline
    from worker.services.payout.rebuild import rebuild_week

    with waiting(f"Rebuilding {week.label} from the chain"):
        deadline = Deadline(session.clock, REBUILD_SECONDS)
        rebuilt = rebuild_week(session.context, week, deadline)

    def render(screen: Console) -> None:
        rows = {
            "week": week.label,
            "root": rebuilt.root.hex(),
            "payouts": f"{rebuilt.paid} paid, {rebuilt.void} void, {rebuilt.open} open",
            "paid": f"{tokens_text(rebuilt.amount)} KONTRIB",
        }
        screen.print(facts(rows))

    emit(rebuilt, as_json=as_json, render=render)
    wake_or_say(session, "tasks.retry", week=week)


def _show_recovered(session: Session, week: Week, *, as_json: bool) -> None:
    from worker.cli.console import emit, table
    from worker.core.money import tokens_text
    from worker.services.payout.rebuild import recover_by_wallet

    found = recover_by_wallet(session.context, week)
    data: dict[str, Any] = {
        "week": week.label,
        "root": found.memo.root,
        "paid": found.paid,
        "missing_base_units": found.missing,
        "open_batches": found.open_batches,
        "void_batches": found.void_batches,
    }

    def render(screen: Console) -> None:
        paid = table("wallet", ">KONTRIB", "batch", "signature", title=f"Paid in {week.label}")
        for entry in found.paid:
            amount = tokens_text(entry.transfer.amount)
            paid.add_row(entry.transfer.wallet, amount, entry.batch, entry.signature)
        screen.print(paid)
        screen.print(
            f"{tokens_text(found.missing)} KONTRIB of the plan are not accounted for: "
            f"{found.open_batches} batches open, {found.void_batches} void, the rest held."
        )

    emit(data, as_json=as_json, render=render)
