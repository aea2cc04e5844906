"""Commands on proposals: propose, vote, proposals, cancel, execute."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated

import typer

from worker.cli.arguments import (
    EXAMPLE_USER,
    AsJson,
    UserArgument,
    read_amount,
    read_object,
    read_signature,
    session_of,
    whole_number,
)
from worker.cli.command import command
from worker.cli.console import emit
from worker.cli.wiki.proposal_view import show_all, show_one
from worker.core.money import tokens_text
from worker.core.wiki.governance import VOTING_MAX, Choice, ProposalStatus, ProposalType
from worker.services.wiki import governance, governance_clock

commands = typer.Typer()
ProposalArgument = Annotated[
    str, typer.Argument(metavar="PROPOSAL", help="The proposal's id.", show_default=False)
]
_PROPOSAL = "6765f1c2a4b3c2d1e0f90817"

_Days = Annotated[
    int,
    typer.Option(
        parser=whole_number(1, VOTING_MAX.days),
        metavar="DAYS",
        help="The days that the vote lasts.",
    ),
]


def read_moment(text: str) -> datetime:
    """
    Raises:
        typer.BadParameter: the text is not a moment.
    """
    try:
        moment = datetime.fromisoformat(text)
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):
        raise typer.BadParameter(f"'{text}' is not a moment; write 2024-12-16T00:00Z") from None


@command(
    commands,
    f'kontrib propose "Raise the pool" --by {EXAMPLE_USER} '
    "--parameter weekly_token_pool --value 15000",
)
def propose(
    context: typer.Context,
    title: Annotated[str, typer.Argument(metavar="TITLE", show_default=False)],
    by: Annotated[str, typer.Option("--by", metavar="USER", help="The proposing user.")],
    type_: Annotated[
        ProposalType, typer.Option("--type", help="The kind of proposal.")
    ] = ProposalType.PARAMETER_CHANGE,
    parameter: Annotated[
        str | None, typer.Option(help="The parameter to change, such as weekly_pool.")
    ] = None,
    value: Annotated[
        str | None, typer.Option(parser=read_amount, metavar="VALUE", help="Its new value.")
    ] = None,
    data: Annotated[
        str | None, typer.Option(metavar="JSON", help="Details of other types, as a JSON object.")
    ] = None,
    description: Annotated[str, typer.Option(help="The reasons for the proposal.")] = "",
    start: Annotated[
        datetime | None,
        typer.Option(parser=read_moment, metavar="MOMENT", help="Start of the vote. Default: now."),
    ] = None,
    days: _Days = 7,
    quorum: Annotated[
        str | None,
        typer.Option(
            parser=read_amount,
            metavar="AMOUNT",
            help="The least voting power, in KONTRIB. Default: 20,000.",
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Put a proposal to the vote. A change that passes takes effect with the next planned week."""
    idea = governance.Idea(
        title=title,
        proposer_id=by,
        type=type_,
        description=description,
        parameter=parameter,
        value=value,
        parameters=read_object("--data", data),
        voting_start=start,
        voting_time=timedelta(days=days),
        quorum=quorum,
    )
    show_one(governance.propose(session_of(context).wiki, idea), as_json=as_json)


@command(commands, f"kontrib vote {_PROPOSAL} {EXAMPLE_USER} for")
def vote(
    context: typer.Context,
    proposal: ProposalArgument,
    user: UserArgument,
    choice: Annotated[Choice, typer.Argument(show_default=False)],
    as_json: AsJson = False,
) -> None:
    """Cast or change a user's vote. The weight is the user's voting power when the vote began."""
    cast = governance.vote(session_of(context).wiki, proposal, user, choice)
    document = {
        "proposal": cast.proposal_id,
        "user": cast.user_id,
        "choice": cast.choice,
        "weight_base_units": cast.weight,
        "cast_at": cast.cast_at,
    }
    text = f"{cast.user_id} votes {cast.choice.value} with {tokens_text(cast.weight)} KONTRIB"
    emit(document, as_json=as_json, render=lambda console: console.print(text, markup=False))


@command(commands, "kontrib proposals --status active")
def proposals(
    context: typer.Context,
    status: Annotated[
        list[ProposalStatus] | None,
        typer.Option("--status", help="Show only this status; may be repeated."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """List proposals with their votes."""
    found = session_of(context).wiki.governance.proposals(status or list(ProposalStatus))
    show_all(found, as_json=as_json)


@command(commands, f'kontrib cancel {_PROPOSAL} --reason "a mistake"')
def cancel(
    context: typer.Context,
    proposal: ProposalArgument,
    reason: Annotated[
        str, typer.Option("--reason", help="Recorded on the proposal.")
    ] = "by an operator",
    as_json: AsJson = False,
) -> None:
    """End an undecided proposal, or a passed one that cannot be executed."""
    show_one(governance.cancel(session_of(context).wiki, proposal, reason), as_json=as_json)


@command(commands, f"kontrib execute {_PROPOSAL}")
def execute(
    context: typer.Context,
    proposal: ProposalArgument,
    tx: Annotated[
        str | None,
        typer.Option(
            "--tx",
            parser=read_signature,
            metavar="SIGNATURE",
            help="The transaction that executed it, if any.",
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Execute a passed change now, or record that a passed proposal was carried out."""
    wiki = session_of(context).wiki
    found = governance.get_proposal(wiki, proposal)
    show_one(governance_clock.execute(wiki, found, signature=tx), as_json=as_json)
