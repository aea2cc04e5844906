"""The simulated town: two operators with three workers, their wikis, and an unreliable cluster.

`tests.simulation.events` holds its events.
"""

from __future__ import annotations

from datetime import timedelta

from tests.fakes.store.state import State
from tests.fakes.world import WEEK, World
from tests.simulation.auditor import Inputs
from tests.simulation.facts import inputs_of
from tests.simulation.faults.moods import (
    BATCH_SIZE,
    SKEWS_SECONDS,
    MoodyChain,
    SkewedClock,
    operator_of,
    three_endpoints,
)
from worker.services.plan.genesis import make_genesis

USERS = [f"user {i}" for i in range(7)]


class Town:
    """Everything outside the services."""

    def __init__(self) -> None:
        self.world = World(batch_size=BATCH_SIZE)
        self.operators = [operator_of(self.world, skew) for skew in SKEWS_SECONDS]
        self.world.operators[:] = self.operators
        self.world.first = self.operators[0]
        self.world.fund()
        self.weeks = [WEEK]
        self.dropped: list[bytes] = []
        self.backups: list[tuple[int, State]] = []
        for i, name in enumerate(USERS):
            self.world.add_user(name, account=i != 0, wallet=None if i == 1 else "own")
        for name in USERS:
            self.world.contribute(name, 100)
        self.inputs: Inputs = inputs_of(self.world)
        for operator in self.operators:
            make_genesis(operator, WEEK)

    def add_week(self) -> None:
        week = self.weeks[-1].next()
        self.weeks.append(week)
        for i, name in enumerate(USERS):
            self.world.contribute(name, 50 + i, week=week)
        due = week.end + timedelta(hours=1) - self.world.clock.now()
        self.world.clock.sleep(max(0.0, due.total_seconds()))

    def calm_down(self) -> None:
        """End every fault, so that the remaining work can be done."""
        ledger = self.world.ledger
        ledger.holds_sends = False
        ledger.in_flight.clear()
        for operator, skew in zip(self.operators, SKEWS_SECONDS, strict=True):
            chain, clock = operator.chain, operator.clock
            assert isinstance(chain, MoodyChain)
            assert isinstance(clock, SkewedClock)
            clock.skew = timedelta(seconds=skew)
            chain.endpoints = three_endpoints()
            chain.forgets_statuses, chain.has_history, chain.refuses_sends = False, True, None
            chain.history_lag_slots, chain.has_block_times = 0, True
            operator.store.pause(None)
        self._release_everybody()
        self.world.fund()
        self.world.clock.sleep(120)

    def _release_everybody(self) -> None:
        """End every operator's holds. An operator sees the payment of a held reward only then."""
        for operator in self.operators:
            for week in self.weeks:
                for reward in operator.store.marked_rewards(week):
                    operator.store.hold(reward, None)
