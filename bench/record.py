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
from bench.floor import Floor
from bench.week import Measured
from worker.core.payout.chain import Costs
from worker.core.year_cost import SIZES, TRANSFERS_TOGETHER, WEEKS, YearCost, year_costs

MILLION, COMPARED = 1_000_000, 100_000
MEMORY_MAX = 200 * 10**6
NAME_WIDTH, VALUE_WIDTH = 72, 16


@dataclass(frozen=True, slots=True)
class Row:
    """One figure and its target. A figure without a limit is for information.

    Limits are ratios within one run, or depend on no machine. Seconds have none.
    """

    measure: str
    value: str
    target: str = ""
    holds: bool = True


@dataclass(slots=True)
class Run:
    """All figures of one run of the benchmark."""

    machine: dict[str, str]
    weeks: dict[int, Measured] = field(default_factory=dict)
    floors: dict[int, Floor] = field(default_factory=dict)
    comparisons: dict[int, Comparison] = field(default_factory=dict)
    calculated: Calculated | None = None
    costs: Costs | None = None
    """The charges of the local chain."""

    def rows(self) -> Iterator[Row]:
        """All figures. Ratios come first, since they depend least on the machine."""
        for users, floor in self.floors.items():
            yield from _to_the_floor(self.weeks[users], floor)
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
            yield _limited("time from 100,000 to 1,000,000 rewards", growth, 11)
        if self.costs:
            yield from _year_rows(self.costs)

    def as_dict(self) -> dict[str, Any]:
        return {
            "machine": self.machine,
            "weeks": [week.as_dict() for week in self.weeks.values()],
            "floors": [asdict(floor) for floor in self.floors.values()],
            "comparisons": [
                {"rewards": users, **asdict(comparison)}
                for users, comparison in self.comparisons.items()
            ],
            "calculation": self.calculated.as_dict() if self.calculated else None,
        }


def _to_the_floor(week: Measured, floor: Floor) -> Iterator[Row]:
    """The ratios of a week to what its writes and its execution take in the same run."""
    of = f"{week.users:,} rewards"
    yield _limited(
        f"{of}: paid and settled, less finality, to the floor",
        week.settled_less_finality / floor.seconds,
        1.2 if week.users == COMPARED else None,
    )
    yield _limited(
        f"{of}: plan to close, to the floor (bare writes and execution)",
        week.plan_to_close_seconds / floor.seconds,
        3.5 if week.users == MILLION else None,
    )
    yield _limited(
        f"{of}: planned, written, read back, published, to bare writes",
        week.seconds["planned"] / floor.database_seconds,
        1.6 if week.users == MILLION else None,
    )
    yield Row(f"{of}: floor, bare writes", f"{floor.database_seconds:.2f} s")
    yield Row(f"{of}: floor, execution", f"{floor.chain_seconds:.2f} s")


def _limited(measure: str, ratio: float, most: float | None) -> Row:
    if most is None:
        return Row(measure, f"x {ratio:.2f}")
    return Row(measure, f"x {ratio:.2f}", f"<= {most:g}", ratio <= most)


def _compared(week: Measured, comparison: Comparison) -> Iterator[Row]:
    mine, of = week.settled_per_second, f"{week.users:,} rewards"
    for name, baseline, least in (
        ("one by one", comparison.one_by_one, 500),
        ("32 in flight", comparison.in_flight, 25),
    ):
        factor = mine / baseline.per_second
        yield Row(f"{of}: rate against one transfer a transaction, {name}", f"x {factor:,.0f}",
                  f">= {least}", factor >= least)  # fmt: skip
    yield Row(f"{of}: paid and settled per second", f"{mine:,.0f}")
    yield Row(f"{of}: the same, one by one", f"{comparison.one_by_one.per_second:.2f}")
    yield Row(f"{of}: the same, 32 in flight", f"{comparison.in_flight.per_second:.1f}")


def _calculated(found: Calculated) -> Iterator[Row]:
    figures = found.as_dict()
    of = f"{found.contributions:,} contributions by {found.users:,} users"
    ratio, written = figures["calculation_ratio"], figures["written_ratio"]
    yield _limited(f"{of}: calculation to bare aggregation", ratio, 2)
    yield Row("  the same in a week with a plan before it",
              f"x {figures['later_calculation_ratio']:.2f}")  # fmt: skip
    yield Row("  bare aggregation", f"{found.bare_aggregation:.2f} s")
    yield _limited("  the plan written, to bare inserts", written, 1.5)
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
    yield Row("  plan to close", f"{week.plan_to_close_seconds:.1f} s")
    yield Row("  of which finality, once", f"{week.finality_seconds:.1f} s")
    memory = f"{week.worker_memory_peak / 10**6:.0f} MB"
    if week.users == MILLION:
        fits = week.worker_memory_peak <= MEMORY_MAX
        yield Row("  peak memory of a worker process", memory, "<= 200 MB", fits)
    else:
        yield Row("  peak memory of a worker process", memory)
    transactions, fee = week.transactions_per_10k, week.fee_per_recipient
    yield Row("  transactions per 10,000 recipients, v1", str(transactions), "<= 176",
              transactions <= 176)  # fmt: skip
    yield Row("  fees per recipient, v1", f"{fee:.1f} lamports", "< 100", fee < 100)
    rent = week.receipt_rent * week.batches / week.users
    yield Row("  receipts' rent per recipient", f"{rent:,.0f} lamports")
    yield Row("  plan = database = chain", "yes" if week.exact else "NO", "yes", week.exact)


def _year_rows(costs: Costs) -> Iterator[Row]:
    """A year in SOL, at the chain's rent and at that of SIMD-0437's last step."""
    for now, last in year_costs(costs, SIZES):
        yield Row(f"{WEEKS} weeks of {now.contributors:,} contributors: SOL now / last step", "")
        for (what, lamports), later in zip(
            _year_figures(now).items(), _year_figures(last).values(), strict=True
        ):
            yield Row(f"  {what}", f"{lamports / 10**9:,.3f} / {later / 10**9:,.3f}")


def _year_figures(cost: YearCost) -> dict[str, int]:
    return {
        "kontrib: fees and receipts' rent": cost.total,
        "one transfer a transaction: fees": cost.transfer_each,
        f"{TRANSFERS_TOGETHER} transfers a transaction: fees": cost.transfers_together,
        "Merkle claims: fees and rent, paid by the contributors": cost.claims,
        "with each of them, once: a token account for everyone": cost.accounts,
    }


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
        picture = rates_picture(run.weeks[users], run.comparisons[users], run.floors[users])
        (folder / "benchmark.svg").write_text(picture)


# --- picture -----------------------------------------------------------------------------------

_WIDTH, _ROW, _LEFT, _LENGTH = 720, 40, 250, 360
_COLOURS = ("#9aa4b1", "#9aa4b1", "#1f7a4d", "#d9dee5")


def rates_picture(week: Measured, comparison: Comparison, floor: Floor) -> str:
    """Recipients per second as bars on a logarithmic axis that begins at 0.1."""
    bars = [
        ("one transfer a transaction", comparison.one_by_one.per_second),
        ("the same, 32 in flight", comparison.in_flight.per_second),
        ("kontrib", week.settled_per_second),
        ("floor: bare writes and execution", week.users / floor.seconds),
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
