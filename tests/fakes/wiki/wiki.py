"""A `WikiContext` in memory, over any `FakeStore`."""

from __future__ import annotations

from tests.fakes.store.store import FakeStore
from tests.fakes.wiki.contribute import FakeContributions
from tests.fakes.wiki.counters import FakeCounters
from tests.fakes.wiki.governance import FakeGovernance
from tests.fakes.wiki.staking import FakeStaking, FakeTransfers
from worker.ports.payout import Clock
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
