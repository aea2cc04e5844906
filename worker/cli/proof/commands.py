"""`kontrib publish`, `verify`, `proof` and `verify-proof`: what convinces a stranger."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from worker.cli.arguments import AsJson, WeekArgument, session_of
from worker.cli.command import command
from worker.core.errors import ExitCode

commands = typer.Typer()
RpcUrls = Annotated[
    list[str] | None,
    typer.Option(
        "--rpc", metavar="URL", help="Compare with the chain at this endpoint; may be repeated."
    ),
]


@command(commands, "kontrib publish 2024-W50 bundles")
def publish(
    context: typer.Context,
    week: WeekArgument,
    folder: Annotated[
        Path, typer.Argument(metavar="DIR", help="The bundle is written to DIR/<week>.")
    ],
    as_json: AsJson = False,
) -> None:
    """Write everything by which a stranger checks a week. It names nobody."""
    from worker.cli.proof.work import publish_the_week

    publish_the_week(session_of(context), week, folder, as_json=as_json)


@command(commands, "kontrib verify bundles/2024-12-09 --rpc https://api.mainnet-beta.solana.com")
def verify(
    context: typer.Context,
    bundle: Annotated[
        Path, typer.Argument(metavar="BUNDLE", help="A published week: a folder of three files.")
    ],
    rpc: RpcUrls = None,
    tiers: Annotated[
        str | None,
        typer.Option(
            "--tiers",
            metavar="LIST",
            help="The wiki's staking multipliers, as 1.1,1.3,1.6,2; any other one is wrong.",
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Check a published week, without database, keys or settings; exits 1 if it does not hold."""
    from worker.cli.proof.work import verify_the_bundle

    if not verify_the_bundle(session_of(context), bundle, rpc or [], tiers, as_json=as_json):
        raise typer.Exit(ExitCode.FAILED)


@command(commands, "kontrib proof 507f1f77bcf86cd799439011 2024-W50 --out proof.json")
def proof(
    context: typer.Context,
    user: Annotated[str, typer.Argument(metavar="USER", help="The user's id.")],
    week: WeekArgument,
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="FILE", help="Where to write it. Default: standard output."),
    ] = None,
) -> None:
    """Prove to one contributor what the plan holds for them. For their eyes: it names them."""
    from worker.cli.proof.work import prove_the_row

    prove_the_row(session_of(context), week, user, out)


@command(commands, "kontrib verify-proof proof.json --rpc URL")
def verify_proof(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="What `kontrib proof` wrote.")],
    rpc: RpcUrls = None,
    as_json: AsJson = False,
) -> None:
    """Check one contributor's proof, without database, keys or settings."""
    from worker.cli.proof.work import verify_the_proof

    if not verify_the_proof(session_of(context), file, rpc or [], as_json=as_json):
        raise typer.Exit(ExitCode.FAILED)
