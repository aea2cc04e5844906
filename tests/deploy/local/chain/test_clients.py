"""Clients that were not made for the local chain pay, read and are refused as on a cluster."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

import pytest
from solana.rpc.commitment import Confirmed, Finalized, Processed
from solana.rpc.core import (
    RPCException,
    TransactionExpiredBlockheightExceededError,
)
from solana.rpc.models import TokenAccountOpts
from solders.account_decoder import ParsedAccount
from solders.keypair import Keypair
from solders.rpc.errors import (
    MethodNotFoundMessage,
    MinContextSlotNotReachedMessage,
    SendTransactionPreflightFailureMessage,
    UnsupportedTransactionVersionMessage,
)
from solders.rpc.responses import SimulateTransactionResp
from solders.transaction_status import (
    InstructionErrorCustom,
    TransactionConfirmationStatus,
    TransactionErrorFieldless,
    TransactionErrorInstructionError,
)
from spl.token.instructions import (
    create_idempotent_associated_token_account,
)

from deploy.local.chain.blocks import Lag
from deploy.local.chain.client import ChainClient
from tests.deploy.local.chain.payments import (
    PAYMENT,
    SOL,
    TOKEN,
    VOID,
    memo,
    pay_sol,
    receipt,
    receipt_address,
    sign,
)
from tests.deploy.local.chain.served import SEND, SKIP, Chain, run


async def error_of(call: Coroutine[Any, Any, Any]) -> Any:
    """Return the typed error that solders reads from a refused call."""
    with pytest.raises(RPCException) as caught:
        await call
    return caught.value.args[0]


@pytest.mark.parametrize("version", ["legacy", 0, 1])
def test_a_client_sends_confirms_and_reads_a_transaction_of_every_version(
    version: int | str,
) -> None:
    async def test(chain: Chain) -> None:
        to = Keypair().pubkey()
        transaction = await chain.sign(
            [pay_sol(chain.payer.authority, to, SOL), memo("hi")], version
        )
        signature = (await chain.client.send_transaction(transaction, SEND)).value
        await chain.advance(3)

        status = (await chain.client.confirm_transaction(signature, Confirmed)).value[0]
        read = await chain.client.get_transaction(
            signature, "base64", Confirmed, max_supported_transaction_version=1
        )

        assert status is not None
        assert status.confirmation_status == TransactionConfirmationStatus.Confirmed
        assert read.value is not None
        assert read.value.transaction.transaction == transaction
        assert read.value.transaction.meta is not None
        assert read.value.transaction.meta.err is None
        assert (await chain.client.get_balance(to, Confirmed)).value == SOL
        assert (await chain.client.get_balance(to, Finalized)).value == 0

    run(test)


@pytest.mark.parametrize("encoding", ["json", "jsonParsed", "base64", "base58"])
def test_a_full_v1_payment_is_paid_once_and_parsed_in_every_encoding(encoding: str) -> None:
    async def test(chain: Chain) -> None:
        accounts = await chain.recipients(57)
        payment = chain.payer.payment(accounts, "2024-12-09/00007", await chain.rent(1))
        transaction = await chain.sign(payment)
        assert len(bytes(transaction)) > 1_232

        signature = (await chain.client.send_transaction(transaction, SEND)).value
        await chain.advance(9)
        again = await error_of(chain.client.send_transaction(await chain.sign(payment), SEND))

        read = await chain.client.get_transaction(
            signature, encoding, max_supported_transaction_version=1
        )
        assert read.value is not None
        meta = read.value.transaction.meta
        assert read.value.transaction.version == 1
        assert meta is not None
        assert meta.post_token_balances is not None
        assert len(meta.post_token_balances) == 58
        held = sum(int(row.ui_token_amount.amount) for row in meta.post_token_balances)
        assert held == 10**6 * TOKEN
        assert isinstance(again, SendTransactionPreflightFailureMessage)
        assert again.data.err == TransactionErrorInstructionError(1, InstructionErrorCustom(0))
        balance = await chain.client.get_token_account_balance(accounts[0])
        assert balance.value.amount == str(TOKEN)
        taken = await chain.client.get_account_info(
            receipt_address(chain.owner, "2024-12-09/00007")
        )
        assert taken.value is not None
        assert len(taken.value.data) == PAYMENT

    run(test)


def test_a_void_keeps_its_payment_out() -> None:
    async def test(chain: Chain) -> None:
        void = receipt(chain.owner, "week/1", VOID, await chain.rent(2))
        await chain.client.send_transaction(await chain.sign(void), SEND)
        payment = chain.payer.payment([], "week/1", await chain.rent(1))

        signature = (await chain.client.send_transaction(await chain.sign(payment), SKIP)).value
        await chain.advance(9)

        [status] = (await chain.client.get_signature_statuses([signature])).value
        assert status is not None
        assert status.err == TransactionErrorInstructionError(1, InstructionErrorCustom(0))
        taken = await chain.client.get_account_info(receipt_address(chain.owner, "week/1"))
        assert taken.value is not None
        assert len(taken.value.data) == VOID

    run(test)


def test_creating_an_associated_account_twice_is_harmless() -> None:
    async def test(chain: Chain) -> None:
        wallet = Keypair().pubkey()
        create = create_idempotent_associated_token_account(chain.owner, wallet, chain.payer.mint)
        for number in range(2):
            transaction = await chain.sign([create, memo(str(number))], 0)
            await chain.client.send_transaction(transaction, SEND)
        await chain.advance(9)

        filters = TokenAccountOpts(mint=chain.payer.mint)
        found = await chain.client.get_token_accounts_by_owner_json_parsed(wallet, filters)

        [account] = found.value
        assert isinstance(account.account.data, ParsedAccount)
        info: Any = account.account.data.parsed["info"]
        assert info["state"] == "initialized"

    run(test)


def test_an_expired_blockhash_fails_preflight_and_confirmation_gives_up() -> None:
    async def test(chain: Chain) -> None:
        latest = (await chain.client.get_latest_blockhash(Processed)).value
        transaction = sign([memo("late")], [chain.payer.authority], latest.blockhash)
        await chain.advance(151)

        refused = await error_of(chain.client.send_transaction(transaction, SEND))
        signature = (await chain.client.send_transaction(transaction, SKIP)).value

        assert isinstance(refused, SendTransactionPreflightFailureMessage)
        assert refused.message == "Transaction simulation failed: Blockhash not found"
        assert refused.data.err == TransactionErrorFieldless.BlockhashNotFound
        with pytest.raises(TransactionExpiredBlockheightExceededError):
            await chain.client.confirm_transaction(
                signature, Processed, last_valid_block_height=latest.last_valid_block_height
            )

    run(test, rules={"lag": Lag(0, 0)})


def test_refusals_arrive_as_the_typed_errors_of_solders() -> None:
    async def test(chain: Chain) -> None:
        client = chain.client
        transaction = await chain.sign([memo("x")], 0)
        signature = (await client.send_transaction(transaction, SEND)).value
        await chain.advance(9)
        future = chain.node.ledger.blocks.tip.slot + 1

        unversioned = await error_of(client.get_transaction(signature))
        unknown = await error_of(client.get_supply())
        early = await error_of(
            client.get_signatures_for_address(chain.owner, min_context_slot=future)
        )

        assert isinstance(unversioned, UnsupportedTransactionVersionMessage)
        assert isinstance(unknown, MethodNotFoundMessage)
        assert isinstance(early, MinContextSlotNotReachedMessage)

    run(test)


def test_a_simulation_parses_with_its_units() -> None:
    async def test(chain: Chain) -> None:
        transaction = await chain.sign([pay_sol(chain.payer.authority, Keypair().pubkey(), SOL)])

        result: SimulateTransactionResp = await chain.client.simulate_transaction(
            transaction, sig_verify=True, commitment=Processed, accounts_addresses=[chain.owner]
        )

        assert result.value.err is None
        assert result.value.units_consumed == 150
        assert result.value.accounts is not None
        assert result.value.accounts[0] is not None

    run(test)


def test_a_fork_makes_a_signature_unknown_and_the_same_bytes_land_again() -> None:
    async def test(chain: Chain) -> None:
        latest = (await chain.client.get_latest_blockhash(Finalized)).value.blockhash
        to = Keypair().pubkey()
        transfer = pay_sol(chain.payer.authority, to, SOL)
        transaction = sign([transfer], [chain.payer.authority], latest)
        signature = (await chain.client.send_transaction(transaction, SKIP)).value
        await chain.advance(3)
        assert (await chain.client.get_balance(to, Confirmed)).value == SOL

        with ChainClient(chain.url) as client:
            assert await asyncio.to_thread(client.call, "local_dropUnfinalized") == 1

        assert (await chain.client.get_signature_statuses([signature])).value == [None]
        assert (await chain.client.get_balance(to, Processed)).value == 0
        await chain.client.send_transaction(transaction, SKIP)
        assert (await chain.client.get_balance(to, Processed)).value == SOL

    run(test)
