"""The ledger of the local chain keeps blocks, commitments, forks and the past like a validator."""

from __future__ import annotations

import pytest
from solders.pubkey import Pubkey

from deploy.local.chain.blocks import MAX_BLOCKHASH_AGE_BLOCKS, Commitment, Lag
from deploy.local.chain.history import Landed
from deploy.local.chain.ledger import Dropped
from tests.deploy.local.chain.payments import (
    NOW,
    SOL,
    TOKEN,
    advance,
    funded,
    lamports_at,
    land,
    memo,
    new_ledger,
    pay_sol,
    recipients,
    sign,
    submit,
    tip_hash,
    token_account,
    transfer_tokens,
    treasury,
)

FINALIZED, CONFIRMED, PROCESSED = Commitment.FINALIZED, Commitment.CONFIRMED, Commitment.PROCESSED


def test_the_confirmed_and_the_finalized_block_lag_behind_the_open_one() -> None:
    ledger = new_ledger(lag=Lag(confirmed_slots=2, finalized_slots=8))
    advance(ledger, 20)

    tip = ledger.blocks.at(PROCESSED).slot

    assert ledger.blocks.at(CONFIRMED).slot == tip - 2
    assert ledger.blocks.at(FINALIZED).slot == tip - 8


def test_a_new_chain_has_one_finalized_block_that_takes_no_transaction() -> None:
    ledger = new_ledger()
    payer, to = funded(ledger), Pubkey.new_unique()
    land(ledger, sign([pay_sol(payer, to, SOL)], [payer], tip_hash(ledger)))

    assert lamports_at(ledger, to, FINALIZED) == 0


@pytest.mark.parametrize("skip_every_slots", [0, 4])
def test_a_blockhash_lands_for_151_blocks_by_height_and_not_by_slot(skip_every_slots: int) -> None:
    ledger = new_ledger(skip_every_slots=skip_every_slots)
    payer = funded(ledger)
    old, height = tip_hash(ledger), ledger.blocks.tip.height

    # One more than the age: a block counts from its parent, as in agave.
    advance(ledger, MAX_BLOCKHASH_AGE_BLOCKS + 1)
    last_chance = submit(ledger, sign([memo("in time")], [payer], old))
    advance(ledger, 1)
    too_late = submit(ledger, sign([memo("late")], [payer], old))

    assert isinstance(last_chance, Landed)
    assert too_late == Dropped('"BlockhashNotFound"')
    assert ledger.blocks.tip.height == height + MAX_BLOCKHASH_AGE_BLOCKS + 2


def test_a_skipped_slot_has_no_block() -> None:
    ledger = new_ledger(skip_every_slots=4)
    first = ledger.blocks.tip
    advance(ledger, 20)

    slots = [block.slot for block in ledger.blocks.all()]

    assert all(slot % 4 for slot in slots[1:])
    assert ledger.blocks.tip.height - first.height == 20
    assert ledger.blocks.tip.slot - first.slot > 20


def test_a_finalized_bank_does_not_know_a_newer_blockhash() -> None:
    ledger = new_ledger()
    payer = funded(ledger)
    advance(ledger, 9)
    transaction = sign([memo("x")], [payer], tip_hash(ledger))

    at_tip = ledger.simulate(transaction, ledger.blocks.at(PROCESSED))
    at_finalized = ledger.simulate(transaction, ledger.blocks.at(FINALIZED))

    assert at_tip.error is None
    assert at_finalized.error == '"BlockhashNotFound"'


def test_an_idle_chain_forgets_old_blocks_but_not_those_with_transactions() -> None:
    ledger = new_ledger()
    payer = funded(ledger)
    landed = land(ledger, sign([memo("x")], [payer], tip_hash(ledger)))
    advance(ledger, 6_000)

    assert ledger.blocks.by_slot(landed.slot) is not None
    assert ledger.blocks.by_slot(landed.slot + 1) is None
    assert len(list(ledger.blocks.all())) < 5_010


def test_the_clock_of_programs_and_blocks_follows_the_offset() -> None:
    ledger = new_ledger()
    ledger.clock_offset_seconds = -7 * 86_400
    block = ledger.open_slot(NOW)

    assert block.unix_seconds == NOW - 7 * 86_400
    assert ledger.executor.svm.get_clock().unix_timestamp == block.unix_seconds


def test_the_same_seed_gives_the_same_chain() -> None:
    one, two = new_ledger(), new_ledger()
    advance(one, 5)
    advance(two, 5)

    assert one.genesis_hash == two.genesis_hash
    assert tip_hash(one) == tip_hash(two)


def test_a_simulation_at_finalized_sees_the_accounts_as_they_were() -> None:
    ledger = new_ledger()
    payer = treasury(ledger)
    [to] = recipients(ledger, payer.mint, 1)
    advance(ledger, 9)
    blockhash = ledger.blocks.at(FINALIZED).blockhash
    new = Pubkey.new_unique()
    ledger.put_account(new, token_account(payer.mint, Pubkey.new_unique(), 0))
    owner = payer.authority.pubkey()
    instructions = [
        transfer_tokens(owner, payer.mint, payer.source, to, TOKEN),
        transfer_tokens(owner, payer.mint, payer.source, new, TOKEN),
    ]
    transaction = sign(instructions, [payer.authority], blockhash)

    at_finalized = ledger.simulate(transaction, ledger.blocks.at(FINALIZED))
    at_tip = ledger.simulate(transaction, ledger.blocks.tip)

    assert at_finalized.error == '{"InstructionError":[1,"InvalidAccountData"]}'
    assert at_tip.error is None
    assert ledger.accounts.now(new) is not None


def test_the_past_is_forgotten_once_it_is_finalized() -> None:
    ledger = new_ledger()
    payer = funded(ledger)
    land(ledger, sign([memo("x")], [payer], tip_hash(ledger)))
    assert list(ledger.accounts.history())

    advance(ledger, 8)

    assert list(ledger.accounts.history()) == []


def test_a_fork_undoes_transactions_and_their_signatures_can_land_again() -> None:
    ledger = new_ledger()
    payer, to = funded(ledger), Pubkey.new_unique()
    advance(ledger, 9)
    blockhash = ledger.blocks.at(FINALIZED).blockhash
    transaction = sign([pay_sol(payer, to, SOL)], [payer], blockhash)
    landed = land(ledger, transaction)
    advance(ledger, 3)

    dropped = ledger.drop_after(FINALIZED, NOW)

    assert dropped == 1
    assert ledger.history.find(landed.signature) is None
    assert lamports_at(ledger, to, PROCESSED) == 0
    assert list(ledger.history.mentioning(to, from_slot=0, to_slot=10**9)) == []
    assert land(ledger, transaction).error is None


def test_blockhashes_of_an_abandoned_fork_are_refused() -> None:
    ledger = new_ledger()
    payer = funded(ledger)
    advance(ledger, 9)
    abandoned, before = tip_hash(ledger), ledger.blocks.tip

    ledger.drop_after(FINALIZED, NOW)
    advance(ledger, 20)

    result = submit(ledger, sign([memo("x")], [payer], abandoned))
    assert result == Dropped('"BlockhashNotFound"')
    assert ledger.blocks.tip.slot == before.slot + 21
    assert ledger.blocks.tip.height < before.height + 21
