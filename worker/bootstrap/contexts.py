"""Builds the contexts of the services for one process."""

from __future__ import annotations

import time
from datetime import timedelta

from config.settings import Settings
from worker.adapters.archive import PlanArchive
from worker.adapters.clock import SystemClock
from worker.adapters.mail import Mail
from worker.adapters.mongo.connection import Mongo
from worker.adapters.mongo.payout.store import MongoStore
from worker.adapters.mongo.wiki.contribute import MongoContributions
from worker.adapters.mongo.wiki.governance import MongoGovernance
from worker.adapters.mongo.wiki.reward_counters import MongoCounters
from worker.adapters.mongo.wiki.staking_records import MongoStaking
from worker.adapters.solana.chain import SolanaChain
from worker.adapters.solana.reading.transfers import TransferHistory
from worker.adapters.solana.rpc.transport import rpc_calls, rpc_errors
from worker.adapters.webhook import Webhook
from worker.bootstrap.chain import open_chain
from worker.bootstrap.database import open_database
from worker.core.errors import Refused
from worker.core.report.explorer import PUBLIC_CLUSTERS
from worker.core.watch.figures import RPC_CALLS, RPC_ERRORS
from worker.ports.payout import Clock, Notifier
from worker.services.context import Context, Limits
from worker.services.watch.notifications import MAIL, WEBHOOK
from worker.services.watch.running_counts import CountKeeper
from worker.services.wiki_context import WikiContext

SIGNING_SECONDS_MAX = 15.0
"""All payments in flight are signed under one blockhash. It lives for 150 blocks, or 37 s."""
SPEED_TRIES = 3


class ClockShiftRefused(Refused):
    """The clock is shifted on a cluster other than the local chain."""

    def __init__(self, cluster: str) -> None:
        super().__init__(
            f"CLOCK_OFFSET_SECONDS is set, and the cluster {PUBLIC_CLUSTERS.get(cluster, cluster)} "
            "is not the local chain. Unset it: a real cluster needs the real time."
        )


def _refuse_shift_on_real_cluster(settings: Settings, chain: SolanaChain) -> None:
    """
    Raises:
        ClockShiftRefused: the local stack did not start this cluster.
    """
    genesis = chain.cluster_genesis()
    if genesis != settings.local_cluster_genesis or genesis in PUBLIC_CLUSTERS:
        raise ClockShiftRefused(genesis)


def open_clock(settings: Settings) -> Clock:
    """The system clock, shifted by the configured seconds."""
    return SystemClock(timedelta(seconds=settings.clock_offset_seconds))


def build_context(settings: Settings, database: Mongo | None = None) -> Context:
    """Build the context for planning and paying weeks, by default on its own connection.

    Raises:
        ClockShiftRefused: the clock is shifted on a real cluster.
        KeyUnusable: a key cannot sign now.
    """
    chain = open_chain(settings)
    if settings.clock_offset_seconds:
        _refuse_shift_on_real_cluster(settings, chain)
    return Context(
        store=MongoStore(open_database(settings) if database is None else database),
        chain=chain,
        archive=PlanArchive(settings.plan_archive_url),
        clock=open_clock(settings),
        limits=Limits(
            plan_grace=timedelta(seconds=settings.plan_grace_seconds),
            clock_difference_max=timedelta(seconds=settings.clock_difference_seconds_max),
            lease=timedelta(seconds=settings.lease_seconds),
            batches_per_task=settings.batches_per_task,
            batches_in_flight=in_flight_max(settings.batches_in_flight, _signing_seconds(chain)),
            backoff_scale=settings.backoff_scale,
        ),
    )


def in_flight_max(configured: int, signing_seconds: float) -> int:
    """The batches in flight that can be signed in time. `signing_seconds`: for one of them."""
    return max(1, min(configured, int(SIGNING_SECONDS_MAX / signing_seconds)))


def _signing_seconds(chain: SolanaChain) -> float:
    """How long the keys take for one transaction, without hiccups."""
    seconds = []
    for _ in range(SPEED_TRIES):
        began = time.perf_counter()
        chain.check_keys()
        seconds.append(time.perf_counter() - began)
    return min(seconds)


def build_wiki_context(settings: Settings, database: Mongo) -> WikiContext:
    """Build the context for contributions, counters, staking and governance, without keys.

    It reads the chain only for transfers into the vault.

    Raises:
        ClockShiftRefused: the clock is shifted on a real cluster.
    """
    if settings.clock_offset_seconds:
        _refuse_shift_on_real_cluster(settings, open_chain(settings))
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


def build_notifiers(settings: Settings) -> dict[str, Notifier]:
    """The configured channels to people, by name."""
    channels: dict[str, Notifier] = {}
    if settings.webhook_url is not None:
        channels[WEBHOOK] = Webhook(settings.webhook_url.get_secret_value())
    if settings.mail_url is not None:
        channels[MAIL] = Mail(settings.mail_url.get_secret_value())
    return channels


def count_keeper(context: Context) -> CountKeeper:
    """The running counts of a process, for metrics."""
    return CountKeeper({RPC_CALLS: rpc_calls, RPC_ERRORS: rpc_errors, "": context.counted})
