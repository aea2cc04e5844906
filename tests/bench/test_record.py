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
)
LARGE = replace(
    WEEK,
    users=MILLION,
    seconds={stage: 8 * seconds for stage, seconds in SECONDS.items()},
    payment_fees=17_544 * 5_000,
)
COMPARISON = Comparison(
    one_by_one=Baseline(40, 32.0, 200_000),
    in_flight=Baseline(1_600, 40.0, 8_000_000),
    floor=Floor(COMPARED, 1_755, 8.4, 0.8),
)
CALCULATED = Calculated(100_000, 1_000_000, 1.0, 1.2, 1.4, 8.0, 9.0)


@pytest.fixture
def run() -> Run:
    weeks = {COMPARED: WEEK, MILLION: LARGE}
    return Run({"processor": "any"}, weeks, {COMPARED: COMPARISON}, CALCULATED)


def missed(run: Run) -> list[str]:
    return [row.measure.strip() for row in run.rows() if not row.holds]


def test_a_run_that_reaches_everything_misses_nothing(run: Run) -> None:
    assert missed(run) == []
    assert v0_row().holds


@pytest.mark.parametrize(
    ("changed", "what"),
    [
        ({"seconds": SECONDS | {"settled": 28.0}}, "to the floor"),
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
        ({"worker_memory_peak": 256 * 10**6}, "peak memory"),
        ({"seconds": SECONDS | {"settled": 900.0}}, "plan to close"),
        ({"seconds": SECONDS | {"settled": 725.0}}, "time from 100,000"),
    ],
)
def test_a_million_rewards_have_limits_of_their_own(
    run: Run, changed: dict[str, object], what: str
) -> None:
    run.weeks[MILLION] = replace(LARGE, **changed)  # type: ignore[arg-type]

    assert any(what in measure for measure in missed(run))


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

    assert "x 2.72" in capsys.readouterr().out
    facts = json.loads((tmp_path / "benchmark.json").read_text())
    assert [week["users"] for week in facts["weeks"]] == [COMPARED, MILLION]
    assert len(facts["table"]) == len(rows)
    picture = ElementTree.fromstring((tmp_path / "benchmark.svg").read_text())  # noqa: S314 - ours
    assert len(picture.findall("{http://www.w3.org/2000/svg}rect")) == 5


def test_fourteen_transfers_fit_into_a_transaction_of_version_0() -> None:
    assert v0_transactions_per_10k() == 715
