"""`kontrib simulate`: what other rules would have paid, over real history."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from worker.cli.arguments import AsJson, read_week
from worker.cli.command import command
from worker.core.plan.allocation import StakingBonus
from worker.core.week import Week

_TOKENS = "In KONTRIB."


commands = typer.Typer()


@command(
    commands,
    "kontrib simulate --pool 15000 --from 2022-W01 --to 2024-W52 "
    "contributions.jsonl.gz --plot plot.svg",
)
def simulate(
    file: Annotated[
        str,
        typer.Argument(
            metavar="FILE", help="Contributions as JSON lines or CSV, gzip or not; - is stdin."
        ),
    ],
    pool: Annotated[
        str | None, typer.Option("--pool", metavar="TOKENS", help=f"The weekly pool. {_TOKENS}")
    ] = None,
    min_points: Annotated[
        int | None, typer.Option("--min-points", min=1, help="Points that qualify for a reward.")
    ] = None,
    floor: Annotated[
        str | None,
        typer.Option("--floor", metavar="TOKENS", help=f"The least that anyone gets. {_TOKENS}"),
    ] = None,
    staking_bonus: Annotated[
        StakingBonus | None,
        typer.Option("--staking-bonus", help="Where stakers' bonuses come from."),
    ] = None,
    stakers: Annotated[
        int, typer.Option("--stakers", min=0, max=100, help="Percent of users assumed to stake.")
    ] = 0,
    multiplier: Annotated[
        str, typer.Option("--multiplier", help="The staking multiplier of those.")
    ] = "1.3",
    first: Annotated[
        Week | None,
        typer.Option("--from", parser=read_week, metavar="WEEK", help="Default: the file's first."),
    ] = None,
    last: Annotated[
        Week | None,
        typer.Option("--to", parser=read_week, metavar="WEEK", help="Default: the file's last."),
    ] = None,
    rules: Annotated[
        Path | None,
        typer.Option(
            "--rules",
            metavar="FILE",
            help="A system_config document as JSON. Default: the first one of a new database.",
        ),
    ] = None,
    plot: Annotated[
        Path | None, typer.Option("--plot", metavar="FILE", help="Also draw it, as SVG.")
    ] = None,
    as_json: AsJson = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print the weeks as CSV.")] = False,
) -> None:
    """Replay a history of contributions under other rules. Reads one file, and writes nothing."""
    from worker.cli.report.simulate import Changes, Output, run_simulation

    changes = Changes(pool, floor, min_points, staking_bonus, stakers, multiplier)
    run_simulation(file, rules, changes, (first, last), Output(plot, as_json, as_csv))
