"""Commands on stakes: stake, unstake, stakes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

import typer
from rich.console import Console

from worker.cli.arguments import (
    EXAMPLE_USER,
    AsJson,
    UserArgument,
    read_amount,
    read_signature,
    read_text,
    session_of,
    whole_number,
)
from worker.cli.command import command
from worker.cli.console import emit, table
from worker.core.money import tokens_text
from worker.core.wiki.stake_record import StakeRecord
from worker.core.wiki.staking import as_of
from worker.services.wiki import staking

commands = typer.Typer()


Transaction = Annotated[
    str | None,
    typer.Option(
        "--tx",
        parser=read_signature,
        metavar="SIGNATURE",
        help="The transaction that moved the tokens.",
    ),
]


@command(commands, f"kontrib stake {EXAMPLE_USER} 250.5 --days 90")
def stake(
    context: typer.Context,
    user: UserArgument,
    amount: Annotated[
        str,
        typer.Argument(
            parser=read_amount, metavar="AMOUNT", help="In KONTRIB.", show_default=False
        ),
    ],
    days: Annotated[
        int,
        typer.Option(
            "--days",
            parser=whole_number(),
            metavar="DAYS",
            help="30, 90, 180 or 365, as configured.",
        ),
    ],
    tx: Transaction = None,
    as_json: AsJson = False,
) -> None:
    """Stake tokens that a user has earned. With STAKING_VAULT, --tx names the transfer."""
    made = staking.stake(session_of(context).wiki, user, amount, days, signature=tx)
    _show_one(made, as_json=as_json)


@command(commands, "kontrib unstake 6765f1c2a4b3c2d1e0f90817")
def unstake(
    context: typer.Context,
    stake_id: Annotated[
        str,
        typer.Argument(
            parser=read_text, metavar="STAKE", help="The stake's id.", show_default=False
        ),
    ],
    tx: Transaction = None,
    as_json: AsJson = False,
) -> None:
    """End a stake, even before its time is over. Weeks that end later ignore the stake."""
    _show_one(staking.unstake(session_of(context).wiki, stake_id, signature=tx), as_json=as_json)


@command(commands, f"kontrib stakes {EXAMPLE_USER} --json")
def stakes(context: typer.Context, user: UserArgument, as_json: AsJson = False) -> None:
    """List a user's stakes and their interest."""
    wiki = session_of(context).wiki
    account, now = wiki.account(user), wiki.now()
    found = [as_of(each, now) for each in wiki.staking.stakes_of(account.user_id)]
    emit(
        {"user": account.user_id, "stakes": [_document(each) for each in found]},
        as_json=as_json,
        render=lambda console: _show(console, found),
    )


def _show_one(made: StakeRecord, *, as_json: bool) -> None:
    emit(_document(made), as_json=as_json, render=lambda console: _show(console, [made]))


def _document(stake: StakeRecord) -> dict[str, Any]:
    return {
        "id": stake.id,
        "user": stake.user_id,
        "amount_base_units": stake.amount,
        "days": stake.days,
        "apy": float(stake.apy),
        "multiplier": float(stake.multiplier),
        "start": stake.start,
        "end": stake.end,
        "unstaked_at": stake.unstaked_at,
        "status": stake.status,
        "rewards_earned_base_units": stake.rewards_earned,
        "accrued_through": stake.accrued_through,
        "stake_tx_hash": stake.stake_signature,
        "unstake_tx_hash": stake.unstake_signature,
    }


def _show(console: Console, stakes: Sequence[StakeRecord]) -> None:
    if not stakes:
        console.print("No stakes.")
        return
    made = table(
        *("stake", ">KONTRIB", ">days", ">multiplier", "from", "to", "status", ">interest")
    )
    for stake in stakes:
        made.add_row(
            stake.id,
            tokens_text(stake.amount),
            str(stake.days),
            f"{stake.multiplier}",
            f"{stake.start:%Y-%m-%d}",
            f"{stake.unstaked_at or stake.end:%Y-%m-%d}",
            stake.status.value,
            tokens_text(stake.rewards_earned),
        )
    console.print(made)
