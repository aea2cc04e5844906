"""The verdict about mutants: killed, explained, or neither."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.mutants import results
from tests.mutants.__main__ import EXPLAINED
from tests.mutants.judge import Explanation, Fate, Mutant, is_sentence, judge, read_explanations
from tests.mutants.results import function_of, left_over

CHANGE = ("- a", "+ b")
KILLED = [Mutant("f", Fate.KILLED)] * 19
SURVIVOR = Mutant("f", Fate.SURVIVED, CHANGE)


def test_killed_and_explained_mutants_are_good() -> None:
    verdict = judge([*KILLED, SURVIVOR], [Explanation("f", CHANGE, "the same")])
    assert verdict.is_good
    assert verdict.lines() == [
        "20 mutants: 19 killed (95.0%), 1 explained, 0 of sentences for people, 0 neither"
    ]


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


def test_a_change_of_a_sentence_needs_no_explanation_and_is_no_kill() -> None:
    sentence = ('- raise Wrong("no user")', '+ raise Wrong("XXno userXX")')
    verdict = judge([*KILLED, Mutant("f", Fate.SURVIVED, sentence)], [])
    assert (verdict.is_good, verdict.share, verdict.sentences) == (True, 0.95, 1)


@pytest.mark.parametrize(
    "change",
    [
        ('- f("user")', '+ f("XXuserXX")'),
        ('- f("no user", 1)', '+ f("XXno userXX", 2)'),
        ('- f("a b") if x else 0', '+ f("a b") if not x else 0'),
        ('- f("a b")', "+ f(None)"),
        ("- a", "+ b"),
    ],
)
def test_a_change_of_anything_else_is_no_sentence(change: tuple[str, str]) -> None:
    assert not is_sentence(change)


def test_what_mypy_refuses_does_not_count() -> None:
    verdict = judge([*KILLED, Mutant("f", Fate.ILL_TYPED)], [])
    assert (verdict.tried, verdict.is_good) == (19, True)
    assert verdict.lines()[-1].endswith("; 1 that mypy refuses")


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


def test_untried_mutants_and_survivors_without_a_reason_are_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    codes = {f"m.x_f__mutmut_{number}": code for number, code in enumerate([1, None, 0, 0, 0])}
    (tmp_path / "mutants").mkdir()
    (tmp_path / "mutants" / "m.py.meta").write_text(json.dumps({"exit_code_by_key": codes}))
    changes = {"2": ("- a", "+ b"), "3": ("- a", "+ c"), "4": ('- f("a b")', '+ f("A B")')}
    monkeypatch.setattr(results, "_change", lambda name: changes[name[-1]])
    explained = [Explanation("m.f", ("- a", "+ b"), "the same")]
    assert left_over(tmp_path, explained) == ["m.x_f__mutmut_1", "m.x_f__mutmut_3"]


def test_every_explanation_has_a_reason() -> None:
    assert [each for each in read_explanations(EXPLAINED) if len(each.why) < 10] == []
