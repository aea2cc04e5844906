"""`kontrib simulate`: replays real history under other rules, beside today's."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from worker.cli.arguments import AsJson, read_amount, read_week
from worker.cli.command import command
from worker.cli.console import emit, progress_bar, say
from worker.cli.input_file import FileUnusable, Input, open_input
from worker.cli.report.report import ReportNotWritten
from worker.core.money import base_units, exact_decimal
from worker.core.plan.allocation import Policy, StakingBonus, scaled_multiplier
from worker.core.plan.rules import Rules, rules_from
from worker.core.report.simulation import Scenario
from worker.core.week import Week
from worker.core.wiki.contribution_lines import Record, read_records
from worker.services.report.history_simulation import Comparison, History, read_history, replay

PROGRESS_LINES = 1000
commands = typer.Typer()
_File = Annotated[
    str,
    typer.Argument(
        metavar="FILE", help="Contributions as JSON lines or CSV, gzip or not; - is stdin."
    ),
]
_Pool = Annotated[
    str | None,
    typer.Option(
        "--pool", parser=read_amount, metavar="TOKENS", help="The weekly pool. In KONTRIB."
    ),
]
_MinPoints = Annotated[
    int | None, typer.Option("--min-points", min=1, help="Points that qualify for a reward.")
]
_Floor = Annotated[
    str | None,
    typer.Option(
        "--floor",
        parser=read_amount,
        metavar="TOKENS",
        help="The least that anyone gets. In KONTRIB.",
    ),
]
_Bonus = Annotated[
    StakingBonus | None,
    typer.Option("--staking-bonus", help="Where stakers' bonuses come from."),
]
_Stakers = Annotated[
    int, typer.Option("--stakers", min=0, max=100, help="Percent of users assumed to stake.")
]
_Multiplier = Annotated[
    str,
    typer.Option(
        "--multiplier",
        parser=read_amount,
        metavar="NUMBER",
        help="The staking multiplier of those.",
    ),
]
_First = Annotated[
    Week | None,
    typer.Option("--from", parser=read_week, metavar="WEEK", help="Default: the file's first."),
]
_Last = Annotated[
    Week | None,
    typer.Option("--to", parser=read_week, metavar="WEEK", help="Default: the file's last."),
]
_RulesFile = Annotated[
    Path | None,
    typer.Option(
        "--rules",
        metavar="FILE",
        help="A system_config document as JSON. Default: the first one of a new database.",
    ),
]
_Plot = Annotated[Path | None, typer.Option("--plot", metavar="FILE", help="Also draw it, as SVG.")]
_AsCsv = Annotated[bool, typer.Option("--csv", help="Print the weeks as CSV.")]


@dataclass(frozen=True, slots=True)
class Changes:
    """The rules to try; None leaves a rule unchanged."""

    pool: str | None
    floor: str | None
    min_points: int | None
    staking_bonus: StakingBonus | None
    stakers_percent: int
    multiplier: str

    def scenarios(self, rules: Rules) -> tuple[Scenario, Scenario]:
        """Today's rules and these, with the same stakers.

        Raises:
            MalformedAmount, UsageError: one of them is not usable.
        """
        multiplier = scaled_multiplier(exact_decimal(self.multiplier))
        tried = Policy(
            pool=rules.pool if self.pool is None else base_units(self.pool),
            floor=rules.floor if self.floor is None else base_units(self.floor),
            staking_bonus=self.staking_bonus or rules.staking_bonus,
        )
        least = self.min_points or rules.min_points
        stakers = self.stakers_percent
        return (
            Scenario(rules.policy, rules.min_points, stakers, multiplier),
            Scenario(tried, least, stakers, multiplier),
        )


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
    """Replay a history of contributions under other rules. Reads one file, and no database."""
    from worker.cli.report import simulation_views as views

    changes = Changes(pool, floor, min_points, staking_bonus, stakers, multiplier)
    compared = _compare(file, rules, changes, first, last)
    if as_csv:
        views.print_csv(compared)
    else:
        document = views.comparison_document(compared)
        emit(document, as_json=as_json, render=lambda console: views.show(console, compared))
    _print_notes(changes, compared.history)
    if plot is not None:
        _write_plot(plot, views.plot_values(compared))


def _compare(
    file: str, rules_file: Path | None, changes: Changes, first: Week | None, last: Week | None
) -> Comparison:
    """Replay the file.

    Raises:
        FileUnusable, NotAContributionFile, NoHistory, MalformedRules, UsageError.
    """
    rules = rules_from(_system_config(rules_file))
    scenarios = changes.scenarios(rules)
    with open_input(file) as source:
        history = read_history(_records(source), rules.points, first, last)
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
        value = json.loads(path.read_bytes())
    except OSError as error:
        raise FileUnusable(str(path), error.strerror or str(error)) from None
    except ValueError as error:
        raise FileUnusable(str(path), f"it is no JSON ({error})") from None
    if not isinstance(value, dict):
        raise FileUnusable(str(path), "it is no JSON object")
    return value


def _records(source: Input) -> Iterator[Record]:
    with progress_bar("Reading", source.bytes_total, unit="bytes") as advance:
        for record in read_records(source):
            if record.line % PROGRESS_LINES == 0:
                advance(source.bytes_read, f"{record.line:,} lines")
            yield record


def _print_notes(changes: Changes, history: History) -> None:
    if history.malformed:
        say(
            f"Note: {history.malformed:,} malformed lines count for nothing; the first, "
            f"{history.first_problem}"
        )
    if changes.staking_bonus is not None and not changes.stakers_percent:
        say(
            "Note: no history of contributions knows who stakes. Without --stakers nobody does, "
            "and --staking-bonus changes nothing."
        )


def _write_plot(path: Path, values: Mapping[str, object]) -> None:
    from worker.bootstrap.without_settings import render_report

    try:
        path.write_text(render_report("simulation.svg", **values), encoding="utf-8")
    except OSError as error:
        raise ReportNotWritten(path, error) from None
    say(f"Drawn to {path}.")
