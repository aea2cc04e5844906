"""`make bench`: synthetic weeks on the local stack, beside the floor and two baselines.

Everything is real: the database engine, Redis, the SVM behind JSON-RPC with a slot every 400 ms
and finality 32 slots later, and Celery's worker processes. Users contribute by Zipf's law. A
tenth of them have no token account yet.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from bench.calculation import Calculated, measure_calculation
from bench.comparison import compare
from bench.floor import measure_floor
from bench.machine import describe_machine
from bench.record import COMPARED, Run, print_table, v0_row, write
from bench.synthetic import WEEK, Size, populate
from bench.week import SETTINGS, finished_week, local_stack
from deploy.local.errors import LocalStackError
from tests.end_to_end.support.cluster import Cluster
from worker.services.plan.genesis import make_genesis

SIZES = (1_000, 10_000, 100_000, 1_000_000)
CONTRIBUTIONS_PER_USER = 2
CALCULATED = Size(users=100_000, contributions=1_000_000)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", type=_sizes, default=SIZES, help="rewards: 1000,10000")
    parser.add_argument("--workers", type=int, default=2, help="worker processes")
    parser.add_argument("--no-calculation", action="store_true", help="leave the planning out")
    parser.add_argument("--into", type=Path, help="a folder for the JSON and the picture")
    options = parser.parse_args()
    run = Run(describe_machine())
    print("\n".join(f"{name:<12}{value}" for name, value in run.machine.items()), flush=True)
    try:
        for users in options.sizes:
            _measure_week(run, users, options.workers)
        if not options.no_calculation:
            print("measuring a plan of 1,000,000 contributions", flush=True)
            run.calculated = _measure_calculation()
    except LocalStackError as error:
        print(error, file=sys.stderr)
        return 3
    rows = [*run.rows(), v0_row()]
    print_table(rows)
    if options.into:
        write(run, rows, options.into)
    return 0 if all(row.holds for row in rows) else 1


def _sizes(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split(","))


def _measure_week(run: Run, users: int, workers: int) -> None:
    print(f"measuring a week of {users:,} rewards", flush=True)
    size = Size(users, users * CONTRIBUTIONS_PER_USER)
    with (
        tempfile.TemporaryDirectory(prefix="kontrib-bench-") as folder,
        finished_week(Path(folder), size, workers) as (cluster, measured),
    ):
        run.weeks[users], run.costs = measured, cluster.context.chain.costs()
        if users >= COMPARED:
            print(f"measuring the floor of {users:,} rewards", flush=True)
            run.floors[users] = measure_floor(cluster.database, cluster.settings.solana_rpc_url[0])
        if users == COMPARED:
            run.comparisons[users] = compare(cluster)


def _measure_calculation() -> Calculated:
    with (
        tempfile.TemporaryDirectory(prefix="kontrib-bench-") as folder,
        local_stack(Path(folder)) as stack,
    ):
        cluster = Cluster(Path(folder), stack.settings(), WEEK, **SETTINGS)
        chain = cluster.context.chain
        url = cluster.settings.solana_rpc_url[0]
        populate(cluster.database, url, chain.mint, CALCULATED)
        make_genesis(cluster.context, WEEK)
        return measure_calculation(cluster.context, cluster.database)


if __name__ == "__main__":
    sys.exit(main())
