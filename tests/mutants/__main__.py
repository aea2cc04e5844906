"""Changes the money path a word at a time, and asks the tests in memory whether they notice.

mutmut makes the mutants (`[tool.mutmut]` in pyproject.toml), and `session.py` runs the tests. This
command judges the results: it fails if too few mutants are killed, or if one survives without an
explanation in `explained.toml`.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

from mutmut.configuration import config

from tests.mutants.judge import judge, read_explanations
from tests.mutants.make import forget_results, make_mutants
from tests.mutants.results import left_over, read_mutants

ROOT = Path(__file__).resolve().parents[2]
EXPLAINED = Path(__file__).with_name("explained.toml")
SECONDS, SECONDS_AGAIN = 4, 30
"""CPU seconds of tests that a mutant gets. All tests take some 30."""


def main() -> int:
    """Run mutmut and print the verdict. Exit codes: 0 all is well; 1 otherwise."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutants", description=__doc__)
    parser.add_argument("--workers", type=int, default=2, help="tests of how many mutants at once")
    parser.add_argument("--seconds", type=float, help="CPU seconds of tests a mutant")
    parser.add_argument("--only", nargs="*", default=[], help="mutants whose name matches")
    parser.add_argument("--again", action="store_true", help="unexplained survivors, longer")
    parser.add_argument("--judge", action="store_true", help="judge the results of the last run")
    options = parser.parse_args()
    os.chdir(ROOT)
    started = time.monotonic()
    explained = read_explanations(EXPLAINED)
    only = left_over(ROOT, explained) if options.again else options.only
    seconds = options.seconds or (SECONDS_AGAIN if options.again else SECONDS)
    if not (options.judge or options.again or options.only):
        shutil.rmtree("mutants", ignore_errors=True)
    if not options.judge and (code := _run(options.workers, seconds, only)):
        return code
    verdict = judge(read_mutants(ROOT), explained, whole=not options.only)
    sys.stdout.write("\n".join(verdict.lines()) + "\n")
    if not options.judge:
        sys.stdout.write(f"{(time.monotonic() - started) / 60:.0f} minutes\n")
    return 0 if verdict.is_good else 1


def _run(workers: int, seconds: float, only: list[str]) -> int:
    os.environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"  # mypy
    make_mutants(workers)
    forget_results(only)
    command = [sys.executable, "-m", "pytest", "-p", "tests.mutants.session", "--rootdir=."]
    command += [f"--mutant-workers={workers}", f"--mutant-seconds={seconds}"]
    command += config().pytest_add_cli_args + config().pytest_add_cli_args_test_selection
    environment = os.environ | {"HYPOTHESIS_PROFILE": "mutants", "PYTHONPATH": ""}
    return subprocess.run(command, env=environment, cwd="mutants", check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
