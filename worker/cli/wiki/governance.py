"""Commands about proposals: propose, vote, proposals, cancel, execute."""

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
)
from worker.cli.command import command
from worker.cli.console import emit
from worker.core.money import tokens_text
from worker.core.wiki.governance import VOTING_MAX, Choice, ProposalStatus, ProposalType

commands = typer.Typer()
ProposalArgument = Annotated[
    str, typer.Argument(metavar="PROPOSAL", help="The proposal's id.", show_default=False)
]
_PROPOSAL = "6765f1c2a4b3c2d1e0f90817"


def read_moment(text: str) -> datetime:
    """
    Raises:
        typer.BadParameter: the text is no moment.
    """
    try:
        moment = datetime.fromisoformat(text)
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):
        raise typer.BadParameter(f"'{text}' is no moment; write 2024-12-16T00:00Z") from None


@command(
    commands,
    f'kontrib propose "Raise the pool" --by {EXAMPLE_USER} '
    "--parameter weekly_token_pool --value 15000",
)
def propose(
    context: typer.Context,
    title: Annotated[str, typer.Argument(metavar="TITLE", show_default=False)],
    by: Annotated[str, typer.Option("--by", metavar="USER", help="Who proposes it.")],
    type_: Annotated[
        ProposalType, typer.Option("--type", help="What kind of proposal it is.")
    ] = ProposalType.PARAMETER_CHANGE,
    parameter: Annotated[
        str | None, typer.Option(help="What a parameter_change changes, such as weekly_pool.")
    ] = None,
    value: Annotated[
        str | None, typer.Option(parser=read_amount, metavar="VALUE", help="Its new value.")
    ] = None,
    data: Annotated[
        str | None, typer.Option(metavar="JSON", help="Of the other types: any JSON object.")
    ] = None,
    description: Annotated[str, typer.Option(help="Why.")] = "",
    start: Annotated[
        datetime | None,
        typer.Option(parser=read_moment, metavar="MOMENT", help="When the vote begins. Now."),
    ] = None,
    days: Annotated[
        int, typer.Option(min=1, max=VOTING_MAX.days, help="How long the vote lasts.")
    ] = 7,
    quorum: Annotated[
        str | None,
        typer.Option(
            parser=read_amount, metavar="AMOUNT", help="Least voting power, in KONTRIB. 20,000."
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Put a proposal to the vote. A change that passes takes effect with the next planned week."""
    from worker.cli.wiki.proposal_view import show_one
    from worker.services.wiki.governance import Idea, propose

    idea = Idea(
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
    show_one(propose(session_of(context).wiki, idea), as_json=as_json)


@command(commands, f"kontrib vote {_PROPOSAL} {EXAMPLE_USER} for")
def vote(
    context: typer.Context,
    proposal: ProposalArgument,
    user: UserArgument,
    choice: Annotated[Choice, typer.Argument(show_default=False)],
    as_json: AsJson = False,
) -> None:
    """Cast a user's vote, or change it. It weighs what they could vote with when it began."""
    from worker.services.wiki.governance import vote

    cast = vote(session_of(context).wiki, proposal, user, choice)
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
        list[ProposalStatus] | None, typer.Option("--status", help="Only these; repeatable.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """List proposals with their votes."""
    from worker.cli.wiki.proposal_view import show_all

    found = session_of(context).wiki.governance.proposals(status or list(ProposalStatus))
    show_all(found, as_json=as_json)


@command(commands, f'kontrib cancel {_PROPOSAL} --reason "a mistake"')
def cancel(
    context: typer.Context,
    proposal: ProposalArgument,
    reason: Annotated[str, typer.Option("--reason", help="Recorded on it.")] = "by an operator",
    as_json: AsJson = False,
) -> None:
    """End a proposal that is not decided, or that passed and cannot be executed."""
    from worker.cli.wiki.proposal_view import show_one
    from worker.services.wiki.governance import cancel

    show_one(cancel(session_of(context).wiki, proposal, reason), as_json=as_json)


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
            help="The transaction that did it, if any.",
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Execute a passed change now, or record that a passed proposal of another type was done."""
    from worker.cli.wiki.proposal_view import show_one
    from worker.services.wiki.governance import get_proposal
    from worker.services.wiki.governance_clock import execute

    wiki = session_of(context).wiki
    show_one(execute(wiki, get_proposal(wiki, proposal), signature=tx), as_json=as_json)
