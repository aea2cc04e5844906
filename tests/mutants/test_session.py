"""Which tests try a mutant, and in which order."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.mutants.session import KILLED, SURVIVED, Results, Suite

SHARE, SPLIT = "worker.core.plan.x_share", "worker.core.plan.x_split"


def suite_of(**seconds: float) -> Suite:
    """Tests that all call `SHARE`. A test called `wide` calls other functions, too."""
    suite = Suite({})
    for test, duration in seconds.items():
        others = [f"worker.core.x_{i}" for i in range(9)] if test == "wide" else []
        suite.record(test, duration, [SHARE, *others])
    return suite


def test_only_tests_that_call_a_function_try_its_mutants() -> None:
    assert suite_of(a=0.1).for_function(SPLIT, 9) == []


def test_quick_tests_of_few_functions_come_first() -> None:
    assert suite_of(wide=0.1, slow=0.2, quick=0.1).for_function(SHARE, 9) == [
        "quick",
        "slow",
        "wide",
    ]


def test_a_test_that_killed_a_neighbour_comes_first() -> None:
    suite = suite_of(wide=0.1, slow=0.5, quick=0.1)
    suite.killed_by("wide", SPLIT)
    assert suite.for_function(SHARE, 9)[0] == "wide"
    suite.killed_by("slow", SHARE)
    assert suite.for_function(SHARE, 9)[0] == "slow"


def test_a_test_that_imports_the_module_comes_before_quick_ones() -> None:
    suite = suite_of(quick=0.1)
    suite.record("about it", 0.4, [SHARE], imports=["worker.core.plan"])
    assert suite.for_function(SHARE, 9) == ["about it", "quick"]


def test_a_test_of_many_cases_delays_no_other() -> None:
    suite = Suite({})
    for test, seconds in (("f[1]", 0.1), ("f[2]", 0.15), ("f[3]", 0.2), ("g", 0.3)):
        suite.record(test, seconds, [SHARE])
    assert suite.for_function(SHARE, 9) == ["f[1]", "f[2]", "g", "f[3]"]


def test_a_mutant_gets_the_tests_of_its_seconds() -> None:
    assert suite_of(a=1.0, b=1.5, c=2.0).for_function(SHARE, 2.6) == ["a", "b"]


def test_results_are_kept_and_the_mutants_without_one_are_tried(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    codes = {f"{SHARE}__mutmut_1": None, f"{SHARE}__mutmut_2": KILLED, f"{SPLIT}__mutmut_1": None}
    meta = tmp_path / "worker" / "plan.py.meta"
    meta.parent.mkdir()
    meta.write_text(json.dumps({"exit_code_by_key": codes, "hashes": {}}))
    results = Results(tmp_path)
    assert list(results.to_try()) == [
        (SHARE, [f"{SHARE}__mutmut_1"]),
        (SPLIT, [f"{SPLIT}__mutmut_1"]),
    ]
    results.keep(f"{SHARE}__mutmut_1", SURVIVED)
    kept = json.loads(meta.read_text())
    assert kept == {"exit_code_by_key": codes | {f"{SHARE}__mutmut_1": SURVIVED}, "hashes": {}}
