"""The local chain serves clients that know nothing of it, over HTTP, and a whole life cycle."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import stat
import subprocess
import sys
import urllib.request
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from solana.exceptions import SolanaRpcException
from solana.rpc.async_api import AsyncClient
from solana.rpc.commitment import Confirmed, Finalized, Processed
from solana.rpc.core import (
    RPCException,
    TransactionExpiredBlockheightExceededError,
)
from solana.rpc.models import TokenAccountOpts, TxOpts
from solders.account_decoder import ParsedAccount
from solders.hash import Hash
from solders.instruction import Instruction
from solders.keypair import Keypair
from solders.message import MessageV1
from solders.pubkey import Pubkey
from solders.rpc.errors import (
    MethodNotFoundMessage,
    MinContextSlotNotReachedMessage,
    SendTransactionPreflightFailureMessage,
    UnsupportedTransactionVersionMessage,
)
from solders.rpc.responses import SimulateTransactionResp
from solders.transaction import VersionedTransaction
from solders.transaction_status import (
    InstructionErrorCustom,
    TransactionConfirmationStatus,
    TransactionErrorFieldless,
    TransactionErrorInstructionError,
)
from spl.token.constants import TOKEN_2022_PROGRAM_ID
from spl.token.instructions import (
    create_idempotent_associated_token_account,
    get_associated_token_address,
    transfer_checked,
)
from spl.token.models import TransferCheckedParams

from tests.local.chain_payments import (
    NOW,
    PAYMENT,
    SOL,
    TOKEN,
    VOID,
    Treasury,
    memo,
    new_ledger,
    pay_sol,
    receipt,
    receipt_address,
    sign,
)
from worker.local.chain_blocks import Lag
from worker.local.chain_client import ChainCallFailedError, ChainClient
from worker.local.chain_params import Node
from worker.local.chain_server import ChainServer, RateLimit
from worker.local.chain_setup import (
    CLASSIC,
    TOKEN_2022,
    MintKind,
    TransferFee,
    create_mint,
    freeze,
    fund,
    load_or_create_key,
    prepare,
    send,
)

SEND = TxOpts(preflight_commitment=Processed)
SKIP = TxOpts(skip_preflight=True)


@dataclass
class Chain:
    """A served chain with a client, and a treasury made by real transactions."""

    node: Node
    url: str
    client: AsyncClient
    payer: Treasury

    @property
    def owner(self) -> Pubkey:
        return self.payer.authority.pubkey()

    async def advance(self, slots: int) -> None:
        for _ in range(slots):
            self.node.ledger.open_slot(NOW)

    async def sign(self, instructions: list[Instruction], version: int | str = 1) -> Any:
        latest = (await self.client.get_latest_blockhash(Processed)).value.blockhash
        return sign(instructions, [self.payer.authority], latest, version=version)

    async def recipients(self, count: int) -> list[Pubkey]:
        """Create the associated accounts of new wallets, twelve to a transaction."""
        wallets = [Keypair().pubkey() for _ in range(count)]
        for start in range(0, count, 12):
            create = [
                create_idempotent_associated_token_account(self.owner, wallet, self.payer.mint)
                for wallet in wallets[start : start + 12]
            ]
            await self.client.send_transaction(await self.sign(create), SEND)
        return [get_associated_token_address(wallet, self.payer.mint) for wallet in wallets]

    async def rent(self, space: int) -> int:
        return (await self.client.get_minimum_balance_for_rent_exemption(space)).value


def run(test: Callable[[Chain], Awaitable[None]], **options: Any) -> None:
    """Run a test against a served chain whose slots it moves itself."""

    async def main() -> None:
        async with served(**options) as chain:
            await test(chain)

    asyncio.run(main())


@asynccontextmanager
async def served(*, rules: dict[str, object] | None = None, **options: Any) -> AsyncIterator[Chain]:
    node = Node(new_ledger(**(rules or {})), lambda: NOW, admin=True)
    server = ChainServer(node, **options)
    url = server.start("127.0.0.1", 0)
    payer = await asyncio.to_thread(_make_treasury, url)
    try:
        async with AsyncClient(url) as client:
            yield Chain(node, url, client, payer)
    finally:
        await server.stop()


def _make_treasury(url: str) -> Treasury:
    authority, mint = Keypair(), Keypair()
    with ChainClient(url) as client:
        fund(client, authority.pubkey(), 100 * SOL)
        source = create_mint(client, authority, mint, CLASSIC, 10**6 * TOKEN)
        client.call("local_advanceSlots", 10)
    return Treasury(authority, mint.pubkey(), source)


async def error_of(call: Coroutine[Any, Any, Any]) -> Any:
    """Return the typed error that solders reads from a refused call."""
    with pytest.raises(RPCException) as caught:
        await call
    return caught.value.args[0]


# --- transactions ------------------------------------------------------------------------------


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


# --- refusals ----------------------------------------------------------------------------------


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


# --- HTTP --------------------------------------------------------------------------------------


def _post(url: str, body: bytes, content_type: str = "application/json") -> tuple[int, bytes, Any]:
    headers = {"Content-Type": content_type}
    request = urllib.request.Request(url, body, headers)  # noqa: S310 - the server of this test
    try:
        with urllib.request.urlopen(request) as response:  # noqa: S310
            return response.status, response.read(), response.headers
    except urllib.error.HTTPError as error:
        return error.code, error.read(), error.headers


def test_too_many_requests_are_answered_with_429() -> None:
    async def test(chain: Chain) -> None:
        chain.node.paused = True
        calls = [chain.client.get_slot() for _ in range(60)]

        answers = await asyncio.gather(*calls, return_exceptions=True)

        refused = [one for one in answers if isinstance(one, SolanaRpcException)]
        assert refused
        assert len(refused) < 60
        assert "429" in str(refused[0].__cause__)
        status, body, headers = await asyncio.to_thread(_post, chain.url, b"[{},{},{},{}]")
        assert status == 429
        assert headers["Retry-After"] == "1"
        assert json.loads(body)["error"]["code"] == 429

    run(test, calls_per_second=30)


def test_a_rate_limit_refills_with_time_and_counts_every_call_of_a_batch() -> None:
    now = [0.0]
    limit = RateLimit(10, lambda: now[0])

    assert [limit.take(1) for _ in range(11)] == [True] * 10 + [False]
    now[0] = 0.5
    assert [limit.take(5), limit.take(1)] == [True, False]
    now[0] = 100.0
    assert limit.take(50)
    now[0] = 103.0
    assert not limit.take(1)


def test_http_refusals_are_those_of_a_real_server() -> None:
    async def test(chain: Chain) -> None:
        async def post(*arguments: Any) -> int:
            return (await asyncio.to_thread(_post, chain.url, *arguments))[0]

        health = await asyncio.to_thread(
            lambda: urllib.request.urlopen(chain.url + "/health").read()  # noqa: S310
        )

        assert health == b"ok"
        assert await post(b"{}", "text/plain") == 415
        assert await post(b" " * 51_201) == 413
        assert await post(None) == 405
        assert await post(b"[]") == 200

    run(test)


def test_many_clients_at_once_each_get_their_own_answer() -> None:
    async def test(chain: Chain) -> None:
        people = [Keypair().pubkey() for _ in range(40)]
        for number, address in enumerate(people):
            await chain.client.request_airdrop(address, SOL + number, Processed)

        answers = await asyncio.gather(
            *(chain.client.get_balance(address, Processed) for address in people)
        )

        assert [answer.value for answer in answers] == [SOL + number for number in range(40)]

    run(test)


def test_slots_pass_with_time_and_can_be_paused() -> None:
    async def test() -> None:
        node = Node(new_ledger(), lambda: NOW)
        server = ChainServer(node, slot_milliseconds=10)
        before = node.ledger.blocks.tip.slot
        ticker = asyncio.create_task(server.run_slots())
        await asyncio.sleep(0.3)
        passed = node.ledger.blocks.tip.slot - before
        node.paused = True
        await asyncio.sleep(0.05)
        paused_at = node.ledger.blocks.tip.slot
        await asyncio.sleep(0.1)
        ticker.cancel()

        assert 5 <= passed <= 35
        assert node.ledger.blocks.tip.slot == paused_at

    asyncio.run(test())


# --- setup and life cycle ----------------------------------------------------------------------


@contextmanager
def process(state: Path, *options: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Run the server as operators do; yield it and its URL."""
    command = [sys.executable, "-m", "worker.local.chain_server", "--port", "0"]
    server = subprocess.Popen(
        [*command, "--state-dir", str(state), *options], stderr=subprocess.PIPE, text=True
    )
    assert server.stderr is not None
    try:
        for line in server.stderr:
            if "local chain on" in line:
                yield server, line.split("local chain on ")[1].split(",")[0]
                break
    finally:
        server.kill()
        server.wait()
        server.stderr.close()


def test_setup_is_idempotent_and_survives_a_restart(tmp_path: Path) -> None:
    fast = ("--slot-milliseconds", "20", "--finalized-slots", "5")
    with process(tmp_path, *fast) as (server, url):
        first = prepare(tmp_path, url)
        second = prepare(tmp_path, url)
        with ChainClient(url) as client:
            genesis, slot = client.call("getGenesisHash"), client.call("getSlot")
        server.send_signal(signal.SIGTERM)
        assert server.wait(timeout=20) == 0

    with process(tmp_path, *fast, "--unix-time-offset", "-604800") as (_, url):
        third = prepare(tmp_path, url)
        authority = load_or_create_key(Path(third["SOLANA_PRIVATE_KEY_FILE"]))
        mint = third["TOKEN_MINT_ADDRESS"]
        with ChainClient(url) as client:
            assert client.call("getGenesisHash") == genesis
            assert client.call("getSlot") >= slot
            owner = str(authority.pubkey())
            [held] = client.value(
                "getTokenAccountsByOwner", owner, {"mint": mint}, {"encoding": "jsonParsed"}
            )
            signatures = client.call("getSignaturesForAddress", owner)
            tip = client.call("getSlot", {"commitment": "confirmed"})
            block_time = client.call("getBlockTime", tip)

    supply = held["account"]["data"]["parsed"]["info"]["tokenAmount"]["uiAmountString"]
    now = int(os.stat(tmp_path / "chain.snapshot").st_mtime)
    assert first == second
    assert third["TOKEN_MINT_ADDRESS"] == first["TOKEN_MINT_ADDRESS"]
    assert supply == "10000000"
    assert len(signatures) == 2
    assert abs(block_time - (now - 604_800)) < 60


def test_key_files_are_for_their_owner_only_and_in_the_format_of_the_solana_cli(
    tmp_path: Path,
) -> None:
    path = tmp_path / "keys" / "payout-authority.json"

    key = load_or_create_key(path)

    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert bytes(json.loads(path.read_text())) == bytes(key)
    assert load_or_create_key(path) == key


@pytest.mark.parametrize(
    ("kind", "received"),
    [
        (CLASSIC, 100 * TOKEN),
        (TOKEN_2022, 100 * TOKEN),
        (MintKind(TOKEN_2022_PROGRAM_ID, TransferFee(200, 10**6 * TOKEN)), 98 * TOKEN),
    ],
)
def test_a_mint_of_every_kind_can_be_created_paid_and_frozen(kind: MintKind, received: int) -> None:
    async def test(chain: Chain) -> None:
        def with_blocking_client() -> None:
            authority, mint, wallet = chain.payer.authority, Keypair(), Keypair().pubkey()
            to = get_associated_token_address(wallet, mint.pubkey(), kind.program)
            with ChainClient(chain.url) as client:
                source = create_mint(client, authority, mint, kind, 10**6 * TOKEN)
                params = TransferCheckedParams(
                    program_id=kind.program,
                    source=source,
                    mint=mint.pubkey(),
                    dest=to,
                    owner=chain.owner,
                    amount=100 * TOKEN,
                    decimals=9,
                )
                create = create_idempotent_associated_token_account(
                    chain.owner, wallet, mint.pubkey(), kind.program
                )
                send(client, [create, transfer_checked(params)], [authority])
                held = client.value("getTokenAccountBalance", str(to), {"commitment": "processed"})
                freeze(client, authority, mint.pubkey(), to)
                assert int(held["amount"]) == received
                with pytest.raises(ChainCallFailedError, match="0x11"):
                    send(client, [transfer_checked(params)], [authority])

        await asyncio.to_thread(with_blocking_client)

    run(test)


def test_a_transfer_fee_needs_the_token_2022_program() -> None:
    with pytest.raises(ValueError, match="Token-2022"):
        MintKind(transfer_fee=TransferFee(200, 1))


def test_a_v1_message_round_trips_through_the_wire() -> None:
    """What the proofs above rest on: solders reads back the very bytes that it wrote."""
    payer = Keypair()
    transaction = sign([memo("x")], [payer], Hash.default())

    again = VersionedTransaction.from_bytes(bytes(transaction))

    assert again == transaction
    assert isinstance(again.message, MessageV1)
