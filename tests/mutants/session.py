"""A pytest plugin that tries each mutant in a process forked from one pytest session.

The tests are collected once. They run once without a mutant, which says how long each takes and
which functions it calls. Then each mutant gets a process of its own, with the tests that call its
function, until one fails. Those that killed a mutant of the function come first, then quick ones
that import its module or call few functions: so most mutants die within a second.
"""

from __future__ import annotations

import contextlib
import functools
import gc
import json
import math
import os
import resource
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import accumulate
from pathlib import Path
from typing import Any

import pytest
from mutmut.mutation.trampoline import set_mutant_under_test
from mutmut.state import state

SURVIVED, KILLED, UNDECIDED, NO_TEST_CALLS_IT = 0, 1, 2, 33
CPU_SECONDS_MIN = 5
TIMES_AS_LONG = 5
MEMORY_BYTES_MAX = 6 * 2**30


@dataclass(slots=True)
class Suite:
    """What the run without a mutant says about the tests, and which test killed what."""

    items: dict[str, pytest.Item]
    seconds: dict[str, float] = field(default_factory=dict)
    functions: Counter[str] = field(default_factory=Counter)
    """How many functions a test calls."""
    imports: dict[str, set[str]] = field(default_factory=dict)
    """The modules from which a test's file imports something: it is probably about these."""
    of_function: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    kills: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    """By function and by module: how many mutants a test killed there."""

    def record(
        self, test: str, seconds: float, functions: Iterable[str], imports: Iterable[str] = ()
    ) -> None:
        self.seconds[test], self.imports[test] = seconds, set(imports)
        for function in functions:
            self.functions[test] += 1
            self.of_function[function].append(test)

    def killed_by(self, test: str, function: str) -> None:
        for place in (function, _module(function)):
            self.kills[place][test] += 1

    def _cost(self, test: str) -> float:
        return self.seconds[test] * math.sqrt(self.functions[test])

    def for_function(self, function: str, seconds_max: float) -> list[str]:
        """Tests that call a function: those that probably kill a mutant of it first."""
        module = _module(function)
        here, near = self.kills[function], self.kills[module]
        spent: Counter[str] = Counter()
        turns: dict[str, tuple[int, float]] = {}
        # The cases of a test share its turn, so that one test of many cases delays no other.
        for test in sorted(self.of_function.get(function, []), key=self._cost):
            name = test.partition("[")[0]
            spent[name] += math.ceil(1000 * self._cost(test))
            is_about = module in self.imports[test] or near[test] > 0
            turns[test] = (-here[test], spent[name] * (1 if is_about else 5))
        ordered = sorted(turns, key=turns.__getitem__)
        total = accumulate(self.seconds[test] for test in ordered)
        return [test for test, until in zip(ordered, total, strict=True) if until <= seconds_max]


@dataclass(slots=True)
class Child:
    """A process that tries a mutant. It writes the name of the test that failed to `failed`."""

    mutant: str
    failed: int


class Session:
    """The hooks of pytest: what a test said, and what happens instead of the usual loop."""

    def __init__(self, config: pytest.Config) -> None:
        self.workers = int(config.getoption("mutant_workers"))
        self.seconds_max = float(config.getoption("mutant_seconds"))
        self.failed: str | None = None

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            self.failed = report.nodeid

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        if session.testsfailed:
            raise session.Failed("the tests cannot be collected")
        suite = self._without_a_mutant(session)
        _forget_cached()
        self._check_that_a_failure_is_seen(session, suite)
        self._try_all(suite, Results(Path()))
        return True

    def _try_all(self, suite: Suite, results: Results) -> None:
        children: dict[int, Child] = {}
        for function, mutants in results.to_try():
            for mutant in mutants:
                chosen = suite.for_function(function, self.seconds_max)
                if not chosen:
                    results.keep(mutant, NO_TEST_CALLS_IT)
                    continue
                while len(children) >= self.workers:
                    _await_one(children, suite, results)
                children |= self._start(mutant, suite, chosen)
        while children:
            _await_one(children, suite, results)

    def _check_that_a_failure_is_seen(self, session: pytest.Session, suite: Suite) -> None:
        (process,) = self._start("fail", suite, list(suite.items)[:300])
        if os.waitpid(process, 0)[1] == 0:
            raise session.Failed("no test notices that every function fails")

    def _without_a_mutant(self, session: pytest.Session) -> Suite:
        suite = Suite({item.nodeid: item for item in session.items})
        set_mutant_under_test("stats")
        for item, following in zip(session.items, [*session.items[1:], None], strict=True):
            state()._stats.clear()
            started = time.process_time()
            item.ihook.pytest_runtest_protocol(item=item, nextitem=following)
            seconds = time.process_time() - started
            suite.record(item.nodeid, seconds, sorted(state()._stats), _imports(item))
            if self.failed:
                raise session.Failed(f"without a mutant, {self.failed} fails")
        set_mutant_under_test("")
        return suite

    def _start(self, mutant: str, suite: Suite, chosen: list[str]) -> dict[int, Child]:
        read, write = os.pipe()
        if child := os.fork():
            os.close(write)
            return {child: Child(mutant, read)}
        os.close(read)
        code = UNDECIDED
        with contextlib.suppress(BaseException):
            _limit_itself(sum(suite.seconds[test] for test in chosen))
            failed = self._outcome(mutant, suite, chosen)
            os.write(write, (failed or "").encode())
            code = SURVIVED if failed is None else KILLED
        os._exit(code)

    def _outcome(self, mutant: str, suite: Suite, chosen: list[str]) -> str | None:
        """The first of the chosen tests that fails with a mutant, or None."""
        set_mutant_under_test(mutant)
        self.failed = None
        for test, following in zip(chosen, [*chosen[1:], None], strict=True):
            item = suite.items[test]
            after = suite.items[following] if following else None
            item.ihook.pytest_runtest_protocol(item=item, nextitem=after)
            if self.failed:
                break
        set_mutant_under_test("")
        return self.failed


class Results:
    """mutmut's files of results. A mutant without a result is to be tried."""

    def __init__(self, root: Path) -> None:
        self.files = {path: json.loads(path.read_text()) for path in sorted(root.rglob("*.meta"))}
        self.file_of = {
            name: path for path, found in self.files.items() for name in found["exit_code_by_key"]
        }
        self.done = 0

    def to_try(self) -> Iterator[tuple[str, list[str]]]:
        """The mutants of each function."""
        found = defaultdict(list)
        for data in self.files.values():
            for name, code in data["exit_code_by_key"].items():
                if code is None:
                    found[_function(name)].append(name)
        yield from sorted(found.items())

    def keep(self, mutant: str, code: int) -> None:
        path = self.file_of[mutant]
        self.files[path]["exit_code_by_key"][mutant] = code
        whole = path.with_suffix(".new")
        whole.write_text(json.dumps(self.files[path], indent=4))
        whole.replace(path)  # at once, so that the file is whole after a crash, too
        self.done += 1
        if code != KILLED or self.done % 100 == 0:
            sys.stderr.write(f"{self.done} {'killed' if code == KILLED else 'lives'} {mutant}\n")


def _await_one(children: dict[int, Child], suite: Suite, results: Results) -> None:
    process, status = os.wait()
    child = children.pop(process)
    with os.fdopen(child.failed) as pipe:
        failed = pipe.read()
    results.keep(child.mutant, os.waitstatus_to_exitcode(status))
    if failed:
        suite.killed_by(failed, _function(child.mutant))


def _limit_itself(seconds: float) -> None:
    """Be silent, and end after a multiple of the time that the tests need."""
    nothing = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nothing, 1)
    os.dup2(nothing, 2)
    limit = math.ceil(time.process_time() + CPU_SECONDS_MIN + TIMES_AS_LONG * seconds)
    resource.setrlimit(resource.RLIMIT_CPU, (limit, limit + 1))
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES_MAX, MEMORY_BYTES_MAX))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _forget_cached() -> None:
    """Results that a function of ours kept would hide its mutants."""
    for each in gc.get_objects():
        if isinstance(each, functools._lru_cache_wrapper) and str(each.__module__).startswith(
            "worker."
        ):
            each.cache_clear()
    gc.collect()
    gc.freeze()


def _imports(item: pytest.Item) -> set[str]:
    module = item.getparent(pytest.Module)
    values = vars(module.obj).values() if module else ()
    return {str(getattr(value, "__module__", getattr(value, "__name__", ""))) for value in values}


def _function(mutant: str) -> str:
    return mutant.rpartition("__mutmut_")[0]


def _module(function: str) -> str:
    return function.rpartition(".")[0]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--mutant-workers", default="2", help="mutants at once")
    parser.addoption("--mutant-seconds", default="3", help="CPU seconds of tests for a mutant")


def pytest_configure(config: Any) -> None:
    config.pluginmanager.register(Session(config))
