"""The only place where adapters meet services."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

from pymongo.database import Database
from solders.keypair import Keypair

from config.settings import ConfigurationUnusable, Settings
from worker.adapters.archive import PlanArchive
from worker.adapters.clock import SystemClock
from worker.adapters.mongo.backup.retention import MongoRetention
from worker.adapters.mongo.check.store import MongoCheckStore
from worker.adapters.mongo.connection import connect
from worker.adapters.mongo.payout.store import MongoStore
from worker.adapters.mongo.wiki.contribute import MongoContributions
from worker.adapters.mongo.wiki.counters import MongoCounters
from worker.adapters.mongo.wiki.governance import MongoGovernance
from worker.adapters.mongo.wiki.staking_records import MongoStaking
from worker.adapters.solana.chain import SolanaChain
from worker.adapters.solana.reading.transfers import TransferHistory
from worker.adapters.solana.rpc.endpoint import rpc_errors
from worker.adapters.solana.signing.keys import read_keypair
from worker.adapters.webhook import NobodyToTell, Webhook
from worker.core.errors import Refused
from worker.core.watch.figures import RPC_ERRORS
from worker.ports.check import CheckStore, RetentionStore
from worker.ports.payout import Notifier
from worker.services.context import Context, Limits
from worker.services.watch.running_counts import CountKeeper
from worker.services.wiki_context import WikiContext

PUBLIC_CLUSTERS = {
    "5eykt4UsFv8P8NJdTREpY1vzqKqZKvdpKuc147dw2N9d": "mainnet-beta",
    "EtWTRABZaYq6iMfeYKouRu166VU2xqa1wcaWoxPkrZBG": "devnet",
    "4uhcVJyU9pJkvQyS88uRDiswHXSCkY3zQawwpjk2NsNY": "testnet",
}


class ClockShiftRefused(Refused):
    """A shifted clock is for the local chain only."""

    def __init__(self, cluster: str) -> None:
        super().__init__(
            f"CLOCK_OFFSET_SECONDS is set, and the cluster {PUBLIC_CLUSTERS.get(cluster, cluster)} "
            "is not the local chain. Unset it: on a real cluster only the real time counts."
        )


def open_database(settings: Settings) -> Database[dict[str, Any]]:
    """The wiki's database, with majority writes."""
    return connect(settings.mongo_uri.get_secret_value(), settings.mongo_database)


def open_chain(settings: Settings) -> SolanaChain:
    """The cluster, with the configured keys.

    Raises:
        KeyUnusable: names the variable, never the key.
    """
    authority = _authority(settings)
    return SolanaChain(
        endpoints=settings.solana_rpc_url,
        mint=settings.token_mint_address,
        authority=authority,
        receipt_key=_key("RECEIPT_KEY_FILE", settings.receipt_key_file) or authority,
        fee_payer=_key("FEE_PAYER_KEY_FILE", settings.fee_payer_key_file) or authority,
        source_token_account=settings.source_token_account,
        timeout_seconds=settings.rpc_timeout_seconds,
        priority_fee_lamports_max=settings.priority_fee_lamports_max,
    )


def _authority(settings: Settings) -> Keypair:
    if settings.solana_private_key is not None:
        return read_keypair("SOLANA_PRIVATE_KEY", settings.solana_private_key.get_secret_value())
    key = _key("SOLANA_PRIVATE_KEY_FILE", settings.solana_private_key_file)
    if key is None:
        raise ConfigurationUnusable(["SOLANA_PRIVATE_KEY_FILE is missing"])
    return key


def _key(variable: str, path: Path | None) -> Keypair | None:
    return None if path is None else read_keypair(variable, path.read_text())


def refuse_shift_on_real_cluster(cluster_genesis: str, local_genesis: str | None) -> None:
    """
    Raises:
        ClockShiftRefused: the cluster is not the one that the local stack started.
    """
    if cluster_genesis != local_genesis or cluster_genesis in PUBLIC_CLUSTERS:
        raise ClockShiftRefused(cluster_genesis)


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
        clock=SystemClock(timedelta(seconds=settings.clock_offset_seconds)),
        limits=Limits(
            plan_grace=timedelta(seconds=settings.plan_grace_seconds),
            lease=timedelta(seconds=settings.lease_seconds),
            batches_per_task=settings.batches_per_task,
            batches_in_flight=settings.batches_in_flight,
            backoff_scale=settings.backoff_scale,
        ),
    )


def build_wiki_context(settings: Settings, database: Database[dict[str, Any]]) -> WikiContext:
    """What points, counters, staking and governance need: no keys, and the chain only to look
    at transfers into the vault.

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
        clock=SystemClock(timedelta(seconds=settings.clock_offset_seconds)),
        vault=settings.staking_vault,
        transfers=TransferHistory(
            settings.solana_rpc_url, settings.token_mint_address, settings.rpc_timeout_seconds
        ),
    )


def wiki_context_beside(context: Context, settings: Settings) -> WikiContext:
    """The same on the database connection that a process has already."""
    return build_wiki_context(settings, _database_of(context))


def check_store_beside(context: Context) -> CheckStore:
    """What checks read, on the connection that a process has already."""
    return MongoCheckStore(_database_of(context))


def retention_beside(context: Context) -> RetentionStore:
    """What archives old weeks, on the connection that a process has already."""
    return MongoRetention(_database_of(context))


def _database_of(context: Context) -> Database[dict[str, Any]]:
    if not isinstance(context.store, MongoStore):
        raise TypeError("the context was not made by build_context")
    return context.store.database


def build_notifier(settings: Settings) -> Notifier:
    """Where people are told, if anywhere."""
    if settings.webhook_url is None:
        return NobodyToTell()
    return Webhook(settings.webhook_url.get_secret_value())


def count_keeper(context: Context) -> CountKeeper:
    """What a process counts for metrics."""
    return CountKeeper({RPC_ERRORS: rpc_errors, "": context.counted})


def first_system_config() -> Mapping[str, Any]:
    """The rules of a new database."""
    from worker.adapters.mongo.schema.seeds import CONFIG

    return CONFIG


def render_report(template: str, **values: object) -> str:
    """Fill in a template of `worker.adapters.report`."""
    from worker.adapters.report.render import render

    return render(template, **values)
