"""Random histories: drawn by Hypothesis, which shrinks failures, and by seeds.

Every run has the same histories, so that a failure comes from the change under test.
`make simulate` plays new ones.
"""

from __future__ import annotations

import os
import sys

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from tests.simulation.events import EVENTS
from tests.simulation.simulator import FAULTS, WORKERS, Disturbance, Simulation, run

EXAMPLES = int(os.environ.get("KONTRIB_SIMULATION_EXAMPLES", "200"))
SEEDS = range(int(os.environ.get("KONTRIB_SIMULATION_SEEDS", "40")))
WEEKS = 3

numbers = st.integers(0, 99)
disturbances = st.lists(
    st.builds(
        Disturbance,
        at=st.integers(0, 60),
        name=st.sampled_from([*FAULTS, *EVENTS]),
        number=numbers,
    ),
    max_size=3,
)


class AnyHistory(RuleBasedStateMachine):
    """Events and disturbed work in any order. The faults stop at the end."""

    def __init__(self) -> None:
        super().__init__()
        self.simulation = Simulation()

    @rule(name=st.sampled_from(list(EVENTS)), number=numbers)
    def happen(self, name: str, number: int) -> None:
        self.simulation.happen(name, number)

    @rule(worker=st.integers(0, len(WORKERS) - 1), choice=numbers, disturbances=disturbances)
    def step(self, worker: int, choice: int, disturbances: list[Disturbance]) -> None:
        self.simulation.step(worker, choice, disturbances)

    @invariant()
    def the_auditor_finds_nothing(self) -> None:
        self.simulation.check_chain()

    def teardown(self) -> None:
        if sys.exc_info()[0] is None:  # otherwise the history has already failed
            self.simulation.settle()


TestAnyHistory = AnyHistory.TestCase
TestAnyHistory.settings = settings(
    max_examples=EXAMPLES,
    stateful_step_count=40,
    deadline=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_seeded_history_pays_everyone_once_and_closes_its_weeks(seed: int) -> None:
    assert run(seed, WEEKS)["paid"] > 0


def test_a_seed_gives_the_same_history_again() -> None:
    assert run(7, 2) == run(7, 2)
