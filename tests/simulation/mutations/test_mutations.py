"""Takes each safeguard away in turn, which a scenario must reveal.

Every scenario is played twice. With all safeguards, the auditor finds nothing. Without the one
safeguard, the auditor finds a violation, a promise is broken, or the week never closes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import pytest

from tests.fakes.world import WEEK, World, store_of
from tests.simulation.facts import audit_world, collect, inputs_of
from tests.simulation.mutations import (
    anchoring,
    endpoints,
    orders,
    paying,
    planning,
    protocol,
    singles,
    users,
)
from tests.simulation.mutations.safeguard import Safeguard, Scenario
from worker.services.plan.genesis import make_genesis

NAMES = [f"user {i}" for i in range(6)]
SAFEGUARDS = [
    *protocol.SAFEGUARDS,
    *planning.SAFEGUARDS,
    *users.SAFEGUARDS,
    *anchoring.SAFEGUARDS,
    *paying.SAFEGUARDS,
    *singles.SAFEGUARDS,
    *orders.SAFEGUARDS,
    *endpoints.SAFEGUARDS,
]


def findings_of(scenario: Scenario) -> str:
    """The auditor's findings after a scenario, and whether its week was closed."""
    world = World(batch_size=2)
    world.populate(len(NAMES))
    make_genesis(world.first, WEEK)
    inputs = inputs_of(world)
    stuck = []
    try:
        scenario(world)
    except AssertionError as error:
        stuck.append(repr(error))
    for context in world.operators:
        collect(inputs, store_of(context))
    world.ledger.finalize()
    return "\n".join([*stuck, *audit_world(world, inputs).findings])


@pytest.mark.parametrize("safeguard", SAFEGUARDS, ids=lambda each: each.name)
def test_with_every_safeguard_in_place_nothing_is_found(safeguard: Safeguard) -> None:
    assert findings_of(safeguard.scenario) == ""


@pytest.mark.parametrize("safeguard", SAFEGUARDS, ids=lambda each: each.name)
def test_without_a_safeguard_somebody_notices(
    safeguard: Safeguard, monkeypatch: pytest.MonkeyPatch
) -> None:
    safeguard.take_away(monkeypatch)
    with pytest.raises(AssertionError, match=safeguard.noticed):
        assert findings_of(safeguard.scenario) == ""


def test_each_safeguard_has_a_name_of_its_own(
    record_property: Callable[[str, object], None],
) -> None:
    """The session's summary in tests/conftest.py prints their number."""
    record_property("safeguards taken away", len(SAFEGUARDS))
    assert max(Counter(each.name for each in SAFEGUARDS).values()) == 1
