"""Judges mutants: killed by a test, explained in a file, or neither."""

from __future__ import annotations

import enum
import re
import tomllib
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

KILLED_MIN = 0.95
_SENTENCE = re.compile(r"""(["'])(?:(?!\1).)*\s(?:(?!\1).)*\1""")


class Fate(enum.Enum):
    KILLED = "killed"
    SURVIVED = "survived"
    NOT_TRIED = "not tried"
    ILL_TYPED = "refused by mypy"
    """It is no program that could be merged, so it does not count."""


@dataclass(frozen=True, slots=True)
class Mutant:
    """One change of one function. `change` has the lines that a survivor removes and adds."""

    function: str
    fate: Fate
    change: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why no test can notice a change, or why nobody has to."""

    function: str
    change: tuple[str, ...]
    why: str


@dataclass(slots=True)
class Verdict:
    """`stale` are explanations whose mutant does not survive or does not exist any more."""

    counts: Counter[Fate] = field(default_factory=Counter)
    explained: int = 0
    sentences: int = 0
    """Survivors that change only a text with a blank in it, which people read."""
    unexplained: list[Mutant] = field(default_factory=list)
    stale: list[Explanation] = field(default_factory=list)

    @property
    def tried(self) -> int:
        return self.counts[Fate.KILLED] + self.counts[Fate.SURVIVED]

    @property
    def share(self) -> float:
        return self.counts[Fate.KILLED] / self.tried if self.tried else 0.0

    @property
    def is_good(self) -> bool:
        return self.share >= KILLED_MIN and not self.unexplained and not self.stale

    def lines(self) -> list[str]:
        """The verdict for people. An unexplained mutant is printed as `explained.toml` has it."""
        found = [line for mutant in self.unexplained for line in _as_toml(mutant)]
        found += [f"explains nothing: {e.function} {' '.join(e.change)}" for e in self.stale]
        left, refused = self.counts[Fate.NOT_TRIED], self.counts[Fate.ILL_TYPED]
        return [
            *found,
            f"{self.tried:,} mutants: {self.counts[Fate.KILLED]:,} killed ({self.share:.1%}), "
            f"{self.explained:,} explained, {self.sentences:,} of sentences for people, "
            f"{len(self.unexplained):,} neither"
            + (f"; {refused:,} that mypy refuses" if refused else "")
            + (f"; {left:,} not tried" if left else ""),
        ]


def judge(
    mutants: Iterable[Mutant], explanations: Iterable[Explanation], *, whole: bool = True
) -> Verdict:
    """Compare the mutants of a run with the explanations. `whole`: all mutants were tried."""
    known = {(e.function, e.change): e for e in explanations}
    used: set[tuple[str, tuple[str, ...]]] = set()
    verdict = Verdict()
    for mutant in mutants:
        verdict.counts[mutant.fate] += 1
        key = (mutant.function, mutant.change)
        if mutant.fate is not Fate.SURVIVED:
            continue
        if key in known:
            used.add(key)
            verdict.explained += 1
        elif is_sentence(mutant.change):
            verdict.sentences += 1
        else:
            verdict.unexplained.append(mutant)
    if whole:
        verdict.stale = [each for key, each in known.items() if key not in used]
    return verdict


def is_sentence(change: Sequence[str]) -> bool:
    """Whether a change is in texts with blanks only. Such a text is for people."""
    before, after = ([line[2:] for line in change if line[0] == sign] for sign in "-+")
    return before != after and [_SENTENCE.sub("", line) for line in before] == [
        _SENTENCE.sub("", line) for line in after
    ]


def read_explanations(path: Path) -> list[Explanation]:
    """The explanations in a file: for each function a reason, and the changes it is about."""
    entries = tomllib.loads(path.read_text())["explained"]
    return [
        Explanation(entry["function"], tuple(change.splitlines()), entry["why"])
        for entry in entries
        for change in entry["changes"]
    ]


def _as_toml(mutant: Mutant) -> list[str]:
    changes = ["changes = ['''", *mutant.change]
    return ["[[explained]]", f'function = "{mutant.function}"', *changes, "''']", 'why = ""', ""]
