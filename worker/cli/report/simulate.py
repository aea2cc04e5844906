"""`kontrib simulate`: replays real history under other rules, beside today's."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from worker.cli.arguments import AsJson, read_amount, read_week, whole_number
from worker.cli.command import command
from worker.cli.console import FileNotWritten, emit, progress_bar, say
from worker.cli.input_file import FileUnusable, Input, open_input
from worker.cli.report import simulation_views as views
from worker.core.money import base_units, exact_decimal
from worker.core.plan.allocation import Policy, StakingBonus, scaled_multiplier
from worker.core.plan.points import PointRules
from worker.core.plan.rules import rules_from
from worker.core.report.simulation import Scenario
from worker.core.week import Week
from worker.core.wiki.files.extended_json import NotExtendedJson, plain_values
from worker.core.wiki.files.reading import read_records
from worker.core.wiki.files.record import Record
from worker.core.wiki.files.strict_json import MalformedJson, read_json
from worker.core.wording import counted
from worker.services.report.history_simulation import Comparison, History, read_history, replay

PROGRESS_LINES = 1000
commands = typer.Typer()
_File = Annotated[
    str,
    typer.Argument(
        metavar="FILE", help="Contributions as JSON or CSV, compressed or not; - is stdin."
    ),
]
_Pool = Annotated[
    str | None,
    typer.Option(
        "--pool", parser=read_amount, metavar="TOKENS", help="The weekly pool in KONTRIB."
    ),
]
_MinPoints = Annotated[
    int | None,
    typer.Option(
        "--min-points",
        parser=whole_number(1),
        metavar="POINTS",
        help="The fewest points for a reward.",
    ),
]
_Floor = Annotated[
    str | None,
    typer.Option(
        "--floor", parser=read_amount, metavar="TOKENS", help="The smallest reward in KONTRIB."
    ),
]
_Bonus = Annotated[
    StakingBonus | None,
    typer.Option("--staking-bonus", help="The source of the stakers' bonuses."),
]
_Stakers = Annotated[
    int,
    typer.Option(
        "--stakers",
        parser=whole_number(0, 100),
        metavar="PERCENT",
        help="The percentage of users who stake.",
    ),
]
_Multiplier = Annotated[
    str,
    typer.Option(
        "--multiplier",
        parser=read_amount,
        metavar="NUMBER",
        help="The staking multiplier of these users.",
    ),
]
_First = Annotated[
    Week | None,
    typer.Option(
        "--from", parser=read_week, metavar="WEEK", help="First week. Default: the file's."
    ),
]
_Last = Annotated[
    Week | None,
    typer.Option("--to", parser=read_week, metavar="WEEK", help="Last week. Default: the file's."),
]
_RulesFile = Annotated[
    Path | None,
    typer.Option(
        "--rules",
        metavar="FILE",
        help="A system_config document as JSON. Default: that of a new database.",
    ),
]
_Plot = Annotated[
    Path | None, typer.Option("--plot", metavar="FILE", help="Also write a plot (SVG).")
]
_AsCsv = Annotated[bool, typer.Option("--csv", help="Print the weeks as CSV.")]


@command(
    commands,
    "kontrib simulate --pool 15000 --from 2022-W01 --to 2024-W52 "
    "contributions.jsonl.gz --plot plot.svg",
)
def simulate(
    file: _File,
    pool: _Pool = None,
    min_points: _MinPoints = None,
    floor: _Floor = None,
    staking_bonus: _Bonus = None,
    stakers: _Stakers = 0,
    multiplier: _Multiplier = "1.3",
    first: _First = None,
    last: _Last = None,
    rules: _RulesFile = None,
    plot: _Plot = None,
    as_json: AsJson = False,
    as_csv: _AsCsv = False,
) -> None:
    """Replay a history of contributions under other rules. It reads one file and no database."""
    today, scaled = rules_from(_system_config(rules)), scaled_multiplier(exact_decimal(multiplier))
    tried = Policy(
        pool=today.pool if pool is None else base_units(pool),
        floor=today.floor if floor is None else base_units(floor),
        staking_bonus=staking_bonus or today.staking_bonus,
    )
    scenarios = (
        Scenario(today.policy, today.min_points, stakers, scaled),
        Scenario(tried, min_points or today.min_points, stakers, scaled),
    )
    compared = _compare(file, today.points, scenarios, first, last)
    if as_csv:
        views.print_csv(compared)
    else:
        document = views.comparison_document(compared)
        emit(document, as_json=as_json, render=lambda console: views.show(console, compared))
    _print_notes(compared.history, bonus_without_stakers=bool(staking_bonus) and not stakers)
    if plot is not None:
        _write_plot(plot, views.plot_values(compared))


def _compare(
    file: str,
    points: PointRules,
    scenarios: tuple[Scenario, Scenario],
    first: Week | None,
    last: Week | None,
) -> Comparison:
    """Replay the file under each scenario, from its first to its last week by default."""
    with open_input(file) as source:
        history = read_history(_records(source), points, first, last)
    if source.failure is not None:
        raise source.failure
    found = history.span()
    weeks = (first or found[0]).until(last or found[-1])
    today, tried = (replay(history, weeks, scenario) for scenario in scenarios)
    return Comparison(history, today, tried)


def _system_config(path: Path | None) -> Mapping[str, Any]:
    if path is None:
        from worker.bootstrap.without_settings import first_system_config

        return first_system_config()
    try:
        value = plain_values(read_json(path.read_bytes()))
    except OSError as error:
        raise FileUnusable(str(path), error.strerror or str(error)) from None
    except (MalformedJson, NotExtendedJson, RecursionError) as error:
        raise FileUnusable(str(path), f"it is not JSON ({error})") from None
    if not isinstance(value, dict):
        raise FileUnusable(str(path), "it is not a JSON object")
    return value


def _records(source: Input) -> Iterator[Record]:
    with progress_bar("Reading", source.bytes_total, unit="bytes") as advance:
        for record in read_records(source):
            if record.line % PROGRESS_LINES == 0:
                advance(source.bytes_read, f"{counted(record.line, 'line')}")
            yield record


def _print_notes(history: History, *, bonus_without_stakers: bool) -> None:
    if history.malformed:
        say(
            f"Note: {history.malformed:,} malformed lines are ignored. The first is "
            f"{history.first_problem}"
        )
    if bonus_without_stakers:
        say(
            "Note: a history of contributions shows no stakes. Without --stakers nobody "
            "stakes, and --staking-bonus has no effect."
        )


def _write_plot(path: Path, values: Mapping[str, object]) -> None:
    from worker.bootstrap.without_settings import render_report

    try:
        path.write_text(render_report("simulation.svg", **values), encoding="utf-8")
    except OSError as error:
        raise FileNotWritten(path, error) from None
    say(f"The plot is in {path}.")
