"""`make bench`: one synthetic week on the local stack, each stage measured.

A tenth of the users have no token account yet. The chain makes a slot every 400 ms and finalizes
32 slots later, so that about 26 seconds of a week are finality and no work of ours.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path

from bench.machine import describe_machine
from bench.week import Measured, measure_week
from worker.local.errors import LocalStackError


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--users", type=int, default=10_000)
    parser.add_argument("--contributions", type=int, default=100_000)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--json", type=Path, help="write the figures here, too")
    options = parser.parse_args()
    machine = describe_machine()
    print("\n".join(f"{name:<12}{value}" for name, value in machine.items()))
    with tempfile.TemporaryDirectory(prefix="kontrib-bench-") as folder:
        try:
            measured = measure_week(
                Path(folder), options.users, options.contributions, options.workers
            )
        except LocalStackError as error:
            print(error, file=sys.stderr)
            return 3
    print_table(measured)
    if options.json:
        options.json.write_text(json.dumps({"machine": machine, **measured.as_dict()}, indent=2))
    return 0 if measured.exact else 1


def print_table(measured: Measured) -> None:
    print()
    for name, value in measured.rows():
        print(f"{name:<58}{value:>20}")


if __name__ == "__main__":
    sys.exit(main())
