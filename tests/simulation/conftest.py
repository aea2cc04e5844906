"""A small world for the tests of this folder."""

from __future__ import annotations

import pytest

from tests.fakes.world import World
from tests.simulation.divergence.histories import BATCH_SIZE, NAMES


@pytest.fixture
def world() -> World:
    """Genesis, and eight contributors in batches of two. One account is frozen later."""
    world = World(batch_size=BATCH_SIZE)
    world.populate(len(NAMES))
    world.genesis()
    return world
