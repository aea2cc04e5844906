"""Transfers in other people's transactions, read to verify stakes."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from solders.hash import Hash
from solders.instruction import AccountMeta, Instruction
from solders.keypair import Keypair
from solders.message import MessageV0
from solders.pubkey import Pubkey
from solders.transaction import VersionedTransaction

from tests.adapters.solana.rpc_server import JsonRpcError, Misbehaviour, RpcServer, rpc_server
from worker.adapters.solana.addresses import TOKEN_PROGRAM, associated_account
from worker.adapters.solana.instructions import TRANSFER_TAG, TransferMaker
from worker.adapters.solana.reading.transfers import TransferHistory
from worker.adapters.solana.rpc.endpoint import Retries
from worker.core.errors import Unreachable
from worker.core.money import BaseUnits
from worker.ports.wiki import FoundTransfer

USER = Keypair.from_seed(bytes([3]) * 32)
VAULT = str(Keypair.from_seed(bytes([4]) * 32).pubkey())
MINT, OTHER_MINT = Pubkey.from_bytes(bytes([7]) * 32), Pubkey.from_bytes(bytes([6]) * 32)
FAST = Retries(attempts=2, backoff_seconds=0.01)


def account_of(wallet: object, mint: Pubkey = MINT) -> Pubkey:
    return associated_account(str(wallet), mint, TOKEN_PROGRAM)


def checked(amount: int, mint: Pubkey = MINT) -> Instruction:
    maker = TransferMaker(TOKEN_PROGRAM, mint, account_of(USER.pubkey(), mint), USER.pubkey())
    return maker.make(account_of(VAULT, mint), amount)


def unchecked(amount: int, mint: Pubkey) -> Instruction:
    accounts = [
        AccountMeta(account_of(USER.pubkey(), mint), False, True),
        AccountMeta(account_of(VAULT, mint), False, True),
        AccountMeta(USER.pubkey(), True, False),
    ]
    data = bytes([TRANSFER_TAG]) + amount.to_bytes(8, "little")
    return Instruction(TOKEN_PROGRAM, data, accounts)


def transaction(*listed: Instruction) -> VersionedTransaction:
    message = MessageV0.try_compile(USER.pubkey(), list(listed), [], Hash.default())
    return VersionedTransaction(message, [USER])


def reply_of(made: VersionedTransaction, error: Any = None) -> dict[str, Any]:
    keys = list(made.message.account_keys)
    balances = [
        {
            "accountIndex": keys.index(account_of(wallet, mint)),
            "mint": str(mint),
            "owner": str(wallet),
            "uiTokenAmount": {"amount": "1000"},
        }
        for mint in (MINT, OTHER_MINT)
        for wallet in (USER.pubkey(), VAULT)
        if account_of(wallet, mint) in keys
    ]
    return {
        "slot": 77,
        "transaction": [base64.b64encode(bytes(made)).decode(), "base64"],
        "meta": {
            "err": error,
            "fee": 5000,
            "preTokenBalances": balances,
            "postTokenBalances": balances,
        },
    }


@pytest.fixture
def servers() -> Iterator[list[RpcServer]]:
    with ExitStack() as stack:
        yield [stack.enter_context(rpc_server()) for _ in range(2)]


@pytest.fixture
def history(servers: list[RpcServer]) -> Iterator[TransferHistory]:
    made = TransferHistory([server.url for server in servers], str(MINT), 2, FAST)
    yield made
    made.close()


def answer(servers: list[RpcServer], *replies: Any) -> None:
    for server, reply in zip(servers, replies, strict=True):
        server.on("getTransaction", reply)


def found(amount: int) -> FoundTransfer:
    wallet = str(USER.pubkey())
    return FoundTransfer(wallet, str(account_of(VAULT)), VAULT, BaseUnits(amount))


@pytest.mark.parametrize("listed", [[checked(500)], [unchecked(500, MINT)]])
def test_a_transfer_says_who_sent_what_to_whom(
    servers: list[RpcServer], history: TransferHistory, listed: list[Instruction]
) -> None:
    made = transaction(*listed)
    answer(servers, reply_of(made), reply_of(made))

    assert history.finalized_transfers(str(made.signatures[0])) == [found(500)]


def test_transfers_of_another_mint_are_none(
    servers: list[RpcServer], history: TransferHistory
) -> None:
    made = transaction(checked(1, OTHER_MINT), unchecked(2, OTHER_MINT), checked(3))
    answer(servers, reply_of(made), reply_of(made))

    assert history.finalized_transfers(str(made.signatures[0])) == [found(3)]


def test_one_endpoint_that_has_the_transaction_is_enough(
    servers: list[RpcServer], history: TransferHistory
) -> None:
    made = transaction(checked(5))
    answer(servers, None, reply_of(made))

    assert history.finalized_transfers(str(made.signatures[0])) == [found(5)]


def test_a_failed_an_absent_and_another_transaction_are_none(
    servers: list[RpcServer], history: TransferHistory
) -> None:
    made, other = transaction(checked(5)), transaction(checked(6))
    signature = str(made.signatures[0])

    for reply in (None, reply_of(made, {"InstructionError": [0, "x"]}), reply_of(other), {}, "x"):
        answer(servers, reply, reply)
        assert history.finalized_transfers(signature) is None


def test_a_signature_that_is_none_is_not_found(
    servers: list[RpcServer], history: TransferHistory
) -> None:
    def refuse(_: list[Any]) -> Any:
        raise JsonRpcError(-32602, "Invalid param: WrongSize")

    answer(servers, refuse, refuse)
    assert history.finalized_transfers("no signature") is None


def test_only_finalized_transactions_are_asked_for(
    servers: list[RpcServer], history: TransferHistory
) -> None:
    asked: list[Any] = []
    answer(servers, asked.append, asked.append)

    history.finalized_transfers("sig")

    assert [params[1]["commitment"] for params in asked] == ["finalized"] * 2


def test_no_answer_is_no_verdict(servers: list[RpcServer], history: TransferHistory) -> None:
    for server in servers:
        server.always = Misbehaviour(500)
    with pytest.raises(Unreachable):
        history.finalized_transfers("sig")
