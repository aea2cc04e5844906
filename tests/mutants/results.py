"""Reads mutmut's results. No other module knows how mutmut stores them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path

from tests.mutants.judge import Explanation, Fate, Mutant, is_sentence

_FATES = {
    None: Fate.NOT_TRIED,
    0: Fate.SURVIVED,
    1: Fate.KILLED,
    3: Fate.KILLED,
    5: Fate.SURVIVED,  # no test calls the function
    33: Fate.SURVIVED,
    37: Fate.ILL_TYPED,
}
_TIMED_OUT = (36, 24, -24, 152, 255)
"""The tests never ended, so everybody would have noticed."""


def read_mutants(root: Path) -> Iterator[Mutant]:
    """Every mutant of the last run, by name."""
    for meta in sorted((root / "mutants").rglob("*.meta")):
        found = json.loads(meta.read_text())["exit_code_by_key"]
        for name, code in sorted(found.items()):
            fate = _fate(code)
            change = _change(name) if fate is Fate.SURVIVED else ()
            yield Mutant(function_of(name), fate, change)


def left_over(root: Path, explanations: Iterable[Explanation]) -> list[str]:
    """The names of mutants that were not tried, or that survive for no known reason."""
    known = {(each.function, each.change) for each in explanations}
    metas = [json.loads(meta.read_text()) for meta in sorted((root / "mutants").rglob("*.meta"))]
    codes = {name: code for meta in metas for name, code in meta["exit_code_by_key"].items()}
    left = [name for name, code in codes.items() if _fate(code) is Fate.NOT_TRIED]
    for name in (name for name, code in codes.items() if _fate(code) is Fate.SURVIVED):
        change = _change(name)
        if (function_of(name), change) not in known and not is_sentence(change):
            left.append(name)
    return left


def function_of(name: str) -> str:
    """`worker.core.plan.fates.Fates.check` of `worker.core.plan.fates.xǁFatesǁcheck__mutmut_3`."""
    module, _, mangled = name.rpartition("__mutmut_")[0].rpartition(".")
    return f"{module}.{mangled.removeprefix('xǁ').removeprefix('x_').replace('ǁ', '.')}"


def _fate(code: int | None) -> Fate:
    return Fate.KILLED if code in _TIMED_OUT else _FATES.get(code, Fate.SURVIVED)


def _change(name: str) -> tuple[str, ...]:
    """The lines that the mutant removes and adds, without their indentation."""
    from mutmut.mutation.diff_apply import get_diff_for_mutant

    lines = get_diff_for_mutant(name).splitlines()[2:]
    changed = [line for line in lines if line.startswith(("-", "+"))]
    # The name of a mutant's function differs, too.
    return tuple(f"{line[0]} {line[1:].strip()}" for line in changed if "__mutmut_" not in line)
