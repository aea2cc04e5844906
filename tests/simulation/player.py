"""Plays a scenario: changes the world, and sweeps until each act's goal is reached.

A new process on the same database, chain and archive replaces a killed one. Leases of the killed
process end only when they expire.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from tests.fakes.world import World
from tests.simulation.faults.faults import Crashed, Process
from worker.core.errors import KontribError
from worker.services.context import Context, Limits
from worker.services.week.due import find_work
from worker.services.week.run import do_work

SWEEP_SECONDS = 150
SWEEPS_MAX = 30
ROUNDS_MAX = 30
LIMITS = Limits(batches_per_task=100, batches_in_flight=8, poll_seconds=2.0, backoff_scale=0.01)
"""Few polls during a wait, and so few identical calls. The pauses are shorter than a sweep."""

Task = Callable[[Context], None]
Goal = Callable[[Context], bool]


class Stuck(AssertionError):
    """A goal was not reached in a bounded number of sweeps."""


@dataclass(frozen=True, slots=True)
class Act:
    """`prepare` changes the world. Then `task`, or all due work, runs until `goal`."""

    name: str
    goal: Goal
    prepare: Callable[[World], None] = lambda world: None
    task: Task | None = None


@dataclass(frozen=True, slots=True)
class Scenario:
    """Faults happen in `acts` only. The acts before and after have none."""

    name: str
    acts: tuple[Act, ...]
    before: tuple[Act, ...] = ()
    after: tuple[Act, ...] = ()


class Player:
    """Plays a scenario; `first` makes the process that may fail."""

    def __init__(self, world: World, first: Callable[[Context], Process]) -> None:
        self._world = world
        self._outside = replace(world.first, limits=LIMITS)
        self._first = first
        self._process = Process(self._outside)

    def play(self, scenario: Scenario) -> None:
        for act in scenario.before:
            self._perform(act)
        self._process = self._first(self._outside)
        for act in scenario.acts:
            self._perform(act)
        self._process = Process(self._outside)
        for act in scenario.after:
            self._perform(act)
        self._world.ledger.expire()

    def _perform(self, act: Act) -> None:
        act.prepare(self._world)
        trouble: list[str] = []
        for _ in range(SWEEPS_MAX):
            try:
                if self._sweep(act):
                    return
            except Crashed:
                self._process = Process(self._outside)
            except KontribError as error:
                trouble.append(f"{type(error).__name__}: {error}")
            if act.goal(self._outside):
                return
            self._world.clock.sleep(SWEEP_SECONDS)
        raise Stuck(f"'{act.name}' is not done after {SWEEPS_MAX} sweeps: {trouble[-3:]}")

    def _sweep(self, act: Act) -> bool:
        context = self._process.context
        if act.task is not None:
            act.task(context)
            return act.goal(self._outside)
        for _ in range(ROUNDS_MAX):
            if act.goal(self._outside):
                return True
            if not (work := find_work(context)):
                return False
            do_work(context, work[0], seconds=120)
        raise Stuck(f"'{act.name}' is still busy after {ROUNDS_MAX} pieces of work")
