"""Transactions of strangers, of other mints and of broken nodes, read back from the chain."""

from __future__ import annotations

import base64
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from solders.hash import Hash
from solders.instruction import AccountMeta, Instruction
from solders.keypair import Keypair
from solders.message import MessageV0
from solders.pubkey import Pubkey
from solders.system_program import ID as SYSTEM_PROGRAM
from solders.transaction import VersionedTransaction

from worker.adapters.solana import instructions as make
from worker.adapters.solana.addresses import TOKEN_PROGRAM, associated_account, receipt_address
from worker.adapters.solana.reading.executions import execution_of
from worker.adapters.solana.signing.keys import Keyring
from worker.adapters.solana.signing.transactions import (
    ComputeBudget,
    TransactionMaker,
    sample_wallets,
)
from worker.core.money import BaseUnits
from worker.core.payout.chain import Execution, Intent, Transfer
from worker.core.plan.receipts import Resolution, receipt_seed

KEY, STRANGER = Keypair.from_seed(bytes([1]) * 32), Keypair.from_seed(bytes([2]) * 32)
MINT, OTHER_MINT = Pubkey.from_bytes(bytes([7]) * 32), Pubkey.from_bytes(bytes([6]) * 32)
SOURCE = Pubkey.from_bytes(bytes([8]) * 32)
ID = "2024-12-09/00007"
WALLETS = sample_wallets(2)
MAKER = TransactionMaker(
    Keyring(KEY, KEY, KEY), mint=MINT, token_program=TOKEN_PROGRAM, source=SOURCE, v1=True
)
PAYMENT = Intent((ID,), Resolution.PAID, tuple(Transfer(it, BaseUnits(500)) for it in WALLETS), ID)


def signed(intent: Intent = PAYMENT) -> VersionedTransaction:
    built = MAKER.of_intent(intent, dict.fromkeys(Resolution, 1))
    return MAKER.signed(built, Hash.default(), ComputeBudget())


def by_stranger(*listed: Instruction) -> VersionedTransaction:
    message = MessageV0.try_compile(STRANGER.pubkey(), list(listed), [], Hash.default())
    return VersionedTransaction(message, [STRANGER])


def reply_of(transaction: VersionedTransaction, **meta: Any) -> dict[str, Any]:
    """The reply of getTransaction to a payment of 500 base units to each wallet."""
    keys = list(transaction.message.account_keys)
    balances = {SOURCE: (str(KEY.pubkey()), 10_000, 9_000)} | {
        associated_account(it, MINT, TOKEN_PROGRAM): (it, 0, 500) for it in WALLETS
    }
    before, after = (
        [
            {
                "accountIndex": keys.index(account),
                "mint": str(MINT),
                "owner": owner,
                "uiTokenAmount": {"amount": str(amounts[side])},
            }
            for account, (owner, *amounts) in balances.items()
            if account in keys
        ]
        for side in (0, 1)
    )
    return {
        "slot": 77,
        "transaction": [base64.b64encode(bytes(transaction)).decode(), "base64"],
        "meta": {
            "err": None,
            "fee": 5_000,
            "preTokenBalances": before,
            "postTokenBalances": after,
            **meta,
        },
    }


def read(transaction: VersionedTransaction, reply: Any, receipt: str = ID) -> Execution | None:
    return execution_of(
        reply,
        receipt_id=receipt,
        signature=str(transaction.signatures[0]),
        base=KEY.pubkey(),
        mint=str(MINT),
    )


@pytest.mark.parametrize(
    ("said", "landed_at"),
    [
        (1734307200, datetime(2024, 12, 16, tzinfo=UTC)),
        (None, None),
        ("soon", None),
        (10**20, None),
        (float("nan"), None),
    ],
)
def test_an_odd_block_time_makes_no_payment_unreadable(
    said: object, landed_at: datetime | None
) -> None:
    transaction = signed()

    found = read(transaction, reply_of(transaction) | {"blockTime": said})

    assert found is not None
    assert (found.landed_at, found.source_decrease) == (landed_at, 1_000)


def test_a_payment_is_read_back_whole() -> None:
    transaction = signed()

    assert read(transaction, reply_of(transaction)) == Execution(
        receipt=ID,
        resolution=Resolution.PAID,
        signature=str(transaction.signatures[0]),
        slot=77,
        fee=5_000,
        memo=ID,
        transfers=PAYMENT.transfers,
        source=str(SOURCE),
        source_decrease=1_000,
    )


@pytest.mark.parametrize(
    "reply",
    [
        None,
        {},
        [],
        "x",
        7,
        {"meta": None, "transaction": None, "slot": 1},
        {"meta": {"err": None}, "transaction": ["!!", "base64"], "slot": 1},
        {"meta": {"err": None}, "transaction": ["AAAA", "base64"], "slot": 1},
        {"meta": {"err": None, "fee": 1}, "transaction": {"message": {}}, "slot": 1},
    ],
)
def test_an_answer_that_makes_no_sense_is_no_execution(reply: Any) -> None:
    assert read(signed(), reply) is None


def test_a_failed_transaction_is_no_execution() -> None:
    transaction = signed()

    assert read(transaction, reply_of(transaction, err={"InstructionError": [1, "x"]})) is None


def test_another_receipt_is_not_resolved_by_it() -> None:
    transaction = signed()

    assert read(transaction, reply_of(transaction), "2024-12-09/00008") is None


def test_another_transaction_than_was_asked_for_is_no_execution() -> None:
    asked, given = signed(), signed(Intent((ID,), Resolution.VOID, (), ID))

    assert read(asked, reply_of(given)) is None


def test_a_transaction_without_balances_is_no_execution() -> None:
    transaction = signed()

    for missing in ({"preTokenBalances": None}, {"postTokenBalances": []}):
        assert read(transaction, reply_of(transaction, **missing)) is None


def _allocation(**changed: Any) -> Instruction:
    """The allocation of our receipt, or a similar instruction."""
    address = changed.get("address", receipt_address(KEY.pubkey(), ID))
    base = changed.get("base", KEY.pubkey())
    data = make.allocate_with_seed_data(
        base, changed.get("seed", receipt_seed(ID)), changed.get("space", 1)
    )
    accounts = [AccountMeta(address, False, True), AccountMeta(STRANGER.pubkey(), True, False)]
    return Instruction(changed.get("program", SYSTEM_PROGRAM), changed.get("data", data), accounts)


@pytest.mark.parametrize(
    "changed",
    [
        {"base": STRANGER.pubkey()},
        {"seed": receipt_seed("2024-12-09/00008")},
        {"space": 0},
        {"space": 3},
        {"address": STRANGER.pubkey()},
        {"program": TOKEN_PROGRAM},
        {"data": b""},
        {"data": make.allocate_with_seed_data(KEY.pubkey(), receipt_seed(ID), 1) + b"\0"},
        {"data": make.allocate_with_seed_data(KEY.pubkey(), receipt_seed(ID), 1)[:-1]},
    ],
)
def test_only_the_allocation_of_that_very_receipt_counts(changed: dict[str, Any]) -> None:
    transaction = by_stranger(_allocation(**changed))

    assert read(transaction, reply_of(transaction)) is None


@pytest.mark.parametrize("resolution", list(Resolution))
def test_the_resolution_is_the_allocated_space(resolution: Resolution) -> None:
    transaction = by_stranger(_allocation(space=int(resolution)))

    execution = read(transaction, reply_of(transaction))

    assert execution is not None
    assert execution.resolution is resolution
    assert (execution.memo, execution.transfers, execution.source_decrease) == ("", (), 0)


def test_transfers_of_another_mint_do_not_count() -> None:
    maker = make.TransferMaker(TOKEN_PROGRAM, OTHER_MINT, SOURCE, STRANGER.pubkey())
    target = associated_account(WALLETS[0], OTHER_MINT, TOKEN_PROGRAM)
    transaction = by_stranger(_allocation(), maker.make(target, 5))

    execution = read(transaction, reply_of(transaction))

    assert execution is not None
    assert execution.transfers == ()
    assert execution.source_decrease == 0


def test_a_plain_transfer_counts_too() -> None:
    target = associated_account(WALLETS[0], MINT, TOKEN_PROGRAM)
    accounts = [
        AccountMeta(SOURCE, False, True),
        AccountMeta(target, False, True),
        AccountMeta(STRANGER.pubkey(), True, False),
    ]
    plain = Instruction(TOKEN_PROGRAM, b"\x03" + (1_000).to_bytes(8, "little"), accounts)
    transaction = by_stranger(_allocation(), plain)

    execution = read(transaction, reply_of(transaction))

    assert execution is not None
    assert execution.transfers == (Transfer(WALLETS[0], BaseUnits(1_000)),)
    assert execution.source_decrease == 1_000


def test_a_node_that_does_not_tell_owners_leaves_the_accounts() -> None:
    transaction = signed()
    reply = reply_of(transaction)
    for entry in reply["meta"]["preTokenBalances"] + reply["meta"]["postTokenBalances"]:
        del entry["owner"]

    execution = read(transaction, reply)

    assert execution is not None
    accounts = [str(associated_account(it, MINT, TOKEN_PROGRAM)) for it in WALLETS]
    assert [it.wallet for it in execution.transfers] == accounts


def test_a_memo_that_is_no_text_is_no_crash() -> None:
    memo = Instruction(make.MEMO_PROGRAM, b"\xff\xfe", [])
    transaction = by_stranger(_allocation(), memo)

    assert read(transaction, reply_of(transaction)) is None


_ODD = st.one_of(
    st.none(), st.integers(), st.text(max_size=3), st.just([]), st.just({}), st.just([None])
)


@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_no_mangled_answer_is_a_crash(data: st.DataObject) -> None:
    transaction = signed()
    reply = reply_of(transaction)
    spots: list[tuple[Any, Any]] = [(reply, key) for key in reply]
    spots += [(reply["meta"], key) for key in reply["meta"]]
    spots += [
        (entry, key)
        for side in ("preTokenBalances", "postTokenBalances")
        for entry in reply["meta"][side]
        for key in entry
    ]
    for _ in range(data.draw(st.integers(1, 3))):
        container, key = data.draw(st.sampled_from(spots))
        container[key] = data.draw(_ODD)

    execution = read(transaction, reply)

    assert execution is None or execution.receipt == ID


@settings(max_examples=300, deadline=None)
@given(raw=st.binary(max_size=400), cut=st.integers(0, 700))
def test_no_mangled_transaction_is_a_crash(raw: bytes, cut: int) -> None:
    transaction = signed()
    whole = bytes(transaction)
    for mangled in (raw, whole[:cut], whole[:cut] + raw, whole[:cut] + raw + whole[cut:]):
        reply = reply_of(transaction)
        reply["transaction"][0] = base64.b64encode(mangled).decode()
        read(transaction, reply)
