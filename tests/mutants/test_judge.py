"""The verdict about mutants: killed, explained, or neither."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.mutants.__main__ import EXPLAINED
from tests.mutants.judge import Explanation, Fate, Mutant, judge, read_explanations
from tests.mutants.results import function_of

CHANGE = ("- a", "+ b")
KILLED = [Mutant("f", Fate.KILLED)] * 19
SURVIVOR = Mutant("f", Fate.SURVIVED, CHANGE)


def test_killed_and_explained_mutants_are_good() -> None:
    verdict = judge([*KILLED, SURVIVOR], [Explanation("f", CHANGE, "the same")])
    assert verdict.is_good
    assert verdict.lines() == ["20 mutants: 19 killed (95.0%), 1 explained, 0 neither"]


def test_an_unexplained_survivor_is_printed_as_the_file_has_it(tmp_path: Path) -> None:
    verdict = judge([*KILLED, SURVIVOR], [])
    assert not verdict.is_good
    printed = tmp_path / "explained.toml"
    printed.write_text("\n".join(verdict.lines()[:-1]))
    assert read_explanations(printed) == [Explanation("f", CHANGE, "")]


def test_too_few_killed_mutants_fail_although_all_are_explained() -> None:
    assert not judge([*KILLED[1:], SURVIVOR], [Explanation("f", CHANGE, "the same")]).is_good


@pytest.mark.parametrize(("whole", "good"), [(True, False), (False, True)])
def test_an_explanation_that_explains_nothing_fails_a_whole_run(whole: bool, good: bool) -> None:
    stale = Explanation("f", CHANGE, "the same")
    assert judge(KILLED, [stale], whole=whole).is_good is good


def test_nothing_tried_is_not_good() -> None:
    assert not judge([Mutant("f", Fate.NOT_TRIED)], []).is_good


@pytest.mark.parametrize(
    ("name", "function"),
    [
        ("worker.core.plan.fates.xǁFatesǁcheck__mutmut_3", "worker.core.plan.fates.Fates.check"),
        ("worker.core.plan.fates.x__share__mutmut_1", "worker.core.plan.fates._share"),
        ("worker.core.money.x_base_units__mutmut_12", "worker.core.money.base_units"),
    ],
)
def test_a_mutants_name_contains_its_function(name: str, function: str) -> None:
    assert function_of(name) == function


def test_every_explanation_has_a_reason() -> None:
    assert [each for each in read_explanations(EXPLAINED) if len(each.why) < 10] == []
