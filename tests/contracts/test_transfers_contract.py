"""Transfers as the real chain tells them, to whoever wants to see whether they back a stake."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.contracts.chain_worlds import LocalWorld
from tests.contracts.local_chain import local_chain
from worker.adapters.solana.transfers import TransferHistory
from worker.core.money import BaseUnits
from worker.core.receipts import Resolution
from worker.core.records import Intent, Transfer
from worker.local import chain_setup

pytestmark = pytest.mark.real


@pytest.fixture
def world(tmp_path: Path) -> Iterator[LocalWorld]:
    with local_chain(tmp_path / "chain.log") as url:
        made = LocalWorld(url, tmp_path, chain_setup.CLASSIC)
        yield made
        made.close()


def test_a_transfer_is_told_once_it_is_finalized(world: LocalWorld) -> None:
    wallets = [world.new_wallet() for _ in range(2)]
    transfers = tuple(Transfer(wallet, BaseUnits(500)) for wallet in wallets)
    intent = Intent(("2024-12-09/00001",), Resolution.PAID, transfers, "memo")
    [signed] = world.chain.sign([intent], world.chain.latest_blockhash())
    history = TransferHistory([world.url], world.chain.mint, 10)
    assert history.finalized_transfers(signed.signature) is None

    world.chain.send([(signed.signature, signed.wire)])
    assert history.finalized_transfers(signed.signature) is None
    world.finalize()

    found = history.finalized_transfers(signed.signature)
    history.close()
    assert found is not None
    payer = str(world.key.pubkey())
    assert [(t.from_wallet, t.to_wallet, t.amount) for t in found] == [
        (payer, wallet, 500) for wallet in wallets
    ]
