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
CALLS_MAX = 90
"""A week takes some 56. On a loaded machine, transactions are looked at more often."""
CALLS = {
    "getGenesisHash": 1,
    "getBlockTime": 2,  # the clock is compared before the plan and before the anchor
    "getFeeForMessage": 1,
    "getRecentPrioritizationFees": 0,  # the highest priority fee is 0 here
    "getMinimumBalanceForRentExemption": 3,  # of both resolutions, and of a token account
    "simulateTransaction": 3,  # two samples before the plan, and the payment
    "getTransaction": 3,  # of the genesis, the anchor and the payment
}
"""The calls whose number does not depend on time."""
HEIGHTS_MAX = 8
"""Calls of getEpochInfo: 4, and one a look at a transaction that is unseen or 20 seconds old."""
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
    assert {method: calls[method] for method in CALLS} == CALLS
    assert calls["getEpochInfo"] <= HEIGHTS_MAX
    assert calls.total() <= CALLS_MAX, dict(calls)
