"""The differences between the town's operators: clocks, endpoints and databases."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from tests.fakes.chain.chain import FakeChain
from tests.fakes.chain.faults import FakeEndpoint
from tests.fakes.store.store import FakeStore
from tests.fakes.world import FakeClock, World
from worker.core.payout.chain import Landing, SignatureStatus
from worker.services.context import Context, Limits

BATCH_SIZE = 2
SKEWS_SECONDS = (0.0, 40.0)
LIMITS = Limits(
    batches_per_task=2,
    batches_in_flight=4,
    poll_seconds=4.0,
    backoff_scale=0.05,
    plan_grace=timedelta(minutes=10),
)


class SkewedClock(FakeClock):
    """An operator's clock with an error in seconds, which an event may change."""

    def __init__(self, true: FakeClock, skew_seconds: float) -> None:
        self._true, self.skew = true, timedelta(seconds=skew_seconds)

    def now(self) -> datetime:
        return self._true.now() + self.skew

    def sleep(self, seconds: float) -> None:
        self._true.sleep(seconds)


class MoodyChain(FakeChain):
    """A cluster whose status cache can lack a transaction."""

    forgets_statuses = False

    def statuses(self, signatures: Sequence[str]) -> list[SignatureStatus]:
        found = super().statuses(signatures)
        unseen = SignatureStatus(Landing.UNSEEN)
        return [unseen for _ in found] if self.forgets_statuses else found


def three_endpoints() -> list[FakeEndpoint]:
    """Healthy endpoints. One of them may die, and the other two still decide."""
    return [FakeEndpoint() for _ in range(3)]


def operator_of(world: World, skew_seconds: float) -> Context:
    """An operator of the world with a separate database and clock."""
    chain = MoodyChain(
        world.ledger,
        transfers_per_transaction=BATCH_SIZE,
        endpoints=three_endpoints(),
    )
    return Context(
        store=FakeStore(),
        chain=chain,
        archive=world.archive,
        clock=SkewedClock(world.clock, skew_seconds),
        limits=LIMITS,
    )
