"""The table names missed targets, and a browser can show the picture."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import pytest

from bench.baselines import Baseline
from bench.calculation import Calculated
from bench.comparison import Comparison, v0_transactions_per_10k
from bench.floor import Floor
from bench.record import COMPARED, MILLION, Run, print_table, v0_row, write
from bench.week import STAGES, Measured
from tests.core.test_year_cost import COSTS

SECONDS = dict(zip(STAGES, (20.0, 13.0, 3.0, 25.0, 6.0), strict=True))
WEEK = Measured(
    users=COMPARED,
    contributions=200_000,
    workers=2,
    seconds=SECONDS,
    batches=1_755,
    batch_size=57,
    payment_fees=1_755 * 5_000,
    receipt_rent=897_840,
    worker_memory_peak=160 * 10**6,
    exact=True,
    finality_seconds=12.8,
)
LARGE = replace(
    WEEK,
    users=MILLION,
    seconds=dict(zip(STAGES, (130.0, 18.0, 30.0, 120.0, 40.0), strict=True)),
    payment_fees=17_544 * 5_000,
)
COMPARISON = Comparison(
    one_by_one=Baseline(40, 32.0, 200_000),
    in_flight=Baseline(1_600, 40.0, 8_000_000),
)
FLOORS = {
    COMPARED: Floor(COMPARED, 1_755, 9.6, 0.8),
    MILLION: Floor(MILLION, 17_544, 90.0, 8.0),
}
CALCULATED = Calculated(100_000, 1_000_000, 1.0, 1.2, 1.4, 8.0, 9.0)


@pytest.fixture
def run() -> Run:
    weeks = {COMPARED: WEEK, MILLION: LARGE}
    return Run({"processor": "any"}, weeks, FLOORS, {COMPARED: COMPARISON}, CALCULATED, COSTS)


def missed(run: Run) -> list[str]:
    return [row.measure.strip() for row in run.rows() if not row.holds]


def test_a_run_that_reaches_everything_misses_nothing(run: Run) -> None:
    assert missed(run) == []
    assert v0_row().holds


@pytest.mark.parametrize(
    ("changed", "what"),
    [
        ({"seconds": SECONDS | {"settled": 25.3}}, "paid and settled, less finality, to the floor"),
        ({"finality_seconds": 12.5}, "paid and settled, less finality, to the floor"),
        ({"seconds": SECONDS | {"settled": 250.0}}, "one by one"),
        ({"seconds": SECONDS | {"settled": 250.0}}, "32 in flight"),
        ({"payment_fees": 100 * COMPARED}, "fees per recipient"),
        ({"batch_size": 56}, "transactions per 10,000"),
        ({"exact": False}, "plan = database = chain"),
    ],
)
def test_a_week_that_is_too_dear_is_named(run: Run, changed: dict[str, object], what: str) -> None:
    run.weeks[COMPARED] = replace(WEEK, **changed)  # type: ignore[arg-type]

    assert any(what in measure for measure in missed(run))


@pytest.mark.parametrize(
    ("changed", "what"),
    [
        ({"worker_memory_peak": 200 * 10**6 + 1}, "peak memory"),
        ({"seconds": LARGE.seconds | {"closed": 46.0}}, "plan to close, to the floor"),
        ({"seconds": LARGE.seconds | {"planned": 145.0}}, "planned, written, read back"),
        ({"seconds": LARGE.seconds | {"settled": 525.0}}, "time from 100,000"),
    ],
)
def test_a_million_rewards_have_limits_of_their_own(
    run: Run, changed: dict[str, object], what: str
) -> None:
    run.weeks[MILLION] = replace(LARGE, **changed)  # type: ignore[arg-type]

    assert any(what in measure for measure in missed(run))


def test_a_slow_machine_misses_nothing(run: Run) -> None:
    slow = 7.0

    def slower(week: Measured) -> Measured:
        seconds = {stage: slow * taken for stage, taken in week.seconds.items()}
        return replace(week, seconds=seconds, finality_seconds=slow * week.finality_seconds)

    run.weeks = {users: slower(week) for users, week in run.weeks.items()}
    run.floors = {
        users: replace(
            floor,
            database_seconds=slow * floor.database_seconds,
            chain_seconds=slow * floor.chain_seconds,
        )
        for users, floor in FLOORS.items()
    }
    run.comparisons = {
        COMPARED: Comparison(
            replace(COMPARISON.one_by_one, seconds=slow * COMPARISON.one_by_one.seconds),
            replace(COMPARISON.in_flight, seconds=slow * COMPARISON.in_flight.seconds),
        )
    }

    assert missed(run) == []


@pytest.mark.parametrize(
    ("changed", "what"), [({"calculation": 2.01}, "calculation"), ({"written": 12.1}, "written")]
)
def test_a_slow_plan_is_named(run: Run, changed: dict[str, float], what: str) -> None:
    run.calculated = replace(CALCULATED, **changed)

    assert [measure for measure in missed(run) if what in measure] == missed(run) != []


def test_the_record_is_written(
    run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = list(run.rows())
    print_table(rows)
    write(run, rows, tmp_path)

    shown = capsys.readouterr().out
    assert "x 1.17" in shown  # (25 - 12.8) / 10.4
    assert "x 3.45" in shown  # 338 / 98
    assert "82.487 / 8.660" in shown  # SOL a year for 100,000 contributors
    facts = json.loads((tmp_path / "benchmark.json").read_text())
    assert [week["users"] for week in facts["weeks"]] == [COMPARED, MILLION]
    assert len(facts["table"]) == len(rows)
    picture = ElementTree.fromstring((tmp_path / "benchmark.svg").read_text())  # noqa: S314 - ours
    assert len(picture.findall("{http://www.w3.org/2000/svg}rect")) == 5


def test_fourteen_transfers_fit_into_a_transaction_of_version_0() -> None:
    assert v0_transactions_per_10k() == 715
