"""A safeguard, the way to take it away, and the scenario that needs it.

Most safeguards are a few words in the source of a service or of a decision. `edit` replaces these
words, for every module that uses the function.
"""

from __future__ import annotations
import __future__

import ast
import inspect
import textwrap
from collections.abc import Callable
from dataclasses import dataclass
from types import FunctionType
from typing import Any

import pytest

from tests.fakes.world import World

Break = Callable[[pytest.MonkeyPatch], None]
Scenario = Callable[[World], None]


class PromiseBroken(AssertionError):
    """A scenario found that a promise does not hold."""


def promise(kept: bool, broken: str) -> None:
    """Raise `PromiseBroken` with this text unless the promise is kept."""
    if not kept:
        raise PromiseBroken(broken)


@dataclass(frozen=True, slots=True)
class Safeguard:
    """A safeguard, a scenario that needs it, and the finding's text without it."""

    name: str
    take_away: Break
    scenario: Scenario
    noticed: str


def edit(place: Callable[..., Any] | property, *changes: tuple[str, str]) -> Break:
    """Replace words in a function's source. Each must be there exactly once."""
    function = place.fget if isinstance(place, property) else place
    assert isinstance(function, FunctionType)

    def take_away(patch: pytest.MonkeyPatch) -> None:
        source = textwrap.dedent(inspect.getsource(function))
        for old, new in changes:
            assert source.count(old) == 1, f"{function.__qualname__} has no longer one {old!r}"
            source = source.replace(old, new)
        patch.setattr(function, "__code__", _code_of(source, function))

    return take_away


def both(*breaks: Break) -> Break:
    """Take away two safeguards that each suffice alone."""

    def take_away(patch: pytest.MonkeyPatch) -> None:
        for each in breaks:
            each(patch)

    return take_away


def _code_of(source: str, function: FunctionType) -> Any:
    tree = ast.parse(source)
    definition = tree.body[0]
    assert isinstance(definition, ast.FunctionDef)
    definition.decorator_list = []
    ast.increment_lineno(tree, function.__code__.co_firstlineno - 1)
    flags = __future__.annotations.compiler_flag
    compiled = compile(tree, function.__code__.co_filename, "exec", flags, dont_inherit=True)
    made: dict[str, Any] = {}
    exec(compiled, function.__globals__, made)  # noqa: S102 - our own source, with words replaced
    return made[function.__name__].__code__
