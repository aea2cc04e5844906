"""The result of `kontrib simulate` as a table, as JSON, as CSV and for a plot."""

from __future__ import annotations

import itertools
from fractions import Fraction
from typing import Any

from rich.console import Console
from rich.table import Table

from worker.cli.console import table, write_csv
from worker.core.money import ONE_TOKEN, tokens_text
from worker.core.report.simulation import Scenario, WeekOutcome
from worker.core.report.spread import Spread
from worker.services.report.history_simulation import Comparison

NAMES = ("today's rules", "these rules")


def comparison_document(compared: Comparison) -> dict[str, Any]:
    """Both replays as JSON. Shares are rounded to a millionth."""
    history, today, tried = compared.history, compared.today, compared.tried
    return {
        "lines": history.lines,
        "contributions": history.contributions,
        "malformed": history.malformed,
        "outside": history.outside,
        "rules": {
            "today": _rules_document(today.scenario),
            "tried": _rules_document(tried.scenario),
        },
        "overall": {
            "today": _spread_document(today.overall),
            "tried": _spread_document(tried.overall),
        },
        "weeks": [
            {"week": old.week.label, "today": _week_document(old), "tried": _week_document(new)}
            for old, new in zip(today.weeks, tried.weeks, strict=True)
        ],
    }


def print_csv(compared: Comparison) -> None:
    """Print one line for each week, with the figures under both rules."""
    columns = list(_week_document(compared.today.weeks[0]))
    header = [f"{prefix}_{name}" for prefix in ("today", "tried") for name in columns]
    rows = (
        [today.week.label, *_week_document(today).values(), *_week_document(tried).values()]
        for today, tried in zip(compared.today.weeks, compared.tried.weeks, strict=True)
    )
    write_csv(itertools.chain([["week", *header]], rows))


def _week_document(outcome: WeekOutcome) -> dict[str, Any]:
    return _spread_document(outcome.spread) | {
        "points": outcome.points,
        "below_min_points": outcome.below_minimum,
        "lifted_to_floor": outcome.lifted,
        "floor_waived": outcome.floor_waived,
    }


def _spread_document(spread: Spread) -> dict[str, Any]:
    return {
        "recipients": spread.count,
        "total_base_units": spread.total,
        "median_base_units": spread.median,
        "top_tenth_share": round(float(spread.top_tenth), 6),
        "gini": round(float(spread.gini), 6),
    }


def _rules_document(scenario: Scenario) -> dict[str, Any]:
    return {
        "pool_base_units": scenario.policy.pool,
        "floor_base_units": scenario.policy.floor,
        "min_points": scenario.min_points,
        "staking_bonus": scenario.policy.staking_bonus.value,
        "stakers_percent": scenario.stakers_percent,
        "multiplier_millionths": scenario.multiplier,
    }


def show(console: Console, compared: Comparison) -> None:
    """Print the weeks under the tried rules, and both rules over all weeks."""
    columns = (">recipients", ">below", ">KONTRIB", ">median", ">top tenth", ">Gini", ">lifted")
    made = table("week", *columns, title="Under these rules")
    for outcome in compared.tried.weeks:
        spread = outcome.spread
        made.add_row(
            outcome.week.label,
            f"{spread.count:,}",
            f"{outcome.below_minimum:,}",
            _rounded(spread.total),
            _rounded(spread.median),
            f"{float(spread.top_tenth):.1%}",
            f"{float(spread.gini):.3f}",
            "waived" if outcome.floor_waived else f"{outcome.lifted:,}",
        )
    console.print(made)
    console.print(_summary(compared))


def _summary(compared: Comparison) -> Table:
    replays = (compared.today, compared.tried)
    spreads = [it.overall for it in replays]
    policies = [it.scenario.policy for it in replays]
    made = table("", *(f">{name}" for name in NAMES), title="Over all weeks")
    made.add_row("pool a week", *(tokens_text(policy.pool) for policy in policies))
    made.add_row("floor", *(tokens_text(policy.floor) for policy in policies))
    made.add_row("minimum points", *(str(it.scenario.min_points) for it in replays))
    made.add_row("staking bonus", *(policy.staking_bonus.value for policy in policies))
    made.add_row("weeks that pay", *(f"{len(it.paid_weeks):,}" for it in replays))
    made.add_row("people paid", *(f"{spread.count:,}" for spread in spreads))
    made.add_row("KONTRIB paid", *(_rounded(spread.total) for spread in spreads))
    made.add_row("median person", *(_rounded(spread.median) for spread in spreads))
    made.add_row("top tenth of people", *(f"{float(spread.top_tenth):.1%}" for spread in spreads))
    made.add_row("Gini of people", *(f"{float(spread.gini):.3f}" for spread in spreads))
    return made


def _rounded(amount: int) -> str:
    """Base units as tokens, rounded to two decimals."""
    cents = (amount + ONE_TOKEN // 200) // (ONE_TOKEN // 100)
    return f"{cents // 100:,}.{cents % 100:02}"


def plot_values(compared: Comparison) -> dict[str, Any]:
    """The values that the plot's template needs."""
    replays = (compared.today, compared.tried)
    spreads = [[outcome.spread for outcome in it.weeks] for it in replays]
    legend = [
        (kind, f"{name}: {_scenario_text(it.scenario)}")
        for kind, name, it in zip(("today", "tried"), NAMES, replays, strict=True)
    ]
    return {
        "labels": [outcome.week.label for outcome in compared.tried.weeks],
        "legend": legend,
        "panels": [
            ("Recipients", [[it.count for it in line] for line in spreads]),
            (
                "Median reward, KONTRIB",
                [[Fraction(it.median, ONE_TOKEN) for it in line] for line in spreads],
            ),
            ("Share of the best paid tenth", [[it.top_tenth for it in line] for line in spreads]),
            ("Gini", [[it.gini for it in line] for line in spreads]),
        ],
    }


def _scenario_text(scenario: Scenario) -> str:
    policy = scenario.policy
    bonus = policy.staking_bonus.value.replace("_", " ")
    stakers = f", bonus {bonus}" if scenario.stakers_percent else ""
    return (
        f"pool {tokens_text(policy.pool)}, floor {tokens_text(policy.floor)}, "
        f"from {scenario.min_points} points{stakers}"
    )
