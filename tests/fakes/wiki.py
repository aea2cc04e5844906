"""A `WikiContext` in memory, over any `FakeStore`."""

from __future__ import annotations

from tests.fakes.contribute import FakeContributions
from tests.fakes.counters import FakeCounters
from tests.fakes.governance import FakeGovernance
from tests.fakes.staking import FakeStaking, FakeTransfers
from tests.fakes.store import FakeStore
from worker.ports import Clock
from worker.services.wiki_context import WikiContext


def wiki_in_memory(store: FakeStore, clock: Clock, *, vault: str | None = None) -> WikiContext:
    return WikiContext(
        store=store,
        contributions=FakeContributions(store),
        counters=FakeCounters(store),
        staking=FakeStaking(store),
        governance=FakeGovernance(store),
        clock=clock,
        vault=vault,
        transfers=FakeTransfers(),
    )
