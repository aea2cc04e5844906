"""A saved chain continues where it stopped."""

from __future__ import annotations

from pathlib import Path

import pytest
from solders.pubkey import Pubkey

from deploy.local.chain.blocks import Commitment
from deploy.local.chain.ledger import Dropped
from deploy.local.chain.snapshot import SnapshotUnreadableError, load, save
from tests.deploy.local.chain.payments import (
    NOW,
    SOL,
    TOKEN,
    advance,
    funded,
    lamports_at,
    land,
    new_ledger,
    pay_sol,
    receipt_address,
    recipients,
    rent_of,
    sign,
    submit,
    tip_hash,
    tokens_now,
    treasury,
)

FINALIZED, PROCESSED = Commitment.FINALIZED, Commitment.PROCESSED


def test_a_saved_chain_goes_on_where_it_stopped(tmp_path: Path) -> None:
    ledger = new_ledger()
    payer = treasury(ledger)
    accounts = recipients(ledger, payer.mint, 3)
    advance(ledger, 20)
    transaction = sign(
        payer.payment(accounts, "week/1", rent_of(ledger, 1)), [payer.authority], tip_hash(ledger)
    )
    landed = land(ledger, transaction)
    advance(ledger, 1)

    save(ledger, tmp_path / "chain.snapshot")
    again = load(tmp_path / "chain.snapshot", ledger.rules)

    assert again.genesis_hash == ledger.genesis_hash
    assert again.blocks.tip == ledger.blocks.tip
    assert again.history.find(landed.signature) == landed
    assert list(again.tokens.unpack(landed.tokens)) == list(ledger.tokens.unpack(landed.tokens))
    assert tokens_now(again, accounts[0]) == TOKEN
    assert lamports_at(again, receipt_address(payer.authority.pubkey(), "week/1"), FINALIZED) == 0
    assert submit(again, transaction) == Dropped('"AlreadyProcessed"')


def test_a_fork_is_possible_after_a_restart(tmp_path: Path) -> None:
    ledger = new_ledger()
    payer, to = funded(ledger), Pubkey.new_unique()
    advance(ledger, 9)
    land(ledger, sign([pay_sol(payer, to, SOL)], [payer], tip_hash(ledger)))
    save(ledger, tmp_path / "chain.snapshot")

    again = load(tmp_path / "chain.snapshot", ledger.rules)
    again.drop_after(FINALIZED, NOW)

    assert lamports_at(again, to, PROCESSED) == 0
    assert lamports_at(again, payer.pubkey(), PROCESSED) == 100 * SOL


@pytest.mark.parametrize("content", [b"", b"no gzip", b"\x1f\x8b\x08\x00damaged"])
def test_a_damaged_snapshot_is_named(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "chain.snapshot"
    path.write_bytes(content)

    with pytest.raises(SnapshotUnreadableError, match=r"chain\.snapshot"):
        load(path, new_ledger().rules)
