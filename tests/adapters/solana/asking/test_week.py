"""The number of RPC calls of a small week, which an operator pays for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from deploy.local.chain import setup as chain_setup
from tests.contracts.chain.local_chain import local_chain
from tests.end_to_end.support import wiki
from tests.fakes.store.store import FakeStore
from tests.fakes.world import MemoryArchive
from worker.adapters.clock import SystemClock
from worker.adapters.solana.chain import SolanaChain
from worker.adapters.solana.rpc.transport import rpc_calls
from worker.core.lifecycle import Stage
from worker.core.week import Week
from worker.services.context import Context
from worker.services.plan.genesis import make_genesis
from worker.services.week.due import find_work
from worker.services.week.run import do_work

WEEK = Week.parse("2024-W50")
CONTRIBUTORS = 45
CALLS_MAX = 60
SECONDS_A_JOB = 240


@pytest.fixture
def context(tmp_path: Path) -> Iterator[Context]:
    """A wiki in memory whose users have no token accounts, and the real chain."""
    with local_chain(tmp_path / "chain.log") as url:
        settings = chain_setup.prepare(tmp_path / "state", url)
        key = chain_setup.load_or_create_key(Path(settings["SOLANA_PRIVATE_KEY_FILE"]))
        mint = settings["TOKEN_MINT_ADDRESS"]
        chain = SolanaChain([url], mint, key, key, key, None, timeout_seconds=10)
        store = FakeStore()
        for number in range(CONTRIBUTORS):
            store.add_user({"_id": wiki.user_id(number), "wallet_address": wiki.wallet(number)})
            store.add_contribution(wiki.contribution(number, number, WEEK))
        clock = SystemClock(WEEK.end + timedelta(hours=1) - datetime.now(UTC))
        yield Context(store=store, chain=chain, archive=MemoryArchive(), clock=clock)
        chain.close()


def test_a_week_of_45_new_contributors_needs_few_calls(context: Context) -> None:
    before = Counter(rpc_calls)

    make_genesis(context, WEEK)
    while work := find_work(context, only=WEEK):
        do_work(context, work[0], seconds=SECONDS_A_JOB)

    distribution = context.store.distribution(WEEK)
    assert distribution is not None
    assert distribution.stage is Stage.COMPLETED
    charges = context.store.other_charges(WEEK)
    assert (charges.accounts, charges.unread) == (CONTRIBUTORS, 0)
    calls = Counter(rpc_calls) - before
    assert calls.total() <= CALLS_MAX, dict(calls)
    assert calls["getGenesisHash"] == 1
    assert calls["getTransaction"] == 3, "of the genesis, the anchor and the payment"
