"""Signed transactions, byte by byte, and the capacity of a transaction."""

from __future__ import annotations

import pytest
from solders.hash import Hash
from solders.keypair import Keypair
from solders.message import MessageV0, MessageV1
from solders.pubkey import Pubkey
from solders.system_program import (
    ID as SYSTEM_PROGRAM,
)
from solders.system_program import (
    AllocateWithSeedParams,
    TransferParams,
    allocate_with_seed,
    transfer,
)
from spl.token.instructions import (
    create_idempotent_associated_token_account,
    get_associated_token_address,
    transfer_checked,
)
from spl.token.models import TransferCheckedParams

from worker.adapters.solana import instructions as make
from worker.adapters.solana.addresses import (
    MEMO_PROGRAM,
    TOKEN_2022_PROGRAM,
    TOKEN_PROGRAM,
    associated_account,
    receipt_address,
)
from worker.adapters.solana.errors import IntentTooLarge
from worker.adapters.solana.signing.keys import Keyring
from worker.adapters.solana.signing.transactions import (
    ComputeBudget,
    TransactionMaker,
    sample_wallets,
)
from worker.core.money import BaseUnits
from worker.core.payout.chain import Intent, Transfer
from worker.core.plan.receipts import Resolution, receipt_seed

KEYS = [Keypair.from_seed(bytes([number]) * 32) for number in range(1, 4)]
A, B, C = KEYS
MINT, SOURCE = Pubkey.from_bytes(bytes([7]) * 32), Pubkey.from_bytes(bytes([8]) * 32)
RENTS = {Resolution.PAID: 897_840, Resolution.VOID: 904_800}
BLOCKHASH = Hash(bytes([9]) * 32)


def maker(*, v1: bool = True, receipt_key: Keypair = A, fee_payer: Keypair = A) -> TransactionMaker:
    return TransactionMaker(
        Keyring(A, receipt_key, fee_payer),
        mint=MINT,
        token_program=TOKEN_PROGRAM,
        source=SOURCE,
        v1=v1,
    )


def intent(
    transfers: int, *, resolution: Resolution = Resolution.PAID, memo: str = "2024-12-09/00007"
) -> Intent:
    listed = tuple(Transfer(it, BaseUnits(5)) for it in sample_wallets(transfers))
    return Intent(("2024-12-09/00007",), resolution, listed, memo)


def test_instructions_are_packed_as_the_libraries_pack_them() -> None:
    a, b, wallet = A.pubkey(), B.pubkey(), C.pubkey()
    seed = receipt_seed("x")
    address = receipt_address(a, "x")
    pay = TransferParams(from_pubkey=a, to_pubkey=b, lamports=123)
    allocate = AllocateWithSeedParams(
        address=address, base=a, seed=seed, space=2, owner=SYSTEM_PROGRAM
    )
    checked = TransferCheckedParams(
        program_id=TOKEN_PROGRAM,
        source=SOURCE,
        mint=MINT,
        dest=b,
        owner=a,
        amount=2**63,
        decimals=9,
    )
    account = get_associated_token_address(wallet, MINT, TOKEN_2022_PROGRAM)

    assert make.transfer_lamports(a, b, 123) == transfer(pay)
    assert make.allocate_with_seed(address, a, seed, 2) == allocate_with_seed(allocate)
    assert make.TransferMaker(TOKEN_PROGRAM, MINT, SOURCE, a).make(b, 2**63) == transfer_checked(
        checked
    )
    assert make.create_account_idempotent(
        a, account, wallet, MINT, TOKEN_2022_PROGRAM
    ) == create_idempotent_associated_token_account(a, wallet, MINT, TOKEN_2022_PROGRAM)


@pytest.mark.parametrize("program", [TOKEN_PROGRAM, TOKEN_2022_PROGRAM])
def test_associated_accounts_are_those_of_the_library(program: Pubkey) -> None:
    for wallet in sample_wallets(50):
        expected = get_associated_token_address(Pubkey.from_string(wallet), MINT, program)
        assert associated_account(wallet, MINT, program) == expected


@pytest.mark.parametrize(
    ("v1", "receipt_key", "fee_payer", "expected"),
    [
        (True, A, A, 57),
        (True, B, A, 56),
        (True, B, C, 55),
        (False, A, A, 14),
        (False, B, A, 12),
        (False, B, C, 10),
    ],
)
def test_capacities(v1: bool, receipt_key: Keypair, fee_payer: Keypair, expected: int) -> None:
    made = maker(v1=v1, receipt_key=receipt_key, fee_payer=fee_payer)

    assert made.transfers_max == expected
    largest = made.of_intent(intent(expected), RENTS)
    with_fee = ComputeBudget(priority_fee_lamports=5_000)
    assert len(bytes(made.signed(largest, BLOCKHASH, with_fee))) <= (4_096 if v1 else 1_232)
    with pytest.raises(IntentTooLarge):
        made.signed(made.of_intent(intent(expected + 1), RENTS), BLOCKHASH, with_fee)


def test_account_creations_leave_room_for_what_strangers_do() -> None:
    assert maker().creations_max == maker(v1=False).creations_max == 9


def test_receipts_come_first_then_the_memo_then_the_transfers() -> None:
    payment = Intent(("one", "two"), Resolution.PAID, intent(2).transfers, "what people read")

    built = maker().of_intent(payment, RENTS)

    programs = [it.program_id for it in built.instructions]
    assert programs == [SYSTEM_PROGRAM] * 4 + [MEMO_PROGRAM] + [TOKEN_PROGRAM] * 2
    targets = [it.accounts[1].pubkey for it in built.instructions[0:4:2]]
    assert targets == [receipt_address(A.pubkey(), it) for it in ("one", "two")]
    assert built.instructions[4].accounts == []
    assert bytes(built.instructions[4].data) == b"what people read"


@pytest.mark.parametrize("resolution", list(Resolution))
def test_a_receipt_gets_the_rent_of_its_space(resolution: Resolution) -> None:
    built = maker().of_intent(intent(0, resolution=resolution), RENTS)

    pay, allocate = built.instructions[:2]
    assert int.from_bytes(bytes(pay.data)[4:], "little") == RENTS[resolution]
    assert int.from_bytes(bytes(allocate.data)[-40:-32], "little") == resolution


def test_no_memo_means_no_memo_instruction() -> None:
    built = maker().of_intent(intent(1, memo=""), RENTS)

    assert MEMO_PROGRAM not in [it.program_id for it in built.instructions]


def test_a_v1_header_says_all_that_is_asked_for() -> None:
    made = maker()
    limits = ComputeBudget(compute_units=50_000, loaded_bytes=600_000, priority_fee_lamports=77)

    transaction = made.signed(made.of_intent(intent(3), RENTS), BLOCKHASH, limits)

    assert isinstance(transaction.message, MessageV1)
    config = transaction.message.config
    assert config.compute_unit_limit == 50_000
    assert config.loaded_accounts_data_size_limit == 600_000
    assert config.priority_fee == 77
    assert all(transaction.verify_with_results())


@pytest.mark.parametrize(("fee", "price"), [(0, None), (5_000, 100_000)])
def test_a_v0_transaction_asks_with_instructions(fee: int, price: int | None) -> None:
    made = maker(v1=False)
    limits = ComputeBudget(compute_units=50_000, priority_fee_lamports=fee)

    transaction = made.signed(made.of_intent(intent(3), RENTS), BLOCKHASH, limits)

    assert isinstance(transaction.message, MessageV0)
    budget = [
        bytes(it.data)
        for it in transaction.message.instructions
        if transaction.message.account_keys[it.program_id_index] == make.COMPUTE_BUDGET_PROGRAM
    ]
    expected = [b"\x02" + (50_000).to_bytes(4, "little")]
    expected += [] if price is None else [b"\x03" + price.to_bytes(8, "little")]
    assert budget == expected


def test_each_signer_signs_and_one_key_signs_once() -> None:
    one, three = maker(), maker(receipt_key=B, fee_payer=C)

    for made, count in ((one, 1), (three, 3)):
        transaction = made.signed(made.of_intent(intent(2), RENTS), BLOCKHASH, ComputeBudget())
        assert len(transaction.signatures) == count
        assert all(transaction.verify_with_results())


def test_a_built_transaction_does_not_print_its_keys() -> None:
    built = maker().of_intent(intent(1), RENTS)

    assert str(A) not in repr(built)
