"""One week through real Celery workers, with the time of each stage."""

from __future__ import annotations

import itertools
import random
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import psutil

from tests.end_to_end import wiki
from tests.end_to_end.cluster import Cluster
from worker.adapters.mongo.migrations import migrate
from worker.core.lifecycle import Stage
from worker.core.records import PayoutKind
from worker.core.week import Week
from worker.local.chain_service import chain_service
from worker.local.stack import LocalStack
from worker.services.accounts import create_token_accounts
from worker.services.context import Deadline
from worker.services.genesis import make_genesis
from worker.services.reconcile import reconcile

WEEK = Week.parse("2024-W50")
CHUNK = 5000
STAGES = (Stage.PLANNED, Stage.ANCHORED, Stage.PREPARED, Stage.COMPLETED)


@dataclass(frozen=True)
class Measured:
    """Seconds by stage, and what the week cost. Amounts in lamports, memory in bytes."""

    users: int
    contributions: int
    workers: int
    seconds: dict[str, float]
    transactions: int
    batches: int
    fees: int
    receipt_rent: int
    worker_memory_peak: int
    exact: bool

    @property
    def paying_seconds(self) -> float:
        return sum(self.seconds[s] for s in ("anchored", "prepared", "completed"))

    def rows(self) -> Iterator[tuple[str, str]]:
        yield f"{self.contributions:,} contributions by {self.users:,} users", ""
        names = {
            "planned": "planned, written, read back and published",
            "anchored": "anchored at finalized",
            "prepared": "token accounts created",
            "completed": "paid, settled, reconciled and closed",
        }
        for stage, name in names.items():
            yield f"  {name}", f"{self.seconds[stage]:.1f} s"
        yield "from the plan to the closed week", f"{self.paying_seconds:.1f} s"
        yield (
            "rewards per second, from the plan to the closed week",
            (f"{self.users / self.paying_seconds:,.0f}"),
        )
        yield (
            "payment transactions per 10,000 recipients",
            (f"{self.batches * 10_000 / self.users:.0f}"),
        )
        yield "fees per recipient, all transactions", f"{self.fees / self.users:.1f} lamports"
        yield "receipts' rent per recipient", f"{self.receipt_rent / self.users:.0f} lamports"
        yield (
            f"peak memory of a worker process ({self.workers} of them)",
            (f"{self.worker_memory_peak / 2**20:.0f} MiB"),
        )
        yield "plan = database = chain", "yes" if self.exact else "NO"

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def measure_week(folder: Path, users: int, contributions: int, workers: int) -> Measured:
    """Run one week and measure it. Everything is gone again afterwards."""
    stack = LocalStack(folder / "stack", print, services=[chain_service()])
    stack.up()
    try:
        slow = {"SWEEP_SECONDS": "60", "LEASE_SECONDS": "120", "BACKOFF_SCALE": "1"}
        slow["RPC_TIMEOUT_SECONDS"] = "20"
        cluster = Cluster(folder, stack.settings(), WEEK, **slow)
        try:
            return _measure(cluster, users, contributions, workers)
        finally:
            cluster.stop()
    finally:
        stack.down(purge=True)


def _measure(cluster: Cluster, users: int, contributions: int, workers: int) -> Measured:
    _populate(cluster, users, contributions)
    make_genesis(cluster.context, WEEK)
    lamports_before = cluster.context.chain.treasury().lamports
    cluster.start_worker(concurrency=workers)
    cluster.wait(lambda: "ready." in cluster.log(), 60, "no worker")
    seconds = _follow(cluster)
    distribution = cluster.context.store.distribution(WEEK)
    assert distribution is not None
    result = reconcile(cluster.context, distribution)
    spent = lamports_before - cluster.context.chain.treasury().lamports
    costs, new = cluster.context.chain.costs(), _new_accounts(users)
    receipts = result.payouts + 2
    rent = receipts * costs.receipt_rent
    return Measured(
        users=users,
        contributions=contributions,
        workers=workers,
        seconds=seconds,
        transactions=result.payouts + 1 + -(-new // costs.accounts_per_transaction),
        batches=sum(
            p.kind is PayoutKind.BATCH
            for p in cluster.context.store.payouts_after(distribution.plan_id or "", "", 10**6)
        ),
        fees=spent - rent - new * costs.token_account_rent,
        receipt_rent=rent,
        worker_memory_peak=_memory_peak(cluster),
        exact=result.is_exact,
    )


def _populate(cluster: Cluster, users: int, contributions: int) -> None:
    migrate(cluster.database, lambda line: None, cluster.context.clock.now())
    for first in range(0, users, CHUNK):
        wiki.add_users(cluster.database, range(first, min(first + CHUNK, users)))
    people = _skewed(users, contributions)
    for first in range(0, contributions, CHUNK):
        chunk = itertools.islice(people, CHUNK)
        documents = [wiki.contribution(first + i, user, WEEK) for i, user in enumerate(chunk)]
        cluster.database.contributions.insert_many(documents, ordered=False)
    existing = [wiki.wallet(i) for i in range(users) if not _is_new(i)]
    create_token_accounts(cluster.context, existing, Deadline(cluster.context.clock, 600))


def _skewed(users: int, contributions: int) -> Iterator[int]:
    """Everyone contributes once; the rest follows Zipf's law, as real wikis do."""
    yield from range(users)
    weights = list(itertools.accumulate(1 / (rank + 1) for rank in range(users)))
    chooser = random.Random(2024)
    yield from chooser.choices(range(users), cum_weights=weights, k=contributions - users)


def _is_new(user: int) -> bool:
    return user % 10 == 0


def _new_accounts(users: int) -> int:
    return len(range(0, users, 10))


def _follow(cluster: Cluster) -> dict[str, float]:
    """Wake the week through Celery, and note when each stage is reached."""
    began = last = time.monotonic()
    cluster.send("tasks.distribute", week=WEEK.id)
    seconds: dict[str, float] = {}
    while len(seconds) < len(STAGES):
        distribution = cluster.context.store.distribution(WEEK)
        reached = (
            STAGES.index(distribution.stage) + 1
            if (distribution and distribution.stage in STAGES)
            else 0
        )
        now = time.monotonic()
        for stage in STAGES[len(seconds) : reached]:
            seconds[stage.value], last = now - last, now
        if now - began > 3600:
            raise AssertionError(cluster.describe())
        time.sleep(0.05)
    return seconds


def _memory_peak(cluster: Cluster) -> int:
    """The largest resident set that any worker process ever had, as the kernel tells it."""
    parent = psutil.Process(cluster.processes["worker"].pid)
    peaks = []
    for process in [parent, *parent.children(recursive=True)]:
        status = Path(f"/proc/{process.pid}/status").read_text()
        line = next(line for line in status.splitlines() if line.startswith("VmHWM:"))
        peaks.append(int(line.split()[1]) * 1024)
    return max(peaks)
