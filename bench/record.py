"""The measured figures as a table with targets, as JSON, and as a picture."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from bench.calculation import Calculated
from bench.comparison import Comparison, v0_transactions_per_10k
from bench.week import Measured

MILLION, COMPARED = 1_000_000, 100_000
MEMORY_MAX = 256 * 10**6
NAME_WIDTH, VALUE_WIDTH = 72, 16


@dataclass(frozen=True, slots=True)
class Row:
    """One figure and its target. A figure without a limit is for information."""

    measure: str
    value: str
    target: str = ""
    holds: bool = True


@dataclass(slots=True)
class Run:
    """All figures of one run of the benchmark."""

    machine: dict[str, str]
    weeks: dict[int, Measured] = field(default_factory=dict)
    comparisons: dict[int, Comparison] = field(default_factory=dict)
    calculated: Calculated | None = None

    def rows(self) -> Iterator[Row]:
        """All figures. Ratios come first, since they depend least on the machine."""
        for users, comparison in self.comparisons.items():
            yield from _compared(self.weeks[users], comparison)
        if self.calculated:
            yield from _calculated(self.calculated)
        for week in self.weeks.values():
            yield from _of_week(week)
        if MILLION in self.weeks and COMPARED in self.weeks:
            growth = (
                self.weeks[MILLION].plan_to_close_seconds
                / self.weeks[COMPARED].plan_to_close_seconds
            )
            yield Row("time from 100,000 to 1,000,000 rewards", f"x {growth:.1f}", "<= 11",
                      growth <= 11)  # fmt: skip

    def as_dict(self) -> dict[str, Any]:
        return {
            "machine": self.machine,
            "weeks": [week.as_dict() for week in self.weeks.values()],
            "comparisons": [
                {"rewards": users, **asdict(comparison)}
                for users, comparison in self.comparisons.items()
            ],
            "calculation": self.calculated.as_dict() if self.calculated else None,
        }


def _compared(week: Measured, comparison: Comparison) -> Iterator[Row]:
    is_measure = week.users == COMPARED
    mine, floor = week.settled_per_second, comparison.floor
    of = f"{week.users:,} rewards"
    ratio = week.seconds["settled"] / floor.seconds
    yield Row(f"{of}: time to the floor (bare writes and execution)", f"x {ratio:.2f}",
              "<= 3" if is_measure else "", not is_measure or ratio <= 3)  # fmt: skip
    for name, baseline, least in (
        ("one by one", comparison.one_by_one, 500),
        ("32 in flight", comparison.in_flight, 25),
    ):
        factor = mine / baseline.per_second
        yield Row(f"{of}: rate against one transfer a transaction, {name}", f"x {factor:,.0f}",
                  f">= {least}" if is_measure else "",
                  not is_measure or factor >= least)  # fmt: skip
    yield Row(f"{of}: paid and settled per second", f"{mine:,.0f}")
    yield Row(f"{of}: the same, one by one", f"{comparison.one_by_one.per_second:.2f}")
    yield Row(f"{of}: the same, 32 in flight", f"{comparison.in_flight.per_second:.1f}")
    yield Row(f"{of}: floor, bare writes", f"{floor.database_seconds:.2f} s")
    yield Row(f"{of}: floor, execution", f"{floor.chain_seconds:.2f} s")


def _calculated(found: Calculated) -> Iterator[Row]:
    figures = found.as_dict()
    of = f"{found.contributions:,} contributions by {found.users:,} users"
    ratio, written = figures["calculation_ratio"], figures["written_ratio"]
    yield Row(f"{of}: calculation to bare aggregation", f"x {ratio:.2f}", "<= 2", ratio <= 2)
    yield Row("  the same in a week with a plan before it",
              f"x {figures['later_calculation_ratio']:.2f}")  # fmt: skip
    yield Row("  bare aggregation", f"{found.bare_aggregation:.2f} s")
    yield Row("  the plan written, to bare inserts", f"x {written:.2f}", "<= 1.5", written <= 1.5)
    yield Row("  bare inserts", f"{found.bare_inserts:.2f} s")


def _of_week(week: Measured) -> Iterator[Row]:
    yield Row(f"{week.users:,} rewards, {week.workers} worker processes", "")
    names = {
        "planned": "planned, written, read back and published",
        "anchored": "anchored at finalized",
        "prepared": "token accounts created",
        "settled": "paid and settled",
        "closed": "reconciled and closed",
    }
    for stage, name in names.items():
        yield Row(f"  {name}", f"{week.seconds[stage]:.1f} s")
    is_million = week.users == MILLION
    total = week.plan_to_close_seconds
    yield Row("  plan to close", f"{total:.1f} s", "< 900 s" if is_million else "",
              not is_million or total < 900)  # fmt: skip
    memory = week.worker_memory_peak
    yield Row("  peak memory of a worker process", f"{memory / 10**6:.0f} MB",
              "< 256 MB" if is_million else "", not is_million or memory < MEMORY_MAX)  # fmt: skip
    transactions, fee = week.transactions_per_10k, week.fee_per_recipient
    yield Row("  transactions per 10,000 recipients, v1", str(transactions), "<= 176",
              transactions <= 176)  # fmt: skip
    yield Row("  fees per recipient, v1", f"{fee:.1f} lamports", "< 100", fee < 100)
    rent = week.receipt_rent * week.batches / week.users
    yield Row("  receipts' rent per recipient", f"{rent:,.0f} lamports")
    yield Row("  plan = database = chain", "yes" if week.exact else "NO", "yes", week.exact)


def v0_row() -> Row:
    count = v0_transactions_per_10k()
    return Row("transactions per 10,000 recipients, v0", str(count), "<= 770", count <= 770)


def print_table(rows: Sequence[Row]) -> None:
    print()
    for row in rows:
        mark = ("ok" if row.holds else "MISSED") if row.target else ""
        print(f"{row.measure:<{NAME_WIDTH}}{row.value:>{VALUE_WIDTH}}  {row.target:<10}{mark}")


def write(run: Run, rows: Sequence[Row], folder: Path) -> None:
    """Write `benchmark.json`, and `benchmark.svg` if there was a comparison."""
    folder.mkdir(parents=True, exist_ok=True)
    facts = run.as_dict() | {"table": [asdict(row) for row in rows]}
    (folder / "benchmark.json").write_text(json.dumps(facts, indent=2) + "\n")
    if run.comparisons:
        users = max(run.comparisons)
        picture = rates_picture(run.weeks[users], run.comparisons[users])
        (folder / "benchmark.svg").write_text(picture)


# --- picture -----------------------------------------------------------------------------------

_WIDTH, _ROW, _LEFT, _LENGTH = 720, 40, 250, 360
_COLOURS = ("#9aa4b1", "#9aa4b1", "#1f7a4d", "#d9dee5")


def rates_picture(week: Measured, comparison: Comparison) -> str:
    """Recipients per second as bars on a logarithmic axis that begins at 0.1."""
    bars = [
        ("one transfer a transaction", comparison.one_by_one.per_second),
        ("the same, 32 in flight", comparison.in_flight.per_second),
        ("kontrib", week.settled_per_second),
        ("floor: bare writes and execution", week.users / comparison.floor.seconds),
    ]
    highest = math.log10(max(rate for _, rate in bars)) + 1
    height = len(bars) * _ROW + 50
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" '
        'font-family="sans-serif" font-size="14">',
        f'<rect width="{_WIDTH}" height="{height}" fill="#ffffff"/>',
        f'<text x="10" y="24" fill="#1c2430">Recipients paid and settled per second, '
        f"{week.users:,} rewards (logarithmic)</text>",
    ]
    for number, ((name, rate), colour) in enumerate(zip(bars, _COLOURS, strict=True)):
        top, length = 40 + number * _ROW, _LENGTH * (math.log10(rate) + 1) / highest
        end = f"{_LEFT + length + 8:.0f}"
        parts += [
            f'<text x="{_LEFT - 10}" y="{top + 20}" text-anchor="end" fill="#1c2430">{name}</text>',
            f'<rect x="{_LEFT}" y="{top}" width="{length:.0f}" height="28" fill="{colour}"/>',
            f'<text x="{end}" y="{top + 20}" fill="#1c2430">{_rate(rate)}</text>',
        ]
    return "\n".join([*parts, "</svg>", ""])


def _rate(rate: float) -> str:
    return f"{rate:,.0f}" if rate >= 100 else f"{rate:.3g}"
