"""One week through real Celery workers, with the time of each stage."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import psutil

from bench.synthetic import WEEK, Size, populate
from deploy.local.chain.client import ChainClient
from deploy.local.chain.service import chain_service
from deploy.local.stack import LocalStack
from tests.end_to_end.support.cluster import Cluster
from worker.adapters.mongo.base import UNRESOLVED
from worker.core.lifecycle import Stage
from worker.core.payout.records import Distribution, PayoutKind
from worker.services.payout.reconcile import Reconciliation, reconcile
from worker.services.plan.genesis import make_genesis

SETTINGS = {
    "SWEEP_SECONDS": "60",
    "LEASE_SECONDS": "120",
    "BACKOFF_SCALE": "1",
    "RPC_TIMEOUT_SECONDS": "20",
}
PATIENCE_SECONDS = 3600
LOOK_SECONDS = 0.2
LOOK_SECONDS_MAX = 1.0
LOOK_PAUSES = 50
"""Looking at a large week takes the engine 20 ms. So a pause lasts this many times a look, which
leaves the time to what is measured."""
STAGES = ("planned", "anchored", "prepared", "settled", "closed")


@dataclass(frozen=True, slots=True)
class Measured:
    """Seconds by stage, and the week's cost. Amounts in lamports, memory in bytes."""

    users: int
    contributions: int
    workers: int
    seconds: dict[str, float]
    batches: int
    batch_size: int
    payment_fees: int
    receipt_rent: int
    worker_memory_peak: int
    exact: bool
    finality_seconds: float = 0.0
    """The slots between `processed` and `finalized`, times the seconds of a slot in this week."""

    @property
    def settled_less_finality(self) -> float:
        """Seconds of paying and settling, without the one wait for finality that nothing hides."""
        return self.seconds["settled"] - self.finality_seconds

    @property
    def settled_per_second(self) -> float:
        """Recipients paid and settled per second, from the last account's creation on."""
        return self.users / self.seconds["settled"]

    @property
    def plan_to_close_seconds(self) -> float:
        return sum(self.seconds.values())

    @property
    def transactions_per_10k(self) -> int:
        """Transactions per 10,000 recipients whose accounts exist."""
        return -(-10_000 // self.batch_size)

    @property
    def fee_per_recipient(self) -> float:
        return self.payment_fees / self.users

    def as_dict(self) -> dict[str, Any]:
        return asdict(self) | {
            "settled_per_second": self.settled_per_second,
            "plan_to_close_seconds": self.plan_to_close_seconds,
            "transactions_per_10k": self.transactions_per_10k,
            "fee_per_recipient": self.fee_per_recipient,
        }


@contextmanager
def finished_week(folder: Path, size: Size, workers: int) -> Iterator[tuple[Cluster, Measured]]:
    """Run one week and measure it. The stack exists until the block ends."""
    with local_stack(folder) as stack:
        cluster = Cluster(folder, stack.settings(), WEEK, **SETTINGS)
        try:
            yield cluster, _measure(cluster, size, workers)
        finally:
            cluster.stop()


@contextmanager
def local_stack(folder: Path) -> Iterator[LocalStack]:
    """A temporary engine, Redis and chain with their data."""
    stack = LocalStack(folder / "stack", lambda line: None, services=[chain_service()])
    stack.up()
    try:
        yield stack
    finally:
        stack.down(purge=True)


def _measure(cluster: Cluster, size: Size, workers: int) -> Measured:
    context, settings = cluster.context, cluster.settings
    populate(cluster.database, settings.solana_rpc_url[0], context.chain.mint, size)
    make_genesis(context, WEEK)
    cluster.start_worker(concurrency=workers)
    cluster.wait(lambda: "ready." in cluster.log(), 60, "no worker")
    url = settings.solana_rpc_url[0]
    first, began = _slot(url, "processed"), time.monotonic()
    seconds = _follow(cluster)
    slots, taken = _slot(url, "processed") - first, time.monotonic() - began
    finality = (_slot(url, "processed") - _slot(url, "finalized")) * taken / slots
    peak = _memory_peak(cluster)
    result = _reconciled(cluster)
    costs = context.chain.costs()
    return Measured(
        users=size.users,
        contributions=size.contributions,
        workers=workers,
        seconds=seconds,
        batches=result.payouts,
        batch_size=costs.transfers_per_transaction,
        payment_fees=result.fees,
        receipt_rent=costs.receipt_rent,
        worker_memory_peak=peak,
        exact=result.is_exact and result.database_unpaid == 0,
        finality_seconds=finality,
    )


def _slot(url: str, commitment: str) -> int:
    with ChainClient(url) as chain:
        return int(chain.call("getSlot", {"commitment": commitment}))


def _reconciled(cluster: Cluster) -> Reconciliation:
    distribution = cluster.context.store.distribution(WEEK)
    if distribution is None:
        raise AssertionError(cluster.describe())
    return reconcile(cluster.context, distribution)


def _follow(cluster: Cluster) -> dict[str, float]:
    """Start the week through Celery, and time each stage."""
    seconds: dict[str, float] = {}
    began = last = time.monotonic()
    cluster.send("tasks.distribute", week=WEEK.id)
    for stage in STAGES:
        while (looked := _look(cluster, stage)) is not None:
            if time.monotonic() - began > PATIENCE_SECONDS:
                raise AssertionError(cluster.describe())
            time.sleep(min(max(LOOK_SECONDS, LOOK_PAUSES * looked), LOOK_SECONDS_MAX))
        now = time.monotonic()
        seconds[stage], last = now - last, now
    return seconds


def _look(cluster: Cluster, stage: str) -> float | None:
    """The seconds that a look took, or None if the week has reached the stage."""
    began = time.monotonic()
    if _REACHED[stage](cluster, cluster.context.store.distribution(WEEK)):
        return None
    return time.monotonic() - began


def _at(*stages: Stage) -> Callable[[Cluster, Distribution | None], bool]:
    return lambda cluster, distribution: distribution is not None and distribution.stage in stages


def _is_settled(cluster: Cluster, distribution: Distribution | None) -> bool:
    """One unresolved batch is looked for, since counting all of them takes the engine 0.1 s."""
    if distribution is None or distribution.plan_id is None:
        return False
    open_batch = {
        "plan_id": distribution.plan_id,
        "kind": PayoutKind.BATCH.value,
        "status": {"$in": UNRESOLVED},
    }
    return cluster.database.payout_batches.find_one(open_batch, {"_id": 1}) is None


_REACHED = {
    "planned": _at(Stage.PLANNED, Stage.ANCHORED, Stage.PREPARED, Stage.COMPLETED),
    "anchored": _at(Stage.ANCHORED, Stage.PREPARED, Stage.COMPLETED),
    "prepared": _at(Stage.PREPARED, Stage.COMPLETED),
    "settled": _is_settled,
    "closed": _at(Stage.COMPLETED),
}


def _memory_peak(cluster: Cluster) -> int:
    """The largest resident set of any worker process, as the kernel reports it."""
    parent = psutil.Process(cluster.processes["worker"].pid)
    peaks = []
    for process in [parent, *parent.children(recursive=True)]:
        status = Path(f"/proc/{process.pid}/status").read_text()
        line = next(line for line in status.splitlines() if line.startswith("VmHWM:"))
        peaks.append(int(line.split()[1]) * 1024)
    return max(peaks)
