"""The only place where adapters meet services."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from pymongo.database import Database

from config.settings import Settings
from worker.adapters.archive import PlanArchive
from worker.adapters.clock import SystemClock
from worker.adapters.mongo.connection import connect
from worker.adapters.mongo.store import MongoStore
from worker.adapters.solana.chain import SolanaChain
from worker.adapters.solana.keys import read_keys
from worker.core.errors import Refused
from worker.services.context import Context, Limits


class ClockShiftRefused(Refused):
    """A shifted clock is for the local chain only."""

    def __init__(self, cluster: str) -> None:
        super().__init__(
            f"CLOCK_OFFSET_SECONDS is set, and the cluster {cluster} is not the local chain. "
            "Unset it: on a real cluster only the real time counts."
        )


def open_database(settings: Settings) -> Database[dict[str, Any]]:
    """The wiki's database, with majority writes."""
    return connect(settings.mongo_uri.get_secret_value(), settings.mongo_database)


def open_chain(settings: Settings) -> SolanaChain:
    """The cluster, with the configured keys.

    Raises:
        KeyUnusable: names the variable, never the key.
    """
    keys = read_keys(
        private_key_file=settings.solana_private_key_file,
        private_key=(
            settings.solana_private_key.get_secret_value() if settings.solana_private_key else None
        ),
        receipt_key_file=settings.receipt_key_file,
        fee_payer_key_file=settings.fee_payer_key_file,
    )
    return SolanaChain(
        endpoints=settings.solana_rpc_url,
        mint=settings.token_mint_address,
        authority=keys.authority,
        receipt_key=keys.receipt_key,
        fee_payer=keys.fee_payer,
        source_token_account=settings.source_token_account,
        timeout_seconds=settings.rpc_timeout_seconds,
        priority_fee_lamports_max=settings.priority_fee_lamports_max,
    )


def build_context(settings: Settings) -> Context:
    """Everything the services need, for one process.

    Raises:
        ClockShiftRefused: the clock is shifted on a real cluster.
    """
    chain = open_chain(settings)
    if settings.clock_offset_seconds and not chain.is_local():
        raise ClockShiftRefused(chain.cluster_genesis())
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
