"""`python -m bench.network`: the calls of a week, and its time on a network as operators have it.

The local chain answers 100 ms late, takes 50 calls a second from a client and loses 1 % of the
sends. Each call of a JSON-RPC batch counts, and so does a refused or repeated one: providers charge
and limit them. Only a week's own calls are counted, from genesis to close.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.machine import describe_machine
from bench.record import Row, print_table
from bench.synthetic import WEEK, add_token_accounts, chunks
from bench.week import SETTINGS, local_stack
from deploy.local.chain.client import ChainClient
from deploy.local.errors import LocalStackError
from deploy.local.stack import LocalStack
from tests.end_to_end.support import wiki
from tests.end_to_end.support.cluster import Cluster
from worker.adapters.mongo import names
from worker.adapters.mongo.schema.migrations import migrate
from worker.adapters.solana.rpc.transport import rpc_calls
from worker.core.watch.figures import RPC_CALLS
from worker.services.payout.reconcile import reconcile
from worker.services.plan.genesis import make_genesis
from worker.services.week.due import find_work
from worker.services.week.run import do_work

CALLS_PER_SECOND = 50
FAR = {
    "latency_milliseconds": 100,
    "calls_per_second": CALLS_PER_SECOND,
    "lost_sends_percent": 1,
}
FINALITY_SECONDS = 32 * 0.4
WAITS = 2
"""Nothing makes the finality of the anchor and of the last payment shorter."""
TASK_SECONDS = 240
CLOSE_SECONDS = 900


@dataclass(frozen=True, slots=True)
class Case:
    """One week and its targets. One of `new_every` users has no token account."""

    users: int
    new_every: int
    workers: int = 0
    """Celery's worker processes; 0 for `kontrib run --inline`."""
    is_far: bool = True
    calls_max: int | None = None
    calls_a_transaction_max: float | None = None
    seconds_max: float | None = None

    @property
    def name(self) -> str:
        new = "all" if self.new_every == 1 else f"one of {self.new_every}"
        where = f"{self.workers} worker processes" if self.workers else "one process"
        network = "far network" if self.is_far else "near network"
        return f"{self.users:,} rewards, {new} new, {where}, {network}"


CASES = {
    "calls": Case(45, 1, is_far=False, calls_max=60),
    "new": Case(5_000, 1, calls_a_transaction_max=2, seconds_max=60),
    "usual": Case(10_000, 10, workers=2, seconds_max=60),
}


@dataclass(frozen=True, slots=True)
class Paid:
    """A week that was paid: calls by method, sent transactions, and seconds from plan to close."""

    case: Case
    calls: Counter[str]
    transactions: int
    seconds: float
    is_exact: bool

    def rows(self) -> Iterator[Row]:
        case, total = self.case, self.calls.total()
        yield Row(case.name, "")
        for method, count in self.calls.most_common():
            yield Row(f"  {method}", f"{count:,}")
        yield _row("  calls, genesis to close", total, case.calls_max, "{:,}")
        a_transaction = total / self.transactions
        yield Row("  transactions", f"{self.transactions:,}")
        most = case.calls_a_transaction_max
        yield _row("  calls a transaction", a_transaction, most, "{:.2f}")
        yield _row("  plan to close", self.seconds, case.seconds_max, "{:.1f} s")
        if case.is_far:
            least = total / CALLS_PER_SECOND + WAITS * FINALITY_SECONDS
            yield Row(
                "  the same, to its calls and two finalities", f"x {self.seconds / least:.2f}"
            )
        yield Row("  plan = database = chain", "yes" if self.is_exact else "NO", "yes",
                  self.is_exact)  # fmt: skip


def _row(measure: str, value: float, most: float | None, form: str) -> Row:
    if most is None:
        return Row(measure, form.format(value))
    return Row(measure, form.format(value), f"<= {form.format(most)}", value <= most)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("cases", nargs="*", default=list(CASES), help=", ".join(CASES))
    options = parser.parse_args()
    print("\n".join(f"{name:<12}{value}" for name, value in describe_machine().items()))
    rows: list[Row] = []
    try:
        for name in options.cases:
            print(f"measuring {CASES[name].name}", flush=True)
            rows += measure(CASES[name]).rows()
    except LocalStackError as error:
        print(error, file=sys.stderr)
        return 3
    print_table(rows)
    return 0 if all(row.holds for row in rows) else 1


def measure(case: Case) -> Paid:
    rpc_calls.clear()
    with (
        tempfile.TemporaryDirectory(prefix="kontrib-bench-") as folder,
        local_stack(Path(folder)) as stack,
        _cluster(stack, Path(folder), is_far=case.is_far) as cluster,
    ):
        url = stack.settings()["SOLANA_RPC_URL"]
        _populate(cluster, url, case)
        make_genesis(cluster.context, WEEK)
        seconds = _pay_by_workers(cluster, case) if case.workers else _pay_inline(cluster)
        calls = rpc_calls + _counted_by_workers(cluster)
        return Paid(case, calls, _transactions(cluster), seconds, _is_exact(cluster))


@contextmanager
def _cluster(stack: LocalStack, folder: Path, *, is_far: bool) -> Iterator[Cluster]:
    settings = stack.settings()
    if is_far:
        with ChainClient(settings["SOLANA_RPC_URL"]) as client:
            client.call("local_setConditions", "/far", FAR)
        settings = settings | {"SOLANA_RPC_URL": f"{settings['SOLANA_RPC_URL']}/far"}
    cluster = Cluster(folder, settings, WEEK, **SETTINGS)
    try:
        yield cluster
    finally:
        cluster.stop()


def _populate(cluster: Cluster, url: str, case: Case) -> None:
    """Users with one contribution each. Some have a token account already."""
    database = cluster.database
    migrate(database, lambda line: None, WEEK.end)
    for numbers in chunks(range(case.users)):
        wiki.add_users(database, numbers)
        documents = [wiki.contribution(number, number, WEEK) for number in numbers]
        database.contributions.insert_many(documents, ordered=False)
    known = [number for number in range(case.users) if number % case.new_every]
    add_token_accounts(url, cluster.context.chain.mint, known)


def _pay_inline(cluster: Cluster) -> float:
    def pay() -> None:
        while work := find_work(cluster.context, only=WEEK):
            do_work(cluster.context, work[0], seconds=TASK_SECONDS, at_once=True)

    return _seconds_of(pay)


def _pay_by_workers(cluster: Cluster, case: Case) -> float:
    cluster.start_worker(concurrency=case.workers)
    cluster.wait(lambda: "ready." in cluster.log(), 60, "no worker")

    def pay() -> None:
        cluster.send("tasks.distribute", week=WEEK.id)
        cluster.wait_until_closed(seconds=CLOSE_SECONDS)

    return _seconds_of(pay)


def _seconds_of(do: Callable[[], None]) -> float:
    began = time.monotonic()
    do()
    return time.monotonic() - began


def _counted_by_workers(cluster: Cluster) -> Counter[str]:
    """The calls that worker processes have counted in the database, after each task."""
    counts = cluster.context.store.counts().items()
    return Counter(
        {name.removeprefix(RPC_CALLS): n for name, n in counts if name.startswith(RPC_CALLS)}
    )


def _transactions(cluster: Cluster) -> int:
    """The transactions of the week: its anchor, payments, and creations of token accounts."""
    database = cluster.database
    return sum(
        database[name].count_documents({})
        for name in (names.PAYOUT_BATCHES, names.OTHER_TRANSACTIONS)
    )


def _is_exact(cluster: Cluster) -> bool:
    distribution = cluster.context.store.distribution(WEEK)
    if distribution is None:
        raise AssertionError(cluster.describe())
    return reconcile(cluster.context, distribution).is_exact


if __name__ == "__main__":
    sys.exit(main())
