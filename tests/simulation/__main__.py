"""`python -m tests.simulation --seed 1 --weeks 20`: a long seeded run, repeated by its seed."""

from __future__ import annotations

import argparse
import random
import sys
import time

from tests.simulation.simulator import run


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("--seed", type=int, default=None, help="one history; default: a new one")
    parser.add_argument("--weeks", type=int, default=10, help="weeks of each history")
    parser.add_argument("--runs", type=int, default=1, help="histories, with seeds in a row")
    options = parser.parse_args()
    first = random.randrange(10**6) if options.seed is None else options.seed
    for seed in range(first, first + options.runs):
        started = time.monotonic()
        print(f"seed {seed}, {options.weeks} weeks: ", end="", flush=True)  # noqa: T201
        counts = run(seed, options.weeks)
        print(  # noqa: T201
            f"{counts['paid']} rewards paid, {counts['step']} steps, {counts['crashed']} crashes, "
            f"{time.monotonic() - started:.1f} s"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
