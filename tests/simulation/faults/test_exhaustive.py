"""Every external call of small weeks, with each of its faults.

The chain is audited after each run by an auditor that shares no code with the system.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.simulation.facts import audit_world
from tests.simulation.faults.call_sites import LEFT_OUT, SERVICES, call_sites, money_path
from tests.simulation.faults.costs import ONE_DATABASE, compare_costs
from tests.simulation.faults.faults import Call, Fault, Process, process_with_fault
from tests.simulation.happenings import small_world
from tests.simulation.player import Player, Scenario
from tests.simulation.scenarios import SCENARIOS
from worker.services.context import Context


def play(scenario: Scenario, first: Callable[[Context], Process]) -> list[str]:
    """Play a scenario to its end, and return the auditor's findings. Recorded costs are compared
    where one database has seen every transaction."""
    world = small_world()
    Player(world, first).play(scenario)
    findings = audit_world(world).findings
    return findings + (compare_costs(world) if scenario.name in ONE_DATABASE else [])


@functools.cache
def clean_calls(scenario: Scenario) -> tuple[Call, ...]:
    """The external calls of a scenario without faults."""
    processes: list[Process] = []

    def first(context: Context) -> Process:
        processes.append(Process(context))
        return processes[0]

    assert play(scenario, first) == []
    return tuple(processes[0].calls)


def fault_points() -> int:
    return sum(len(clean_calls(scenario)) for scenario in SCENARIOS) * len(Fault)


@pytest.mark.parametrize("fault", Fault, ids=lambda fault: fault.name.lower())
@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)
def test_no_fault_at_any_external_call_pays_twice_or_loses_a_reward(
    scenario: Scenario, fault: Fault
) -> None:
    failures = []
    for call in clean_calls(scenario):
        where = f"{fault.value}: call {call.number}, {call.port}.{call.method}"
        try:
            findings = play(scenario, functools.partial(_faulty, fault, call.number))
        except AssertionError as stuck:
            findings = [str(stuck)]
        failures += [f"{where}: {finding}" for finding in findings]
    assert failures == []


def _faulty(fault: Fault, number: int, context: Context) -> Process:
    return process_with_fault(context, fault, number)


def test_every_call_of_the_outside_on_the_money_path_is_among_the_fault_points() -> None:
    hits = [call for scenario in SCENARIOS for call in clean_calls(scenario)]
    missed = [str(site) for site in call_sites() if not any(map(site.is_hit_by, hits))]
    assert missed == [], "extend tests/simulation/scenarios.py so that these are reached"


def test_costs_are_compared_in_scenarios_that_exist() -> None:
    assert set(ONE_DATABASE) <= {scenario.name for scenario in SCENARIOS}


def test_the_money_path_is_found_in_the_source() -> None:
    names = {module.relative_to(SERVICES).as_posix() for module in money_path()}
    assert {"plan/anchor.py", "plan/plan_week.py", "plan/seal.py"} <= names
    assert {"payout/pay.py", "payout/prepare.py", "payout/release_singles.py"} <= names
    assert [name for name in LEFT_OUT if not (SERVICES / name).exists()] == []


def test_the_number_of_fault_points_is_shown(
    record_property: Callable[[str, object], None],
) -> None:
    """The session's summary in tests/conftest.py prints it, since a worker process cannot."""
    count = fault_points()
    record_property("fault points covered", f"{count:,}")
    if path := os.environ.get("KONTRIB_WRITE_FAULT_COUNT"):
        Path(path).write_text(f"{count:,}\n")
    assert count > 1_000
