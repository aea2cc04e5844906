"""Everything that services need, for one process."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from pymongo.database import Database

from config.settings import Settings
from worker.adapters.archive import PlanArchive
from worker.adapters.clock import SystemClock
from worker.adapters.mongo.payout.store import MongoStore
from worker.adapters.mongo.wiki.contribute import MongoContributions
from worker.adapters.mongo.wiki.counters import MongoCounters
from worker.adapters.mongo.wiki.governance import MongoGovernance
from worker.adapters.mongo.wiki.staking_records import MongoStaking
from worker.adapters.solana.reading.transfers import TransferHistory
from worker.adapters.solana.rpc.endpoint import rpc_errors
from worker.adapters.webhook import NobodyToTell, Webhook
from worker.bootstrap.chain import open_chain
from worker.bootstrap.database import open_database
from worker.core.errors import Refused
from worker.core.report.explorer import PUBLIC_CLUSTERS
from worker.core.watch.figures import RPC_ERRORS
from worker.ports.payout import Clock, Notifier
from worker.services.context import Context, Limits
from worker.services.watch.running_counts import CountKeeper
from worker.services.wiki_context import WikiContext


class ClockShiftRefused(Refused):
    """A shifted clock is for the local chain only."""

    def __init__(self, cluster: str) -> None:
        super().__init__(
            f"CLOCK_OFFSET_SECONDS is set, and the cluster {PUBLIC_CLUSTERS.get(cluster, cluster)} "
            "is not the local chain. Unset it: on a real cluster only the real time counts."
        )


def refuse_shift_on_real_cluster(cluster_genesis: str, local_genesis: str | None) -> None:
    """
    Raises:
        ClockShiftRefused: the cluster is not the one that the local stack started.
    """
    if cluster_genesis != local_genesis or cluster_genesis in PUBLIC_CLUSTERS:
        raise ClockShiftRefused(cluster_genesis)


def open_clock(settings: Settings) -> Clock:
    """The system's clock, shifted by the configured seconds."""
    return SystemClock(timedelta(seconds=settings.clock_offset_seconds))


def build_context(settings: Settings) -> Context:
    """Everything the services need, for one process.

    Raises:
        ClockShiftRefused: the clock is shifted on a real cluster.
    """
    chain = open_chain(settings)
    if settings.clock_offset_seconds:
        refuse_shift_on_real_cluster(chain.cluster_genesis(), settings.local_cluster_genesis)
    return Context(
        store=MongoStore(open_database(settings)),
        chain=chain,
        archive=PlanArchive(settings.plan_archive_url),
        clock=open_clock(settings),
        limits=Limits(
            plan_grace=timedelta(seconds=settings.plan_grace_seconds),
            lease=timedelta(seconds=settings.lease_seconds),
            batches_per_task=settings.batches_per_task,
            batches_in_flight=settings.batches_in_flight,
            backoff_scale=settings.backoff_scale,
        ),
    )


def build_wiki_context(settings: Settings, database: Database[dict[str, Any]]) -> WikiContext:
    """Everything that points, counters, staking and governance need.

    It holds no keys. It reads the chain only for transfers into the vault.

    Raises:
        ClockShiftRefused: the clock is shifted on a real cluster.
    """
    if settings.clock_offset_seconds:
        genesis = open_chain(settings).cluster_genesis()
        refuse_shift_on_real_cluster(genesis, settings.local_cluster_genesis)
    return WikiContext(
        store=MongoStore(database),
        contributions=MongoContributions(database),
        counters=MongoCounters(database),
        staking=MongoStaking(database),
        governance=MongoGovernance(database),
        clock=open_clock(settings),
        vault=settings.staking_vault,
        transfers=TransferHistory(
            settings.solana_rpc_url, settings.token_mint_address, settings.rpc_timeout_seconds
        ),
    )


def build_notifier(settings: Settings) -> Notifier:
    """Where messages for people go, if anywhere."""
    if settings.webhook_url is None:
        return NobodyToTell()
    return Webhook(settings.webhook_url.get_secret_value())


def count_keeper(context: Context) -> CountKeeper:
    """The counts of a process, for metrics."""
    return CountKeeper({RPC_ERRORS: rpc_errors, "": context.counted})
