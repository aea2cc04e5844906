"""Runs the services in the town with disturbances at any external call, and checks promises.

Workers interleave at external calls: one worker can act in the middle of another's work.
"""

from __future__ import annotations

import random
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from tests.fakes.world import store_of
from tests.simulation.auditor import audit
from tests.simulation.events import EVENTS, happen
from tests.simulation.facts import books_of
from tests.simulation.faults.faults import LATE_SECONDS, Call, Crashed, Process
from tests.simulation.faults.sweeping import is_closed, sweep
from tests.simulation.town import Town
from worker.core.errors import KontribError, Unreachable
from worker.core.lifecycle import Status
from worker.core.week import Week
from worker.services.context import Context, Deadline
from worker.services.payout.override import void_batch
from worker.services.payout.rebuild import rebuild_week
from worker.services.week.due import find_work
from worker.services.week.run import do_work
from worker.services.week.status import obstacles
from worker.services.week.story import Work
from worker.services.week.unblock import retry_week

CRASH_BEFORE, CRASH_AFTER = "crash before", "crash after"
ERROR_BEFORE, ERROR_AFTER = "error before", "error after"
LATE, ANOTHER_WORKER = "late", "another worker"
FAULTS = (CRASH_BEFORE, CRASH_AFTER, ERROR_BEFORE, ERROR_AFTER, LATE, ANOTHER_WORKER)
WORKERS = (0, 0, 1)
"""The operator of each worker. Two workers share a database."""
OLD_MESSAGES_MAX = 20
SWEEPS_MAX = 80
STEP_SECONDS = 120


_OFFERED_VOID = re.compile(r"`kontrib void \S+ (\d+) ")


class WeekNeverCloses(AssertionError):
    """Without faults, a week is still open after a bounded number of sweeps."""


class AuditFailed(AssertionError):
    """The auditor found a violation."""


@dataclass(frozen=True, slots=True)
class Disturbance:
    """A disturbance at the `at`-th external call of a step."""

    at: int
    name: str
    number: int


class Simulation:
    """One deterministic history: the same calls repeat it."""

    def __init__(self) -> None:
        self.town = Town()
        self.counts: Counter[str] = Counter()
        self._messages: list[tuple[int, Work]] = []
        self._busy: set[int] = set()

    def happen(self, name: str, number: int) -> None:
        self.counts[name] += 1
        happen(self.town, name, number)

    # --- workers ---------------------------------------------------------------------------

    def step(self, worker: int, choice: int, disturbances: Sequence[Disturbance] = ()) -> None:
        """A worker takes one message and does its work, with occasional disturbances.

        Every fourth message is an old one, since messages may arrive twice and out of order.
        """
        if worker in self._busy:
            return
        process = self._process(worker, {d.at: d for d in disturbances})
        self._busy.add(worker)
        self.counts["step"] += 1
        try:
            work = self._message(WORKERS[worker], choice, process.context)
            if work is not None:
                do_work(process.context, work, seconds=STEP_SECONDS)
        except Crashed:
            self.counts["crashed"] += 1
        except KontribError as error:
            self.counts[type(error).__name__] += 1
        finally:
            self._busy.discard(worker)

    def _message(self, operator: int, choice: int, context: Context) -> Work | None:
        old = [work for owner, work in self._messages if owner == operator]
        if old and choice % 4 == 3:
            return old[choice // 4 % len(old)]
        if not (found := find_work(context)):
            return None
        work = found[choice % len(found)]
        self._messages = [*self._messages[-OLD_MESSAGES_MAX:], (operator, work)]
        return work

    def _process(self, worker: int, plan: dict[int, Disturbance]) -> Process:
        def before(call: Call) -> None:
            if call.number in plan:
                self._disturb(plan[call.number])

        def after(call: Call) -> None:
            name = plan[call.number].name if call.number in plan else ""
            if name == CRASH_AFTER:
                raise Crashed
            if name == ERROR_AFTER:
                raise Unreachable("no answer")

        return Process(self.town.operators[WORKERS[worker]], before, after)

    def _disturb(self, found: Disturbance) -> None:
        if found.name == CRASH_BEFORE:
            raise Crashed
        if found.name == ERROR_BEFORE:
            raise Unreachable("no answer")
        if found.name == LATE:
            self.town.world.clock.sleep(LATE_SECONDS)
        elif found.name == ANOTHER_WORKER:
            self.step(found.number % len(WORKERS), found.number // len(WORKERS))
        elif found.name in EVENTS:
            self.happen(found.name, found.number)

    # --- promises --------------------------------------------------------------------------

    def check_chain(self) -> None:
        """Check the promises that hold at every moment, by the chain alone."""
        self._audit([])

    def settle(self) -> None:
        """Stop the faults. Every week that has begun closes, and the books agree."""
        self.town.calm_down()
        self.happen("retry", 0)
        self.happen("retry", 1)
        failures: list[str] = []
        for number in range(SWEEPS_MAX):
            for operator in self.town.operators:
                failures += sweep(operator)
            if self._all_closed():
                break
            self.town.world.clock.sleep(300)
            if number % 4 == 3:
                self._do_as_told()
        else:
            raise WeekNeverCloses(f"{self._open_weeks()}: {failures[-8:]}")
        self._look_again()
        self.town.world.ledger.expire()
        self._audit(self.town.operators)

    def _do_as_told(self) -> None:
        """Read the reasons as an operator does, and do what they ask for."""
        for operator in self.town.operators:
            for week in self.town.weeks:
                self._void_as_told(operator, week)
                distribution = operator.store.distribution(week)
                if distribution is None or "kontrib rebuild" not in (distribution.reason or ""):
                    continue
                try:
                    rebuild_week(operator, week, Deadline(operator.clock, STEP_SECONDS))
                    self.counts["rebuilt"] += 1
                except KontribError as error:
                    self.counts[type(error).__name__] += 1

    def _void_as_told(self, operator: Context, week: Week) -> None:
        """Make a batch void that is refused again and again, where its reason offers it."""
        for obstacle in obstacles(operator.store, week, None):
            if (offer := _OFFERED_VOID.search(obstacle.reason)) is None:
                continue
            try:
                void_batch(operator, week, int(offer[1]), "a recipient refuses the tokens")
                self.counts["voided as told"] += 1
            except KontribError as error:  # another operator was faster
                self.counts[type(error).__name__] += 1
            retry_week(operator.store, week)

    def _look_again(self) -> None:
        """Wait for the next check of held rewards, every few hours."""
        for _ in range(3):
            self.town.world.clock.sleep(24 * 3600 + 60)
            for operator in self.town.operators:
                sweep(operator)
            self.town.world.ledger.expire()

    def _all_closed(self) -> bool:
        weeks, operators = self.town.weeks, self.town.operators
        return all(is_closed(operator, week) for operator in operators for week in weeks)

    def _open_weeks(self) -> list[str]:
        return [
            f"{week}: {distribution.stage} {distribution.reason}"
            for operator in self.town.operators
            for week in self.town.weeks
            if (distribution := operator.store.distribution(week)) is not None
            and not is_closed(operator, week)
        ]

    def _audit(self, operators: Sequence[Context]) -> None:
        world = self.town.world
        books = [books_of(store_of(operator)) for operator in operators]
        report = audit(world.ledger, world.archive.files, self.town.inputs, books)
        if report.findings:
            raise AuditFailed("\n".join(report.findings))

    def paid(self) -> int:
        """The number of paid rewards in the first operator's books."""
        state = store_of(self.town.operators[0]).state
        rewards = [stored.reward for rows in state.rewards.values() for stored in rows.values()]
        return sum(reward.status is Status.COMPLETED for reward in rewards)


# --- the seeded long run -------------------------------------------------------------------------

STEPS_PER_WEEK = 60
EVENT_NAMES = tuple(EVENTS)


def run(seed: int, weeks: int) -> Counter[str]:
    """Play and audit weeks drawn from a seed; return the counts of events by name."""
    try:
        return _live(random.Random(seed), weeks)
    except BaseException as error:
        error.add_note(f"Again: python -m tests.simulation --seed {seed} --weeks {weeks}")
        raise


def _live(chance: random.Random, weeks: int) -> Counter[str]:
    simulation = Simulation()
    for number in range(weeks):
        if number:
            simulation.town.add_week()
        for _ in range(STEPS_PER_WEEK):
            _one_thing(simulation, chance)
            simulation.check_chain()
        if chance.random() < 0.7 or number == weeks - 1:
            simulation.settle()
    simulation.counts["paid"] = simulation.paid()
    return simulation.counts


def _one_thing(simulation: Simulation, chance: random.Random) -> None:
    if chance.random() < 0.35:
        simulation.happen(chance.choice(EVENT_NAMES), chance.randrange(100))
        return
    disturbances = [
        Disturbance(
            chance.randrange(60), chance.choice(FAULTS + EVENT_NAMES), chance.randrange(100)
        )
        for _ in range(chance.randrange(4))
    ]
    simulation.step(chance.randrange(len(WORKERS)), chance.randrange(100), disturbances)
