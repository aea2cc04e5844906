"""The work of `kontrib simulate`: the rules as they are, beside the rules that are tried."""

from __future__ import annotations

import csv
import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from worker.bootstrap.without_settings import first_system_config
from worker.cli.console import emit, progress_bar, say, table
from worker.cli.input_file import Input, open_input
from worker.cli.report.line_plot import Panel, line_plot
from worker.core.errors import UsageError
from worker.core.money import ONE_TOKEN, base_units, exact_decimal, tokens_text
from worker.core.plan.allocation import Policy, StakingBonus, scaled_multiplier
from worker.core.plan.rules import Rules, rules_from
from worker.core.report.simulation import Scenario, Spread, WeekOutcome
from worker.core.week import Week
from worker.core.wiki.contribution_lines import Record, read_records
from worker.services.report.history_simulation import History, Replay, read_history, replay

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.console import Console

NAMES = ("today's rules", "these rules")
PROGRESS_LINES = 1000


class FileNotUsable(UsageError):
    """A file cannot be read or written."""

    def __init__(self, path: Path, why: str) -> None:
        super().__init__(f"{path} cannot be used: {why}.")


@dataclass(frozen=True, slots=True)
class Changes:
    """What is asked for; None leaves a rule as it is."""

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


@dataclass(frozen=True, slots=True)
class Output:
    """Where the result goes."""

    plot: Path | None
    as_json: bool
    as_csv: bool


@dataclass(frozen=True, slots=True)
class Comparison:
    """The same history under both scenarios."""

    history: History
    today: Replay
    tried: Replay


def run_simulation(
    file: str,
    rules_file: Path | None,
    changes: Changes,
    span: tuple[Week | None, Week | None],
    output: Output,
) -> Comparison:
    """Replay the file and print what came of it.

    Raises:
        FileUnusable, FileNotUsable, NotAContributionFile, NoHistory, MalformedRules, UsageError.
    """
    rules = rules_from(first_system_config() if rules_file is None else _document(rules_file))
    scenarios = changes.scenarios(rules)
    with open_input(file) as source:
        history = read_history(_records(source), rules.points, *span)
    if source.failure is not None:
        raise source.failure
    found = history.span()
    weeks = (span[0] or found[0]).until(span[1] or found[-1])
    today, tried = (replay(history, weeks, scenario) for scenario in scenarios)
    compared = Comparison(history, today, tried)
    if output.as_csv:
        _write_csv(compared)
    else:
        emit(_document_of(compared), as_json=output.as_json, render=lambda c: _show(c, compared))
    _notes(changes, history)
    if output.plot is not None:
        _write_plot(output.plot, compared)
    return compared


def _document(path: Path) -> dict[str, Any]:
    try:
        value = json.loads(path.read_bytes())
    except OSError as error:
        raise FileNotUsable(path, error.strerror or str(error)) from None
    except ValueError as error:
        raise FileNotUsable(path, f"it is no JSON ({error})") from None
    if not isinstance(value, dict):
        raise FileNotUsable(path, "it is no JSON object")
    return value


def _records(source: Input) -> Iterator[Record]:
    with progress_bar("Reading", source.bytes_total, unit="bytes") as advance:
        for record in read_records(source):
            if record.line % PROGRESS_LINES == 0:
                advance(source.bytes_read, f"{record.line:,} lines")
            yield record


def _notes(changes: Changes, history: History) -> None:
    if history.malformed:
        say(f"Note: {history.malformed:,} malformed lines count for nothing; the first, "
            f"{history.first_problem}")  # fmt: skip
    if changes.staking_bonus is not None and not changes.stakers_percent:
        say("Note: no history of contributions knows who stakes. Without --stakers nobody does, "
            "and --staking-bonus changes nothing.")  # fmt: skip


# --- figures -----------------------------------------------------------------------------------


def week_figures(outcome: WeekOutcome) -> dict[str, Any]:
    """A week's figures by name, for machines. Shares are rounded to a millionth."""
    return _spread_figures(outcome.spread) | {
        "points": outcome.points,
        "below_min_points": outcome.below_minimum,
        "lifted_to_floor": outcome.lifted,
        "floor_waived": outcome.floor_waived,
    }


def _spread_figures(spread: Spread) -> dict[str, Any]:
    return {
        "recipients": spread.recipients,
        "total_base_units": spread.total,
        "median_base_units": spread.median,
        "top_tenth_share": round(float(spread.top_tenth_share), 6),
        "gini": round(float(spread.gini), 6),
    }


def _rules_figures(scenario: Scenario) -> dict[str, Any]:
    return {
        "pool_base_units": scenario.policy.pool,
        "floor_base_units": scenario.policy.floor,
        "min_points": scenario.min_points,
        "staking_bonus": scenario.policy.staking_bonus.value,
        "stakers_percent": scenario.stakers_percent,
        "multiplier_millionths": scenario.multiplier,
    }


def _document_of(compared: Comparison) -> dict[str, Any]:
    pairs = zip(compared.today.weeks, compared.tried.weeks, strict=True)
    history = compared.history
    return {
        "lines": history.lines,
        "contributions": history.contributions,
        "malformed": history.malformed,
        "outside": history.outside,
        "rules": {
            "today": _rules_figures(compared.today.scenario),
            "tried": _rules_figures(compared.tried.scenario),
        },
        "overall": {
            "today": _spread_figures(compared.today.overall),
            "tried": _spread_figures(compared.tried.overall),
        },
        "weeks": [
            {"week": today.week.label, "today": week_figures(today), "tried": week_figures(tried)}
            for today, tried in pairs
        ],
    }


def _write_csv(compared: Comparison) -> None:
    writer = csv.writer(sys.stdout, lineterminator="\n")
    columns = list(week_figures(compared.today.weeks[0]))
    header = [f"{prefix}_{name}" for prefix in ("today", "tried") for name in columns]
    writer.writerow(["week", *header])
    for today, tried in zip(compared.today.weeks, compared.tried.weeks, strict=True):
        row = [*week_figures(today).values(), *week_figures(tried).values()]
        writer.writerow([today.week.label, *row])


# --- for people --------------------------------------------------------------------------------


def _show(console: Console, compared: Comparison) -> None:
    columns = (">recipients", ">below", ">KONTRIB", ">median", ">top tenth", ">Gini", ">lifted")
    made = table("week", *columns, title="Under these rules")
    for outcome in compared.tried.weeks:
        made.add_row(outcome.week.label, *_cells(outcome))
    console.print(made)
    console.print(_summary(compared))


def _cells(outcome: WeekOutcome) -> list[str]:
    spread = outcome.spread
    return [
        f"{spread.recipients:,}",
        f"{outcome.below_minimum:,}",
        _rounded(spread.total),
        _rounded(spread.median),
        f"{float(spread.top_tenth_share):.1%}",
        f"{float(spread.gini):.3f}",
        "waived" if outcome.floor_waived else f"{outcome.lifted:,}",
    ]


def _summary(compared: Comparison) -> Any:
    replays = (compared.today, compared.tried)
    made = table("", *(f">{name}" for name in NAMES), title="Over all weeks")
    policies = [it.scenario.policy for it in replays]
    made.add_row("pool a week", *(tokens_text(policy.pool) for policy in policies))
    made.add_row("floor", *(tokens_text(policy.floor) for policy in policies))
    made.add_row("minimum points", *(str(it.scenario.min_points) for it in replays))
    made.add_row("staking bonus", *(policy.staking_bonus.value for policy in policies))
    made.add_row("weeks that pay", *(f"{len(it.paid_weeks):,}" for it in replays))
    made.add_row("people paid", *(f"{it.overall.recipients:,}" for it in replays))
    made.add_row("KONTRIB paid", *(_rounded(it.overall.total) for it in replays))
    made.add_row("median person", *(_rounded(it.overall.median) for it in replays))
    shares = [float(it.overall.top_tenth_share) for it in replays]
    made.add_row("top tenth of people", *(f"{share:.1%}" for share in shares))
    made.add_row("Gini of people", *(f"{float(it.overall.gini):.3f}" for it in replays))
    return made


def _rounded(amount: int) -> str:
    """Base units as tokens with two decimals, for reading only."""
    cents = (amount + ONE_TOKEN // 200) // (ONE_TOKEN // 100)
    return f"{cents // 100:,}.{cents % 100:02}"


def _write_plot(path: Path, compared: Comparison) -> None:
    replays = (compared.today, compared.tried)
    spreads = [[outcome.spread for outcome in it.weeks] for it in replays]
    panels = [
        Panel("Recipients", [[it.recipients for it in line] for line in spreads]),
        Panel(
            "Median reward, KONTRIB", [[it.median / ONE_TOKEN for it in line] for line in spreads]
        ),
        Panel(
            "Share of the best paid tenth",
            [[float(it.top_tenth_share) for it in line] for line in spreads],
        ),
        Panel("Gini", [[float(it.gini) for it in line] for line in spreads]),
    ]
    labels = [outcome.week.label for outcome in compared.tried.weeks]
    title = f"Rewards from {labels[0]} to {labels[-1]}"
    names = [
        f"{name}: {_policy_text(it.scenario)}" for name, it in zip(NAMES, replays, strict=True)
    ]
    try:
        path.write_text(line_plot(title, names, labels, panels), encoding="utf-8")
    except OSError as error:
        raise FileNotUsable(path, error.strerror or str(error)) from None
    say(f"Drawn to {path}.")


def _policy_text(scenario: Scenario) -> str:
    policy = scenario.policy
    bonus = policy.staking_bonus.value.replace("_", " ")
    stakers = f", bonus {bonus}" if scenario.stakers_percent else ""
    return (
        f"pool {tokens_text(policy.pool)}, floor {tokens_text(policy.floor)}, "
        f"from {scenario.min_points} points{stakers}"
    )
