"""Transactions on the local chain are executed, limited and charged as by a validator."""

from __future__ import annotations

import pytest
from solders.keypair import Keypair
from solders.message import TransactionConfig
from solders.pubkey import Pubkey
from solders.signature import Signature
from solders.transaction import VersionedTransaction

from deploy.local.chain.blocks import Commitment
from deploy.local.chain.execution import V1_FEATURE
from deploy.local.chain.ledger import Dropped
from tests.deploy.local.chain.payments import (
    GENEROUS,
    PAYMENT,
    SOL,
    TOKEN,
    VOID,
    advance,
    funded,
    lamports_at,
    land,
    memo,
    new_ledger,
    pay_sol,
    receipt,
    receipt_address,
    recipients,
    rent_of,
    sign,
    submit,
    tip_hash,
    tokens_now,
    treasury,
)

PROCESSED = Commitment.PROCESSED
ALL_VERSIONS = ["legacy", 0, 1]


@pytest.mark.parametrize("version", ALL_VERSIONS)
def test_a_transfer_of_every_version_lands_and_pays_its_fee(version: int | str) -> None:
    ledger = new_ledger()
    payer, to = funded(ledger), Pubkey.new_unique()

    landed = land(
        ledger, sign([pay_sol(payer, to, SOL)], [payer], tip_hash(ledger), version=version)
    )

    assert landed.error is None
    assert landed.fee_lamports == 5_000
    assert lamports_at(ledger, to, PROCESSED) == SOL
    assert lamports_at(ledger, payer.pubkey(), PROCESSED) == 99 * SOL - 5_000


def test_a_payment_of_57_transfers_with_receipt_and_memo_fits_a_v1_transaction() -> None:
    ledger = new_ledger()
    payer = treasury(ledger)
    accounts = recipients(ledger, payer.mint, 57)

    transaction = sign(
        payer.payment(accounts, "2024-12-09/00007", rent_of(ledger, 1)),
        [payer.authority],
        tip_hash(ledger),
    )
    landed = land(ledger, transaction)

    assert 1_232 < len(landed.raw) <= 4_096
    assert landed.error is None
    assert [tokens_now(ledger, account) for account in accounts] == [TOKEN] * 57
    assert tokens_now(ledger, payer.source) == 10**6 * TOKEN - 57 * TOKEN


def test_a_receipt_lets_an_id_be_paid_once_whatever_the_blockhash() -> None:
    ledger = new_ledger()
    payer = treasury(ledger)
    accounts = recipients(ledger, payer.mint, 2)
    payment = payer.payment(accounts, "week/1", rent_of(ledger, 1))
    land(ledger, sign(payment, [payer.authority], tip_hash(ledger)))
    advance(ledger, 1)

    again = land(ledger, sign(payment, [payer.authority], tip_hash(ledger)))

    assert again.error == '{"InstructionError":[1,{"Custom":0}]}'
    assert [tokens_now(ledger, account) for account in accounts] == [TOKEN, TOKEN]


def test_a_void_receipt_has_two_bytes_and_keeps_a_payment_out() -> None:
    ledger = new_ledger()
    payer = treasury(ledger)
    owner = payer.authority.pubkey()
    void = receipt(owner, "week/1", VOID, rent_of(ledger, 2))
    land(ledger, sign(void, [payer.authority], tip_hash(ledger)))

    payment = receipt(owner, "week/1", PAYMENT, rent_of(ledger, 1))
    paid = land(ledger, sign(payment, [payer.authority], tip_hash(ledger)))

    taken = ledger.accounts.now(receipt_address(owner, "week/1"))
    assert paid.error is not None
    assert taken is not None
    assert len(taken.data) == VOID


def test_lamports_from_a_stranger_do_not_block_a_receipt() -> None:
    ledger = new_ledger()
    payer, stranger = funded(ledger), funded(ledger)
    address = receipt_address(payer.pubkey(), "week/1")
    land(ledger, sign([pay_sol(stranger, address, SOL)], [stranger], tip_hash(ledger)))

    instructions = receipt(payer.pubkey(), "week/1", PAYMENT, rent_of(ledger, 1))
    landed = land(ledger, sign(instructions, [payer], tip_hash(ledger)))

    assert landed.error is None


def test_a_failing_transaction_lands_with_its_error_pays_its_fee_and_changes_nothing_else() -> None:
    ledger = new_ledger()
    payer, to = funded(ledger), Pubkey.new_unique()
    instructions = [pay_sol(payer, to, SOL), pay_sol(payer, to, 1_000 * SOL)]

    landed = land(ledger, sign(instructions, [payer], tip_hash(ledger)))

    assert landed.error == '{"InstructionError":[1,{"Custom":1}]}'
    assert lamports_at(ledger, to, PROCESSED) == 0
    assert lamports_at(ledger, payer.pubkey(), PROCESSED) == 100 * SOL - 5_000


def test_a_payer_without_lamports_is_dropped() -> None:
    ledger = new_ledger()
    poor = Keypair()

    result = submit(ledger, sign([memo("x")], [poor], tip_hash(ledger)))

    assert result == Dropped('"AccountNotFound"')


def test_a_wrong_signature_is_dropped() -> None:
    ledger = new_ledger()
    payer = funded(ledger)
    good = sign([memo("x")], [payer], tip_hash(ledger))

    result = submit(ledger, VersionedTransaction.populate(good.message, [Signature.new_unique()]))

    assert result == Dropped('"SignatureFailure"')


def test_identical_bytes_are_executed_once() -> None:
    ledger = new_ledger()
    payer, to = funded(ledger), Pubkey.new_unique()
    transaction = sign([pay_sol(payer, to, SOL)], [payer], tip_hash(ledger))
    land(ledger, transaction)

    assert submit(ledger, transaction) == Dropped('"AlreadyProcessed"')
    assert lamports_at(ledger, to, PROCESSED) == SOL


@pytest.mark.parametrize(
    ("config", "error"),
    [
        (TransactionConfig(compute_unit_limit=9_000), "InvalidLoadedAccountsDataSizeLimit"),
        (None, "InvalidLoadedAccountsDataSizeLimit"),
        (
            TransactionConfig(
                compute_unit_limit=1_400_001, loaded_accounts_data_size_limit=1_000_000
            ),
            "SanitizeFailure",
        ),
        (
            TransactionConfig(heap_size=1_000, loaded_accounts_data_size_limit=1_000_000),
            "SanitizeFailure",
        ),
    ],
)
def test_a_v1_header_out_of_bounds_never_lands(
    config: TransactionConfig | None, error: str
) -> None:
    ledger = new_ledger()
    payer = funded(ledger)

    result = submit(ledger, sign([memo("x")], [payer], tip_hash(ledger), config=config))

    assert result == Dropped(f'"{error}"')
    assert lamports_at(ledger, payer.pubkey(), PROCESSED) == 100 * SOL


def test_a_v1_header_without_a_compute_limit_has_no_compute_units() -> None:
    ledger = new_ledger()
    payer = funded(ledger)
    config = TransactionConfig(loaded_accounts_data_size_limit=1_000_000)
    instructions = [pay_sol(payer, Pubkey.new_unique(), SOL)]

    landed = land(ledger, sign(instructions, [payer], tip_hash(ledger), config=config))

    assert landed.error == '{"InstructionError":[0,"ComputationalBudgetExceeded"]}'


def test_a_limit_below_the_loaded_data_lands_without_being_executed_and_pays() -> None:
    ledger = new_ledger()
    payer, to = funded(ledger), Pubkey.new_unique()
    config = TransactionConfig(compute_unit_limit=9_000, loaded_accounts_data_size_limit=100)

    landed = land(ledger, sign([pay_sol(payer, to, SOL)], [payer], tip_hash(ledger), config=config))

    assert landed.error == '"MaxLoadedAccountsDataSizeExceeded"'
    assert lamports_at(ledger, payer.pubkey(), PROCESSED) == 100 * SOL - 5_000
    assert lamports_at(ledger, to, PROCESSED) == 0


@pytest.mark.parametrize("fails", [False, True])
def test_the_priority_fee_of_a_v1_header_is_a_total_in_lamports(fails: bool) -> None:
    ledger = new_ledger()
    payer, to = funded(ledger), Pubkey.new_unique()
    config = TransactionConfig(
        priority_fee=777, compute_unit_limit=9_000, loaded_accounts_data_size_limit=1_000_000
    )
    lamports = 1_000 * SOL if fails else SOL

    landed = land(
        ledger, sign([pay_sol(payer, to, lamports)], [payer], tip_hash(ledger), config=config)
    )

    assert (landed.error is not None) is fails
    assert landed.fee_lamports == 5_777
    spent = 100 * SOL - lamports_at(ledger, payer.pubkey(), PROCESSED)
    assert spent == 5_777 + (0 if fails else SOL)


def test_a_refused_transaction_gets_its_priority_fee_back() -> None:
    ledger = new_ledger()
    payer = funded(ledger, SOL)
    almost_all = SOL - 5_000 - 777 - 1_000
    config = TransactionConfig(
        priority_fee=777, compute_unit_limit=9_000, loaded_accounts_data_size_limit=1_000_000
    )
    poor = funded(ledger, rent_of(ledger, 0) + 5_000)

    refused = submit(ledger, sign([memo("x")], [poor], tip_hash(ledger), config=config))
    rest = sign(
        [pay_sol(payer, Pubkey.new_unique(), almost_all)], [payer], tip_hash(ledger), config=config
    )

    assert refused == Dropped('{"InsufficientFundsForRent":{"account_index":0}}')
    assert lamports_at(ledger, poor.pubkey(), PROCESSED) == rent_of(ledger, 0) + 5_000
    assert land(ledger, rest).error == '{"InsufficientFundsForRent":{"account_index":0}}'
    assert lamports_at(ledger, payer.pubkey(), PROCESSED) == SOL - 5_777


def test_a_priority_fee_of_the_whole_balance_leaves_none_for_the_signature() -> None:
    ledger = new_ledger()
    payer = funded(ledger, SOL)
    config = TransactionConfig(
        priority_fee=SOL, compute_unit_limit=9_000, loaded_accounts_data_size_limit=1_000_000
    )
    transaction = sign([memo("x")], [payer], tip_hash(ledger), config=config)

    simulated = ledger.simulate(transaction, ledger.blocks.tip)
    refused = submit(ledger, transaction)

    assert simulated.error == '"InsufficientFundsForFee"'
    assert refused == Dropped('"InsufficientFundsForFee"')
    assert lamports_at(ledger, payer.pubkey(), PROCESSED) == SOL


def test_a_chain_without_v1_has_no_feature_account_and_drops_v1_transactions() -> None:
    ledger = new_ledger(v1=False)
    payer = funded(ledger)

    result = submit(ledger, sign([memo("x")], [payer], tip_hash(ledger)))

    assert ledger.accounts.now(V1_FEATURE) is None
    assert result == Dropped('"UnsupportedVersion"')


def test_a_chain_with_v1_has_an_activated_feature_account() -> None:
    ledger = new_ledger()

    feature = ledger.accounts.now(V1_FEATURE)

    assert feature is not None
    assert str(feature.owner) == "Feature111111111111111111111111111111111111"
    assert feature.data == b"\x01" + ledger.rules.first_slot.to_bytes(8, "little")


def test_generous_limits_cover_a_payment() -> None:
    """A full payment stays below the limits that the other tests use."""
    ledger = new_ledger()
    payer = treasury(ledger)
    accounts = recipients(ledger, payer.mint, 57)
    transaction = sign(
        payer.payment(accounts, "week/1", rent_of(ledger, 1)), [payer.authority], tip_hash(ledger)
    )

    execution = ledger.simulate(transaction, ledger.blocks.tip)

    assert execution.error is None
    assert execution.metadata.compute_units_consumed() < (GENEROUS.compute_unit_limit or 0)
    assert execution.loaded_bytes < (GENEROUS.loaded_accounts_data_size_limit or 0)
