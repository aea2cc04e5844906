"""A wiki, its Celery processes behind proxies, and the conditions at the end."""

from __future__ import annotations

import itertools
import json
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from deploy.local.chain.rpc.conditions import Conditions
from deploy.local.chain.setup import prepare
from deploy.local.stack import LocalStack
from tests.chaos.fault_proxy import TcpProxy
from tests.chaos.rpc_pool import HEALTHY, RpcEndpoint
from tests.end_to_end.support import wiki
from tests.end_to_end.support.balances import associated_balances, call
from tests.end_to_end.support.cluster import Cluster
from worker.adapters.mongo.schema.migrations import migrate
from worker.core.lifecycle import Stage
from worker.core.money import ONE_TOKEN
from worker.core.payout.records import Distribution
from worker.core.week import Week
from worker.services.payout.reconcile import reconcile
from worker.services.plan.genesis import make_genesis

FIRST_WEEK = Week.parse("2024-W40")
POOL = 10_000 * ONE_TOKEN
BLOCKS_BEHIND = 200

# Workers pay a few batches at a time, so that most of a week is unpaid when a fault begins.
SLOWLY = {
    "BATCHES_IN_FLIGHT": "2",
    "BATCHES_PER_TASK": "4",
    "SWEEP_SECONDS": "1",
    "BROKER_TIMEOUT_SECONDS": "2",
    "RPC_TIMEOUT_SECONDS": "2",
}

_redis_databases = itertools.cycle(range(1, 16))


class World:
    """`weeks` weeks with the same contributors. `approve_next` approves the next week.

    The processes use the endpoints of `pool`; the test itself reads the chain without them.
    """

    def __init__(
        self,
        stack: LocalStack,
        folder: Path,
        *,
        weeks: int,
        users: int,
        by_approval: bool = False,
        pool: Sequence[Conditions] = (HEALTHY,),
        **overrides: str,
    ) -> None:
        self.stack = stack
        # A queue of its own: otherwise another world's workers would take its messages.
        self.database_of_redis = f"/{next(_redis_databases)}"
        self.weeks = _weeks(weeks)
        self.played: list[Week] = []
        self.wallets = [wiki.wallet(number) for number in range(users)]
        direct = stack.settings()
        direct["REDIS_URL"] = direct["REDIS_URL"].removesuffix("/0") + self.database_of_redis
        own_keys = prepare(folder / "chain", direct["SOLANA_RPC_URL"])
        self.redis = TcpProxy(_host_and_port(direct["REDIS_URL"]))
        self.mongo = TcpProxy(_host_and_port(direct["MONGO_URI"]))
        self.pool = [RpcEndpoint(direct["SOLANA_RPC_URL"], each) for each in pool]
        through = {
            "REDIS_URL": f"redis://{self.redis.address}{self.database_of_redis}",
            # Otherwise the driver would ask the server for its address, and bypass the proxy.
            "MONGO_URI": f"mongodb://{self.mongo.address}/?directConnection=true",
            "SOLANA_RPC_URL": ",".join(endpoint.url for endpoint in self.pool),
        }
        self.cluster = Cluster(
            folder, {**direct, **own_keys}, self.weeks[-1], through=through, **SLOWLY | overrides
        )
        self._fill(users, by_approval)

    @property
    def rpc(self) -> RpcEndpoint:
        """The only endpoint of a world without a pool."""
        (endpoint,) = self.pool
        return endpoint

    def _fill(self, users: int, by_approval: bool) -> None:
        database, context = self.cluster.database, self.cluster.context
        migrate(database, lambda line: None, context.clock.now())
        database.system_config.update_one(
            {"weekly_pool": {"$exists": True}}, {"$set": {"require_approval": by_approval}}
        )
        wiki.add_users(database, range(users))
        for week in self.weeks:
            wiki.add_contributions(database, users, week, users=users)
        make_genesis(context, self.weeks[0])

    def close(self) -> None:
        self.cluster.stop()
        self.redis.close()
        self.mongo.close()

    # --- continuing ------------------------------------------------------------------------

    def distribution(self, week: Week) -> Distribution | None:
        return self.cluster.context.store.distribution(week)

    def known(self, week: Week) -> Distribution:
        """The week's distribution, which must exist."""
        distribution = self.distribution(week)
        assert distribution is not None
        return distribution

    def wait(self, what: Callable[[], bool], message: str, seconds: float = 180) -> None:
        self.cluster.wait(what, seconds, message)

    def wait_for_stage(self, week: Week, stage: Stage) -> None:
        def reached() -> bool:
            known = self.distribution(week)
            return known is not None and known.stage is stage

        self.wait(reached, f"{week} did not become {stage}")

    def approve_next(self) -> Week:
        """Approve the next week, whose plan waits for a person."""
        week = self.weeks[len(self.played)]
        self.wait_for_stage(week, Stage.PLANNED)
        self.cluster.context.store.approve(week, self.known(week).root or b"")
        self.played.append(week)
        return week

    def has_signed(self, week: Week) -> bool:
        """Whether payments of the week are under way."""
        plan_id = self.known(week).plan_id
        signed = {"plan_id": plan_id, "kind": "batch", "attempt": {"$ne": None}}
        return bool(self.cluster.database.payout_batches.count_documents(signed))

    def wait_until_in_the_middle(self, week: Week) -> None:
        """Return when payments of the week are under way and most of the week is still unpaid."""
        self.wait(lambda: self.has_signed(week), f"no payment of {week} was signed")

    def wait_until_closed(self, week: Week, seconds: float = 180) -> None:
        self.cluster.wait_until_closed(week, seconds)

    # --- conditions at the end -------------------------------------------------------------

    def check(self, weeks: Sequence[Week]) -> None:
        """Check balances, books and logs.

        Each wallet holds exactly the planned amounts on chain. Plan, database and chain agree. No
        log contains an unexpected traceback.
        """
        planned: Counter[str] = Counter()
        for week in weeks:
            rows = list(self._published_rows(week))
            assert sum(int(row["amount"]) for row in rows) == POOL
            planned.update({row["wallet"]: int(row["amount"]) for row in rows})
            result = reconcile(self.cluster.context, self.known(week))
            assert result.is_exact, result.differences
        held = associated_balances(self.cluster.variables, self.wallets)
        assert held == {wallet: planned[wallet] for wallet in self.wallets}
        assert set(planned) <= set(self.wallets)
        self.check_logs()

    def check_logs(self) -> None:
        """Check that Celery logged no unexpected exception."""
        for log in self.cluster.folder.glob("*.log"):
            text = log.read_text(errors="replace")
            at = text.find("raised unexpected")
            assert at < 0, f"{log.name}: {text[max(0, at - 500) : at + 3000]}"

    def anchor_slot(self, week: Week) -> int:
        """The slot of the week's anchor on chain."""
        url, signature = self.cluster.variables["SOLANA_RPC_URL"], self.known(week).signature
        options = {"encoding": "base64", "maxSupportedTransactionVersion": 1}
        return int(call(url, "getTransaction", signature, options)["slot"])

    def _published_rows(self, week: Week) -> Iterator[dict[str, str]]:
        """The rows of the plan whose root is anchored, from the published file."""
        root = self.known(week).root
        assert root is not None
        path = Path(self.cluster.variables["PLAN_ARCHIVE_URL"]) / week.id / f"{root.hex()}.jsonl"
        _, *rows = path.read_text().splitlines()
        yield from map(json.loads, rows)


@contextmanager
def world(stack: LocalStack, folder: Path, **options: Any) -> Iterator[World]:
    """A world in a separate folder. It ends with all its processes."""
    made = World(stack, folder, **options)
    try:
        yield made
    finally:
        made.close()


def _weeks(count: int) -> list[Week]:
    weeks = [FIRST_WEEK]
    while len(weeks) < count:
        weeks.append(weeks[-1].next())
    return weeks


def _host_and_port(uri: str) -> tuple[str, int]:
    parts = urlsplit(uri)
    assert parts.hostname is not None
    assert parts.port is not None
    return parts.hostname, parts.port
