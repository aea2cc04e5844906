"""Setting up a local chain with real transactions, stopping and starting it."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from solders.hash import Hash
from solders.keypair import Keypair
from solders.message import MessageV1
from solders.transaction import VersionedTransaction
from spl.token.constants import TOKEN_2022_PROGRAM_ID
from spl.token.instructions import (
    create_idempotent_associated_token_account,
    freeze_account,
    get_associated_token_address,
    transfer_checked,
)
from spl.token.models import FreezeAccountParams, TransferCheckedParams

from deploy.local.chain.client import ChainCallFailedError, ChainClient
from deploy.local.chain.setup import (
    CLASSIC,
    TOKEN_2022,
    MintKind,
    TransferFee,
    create_mint,
    load_or_create_key,
    prepare,
    send,
)
from tests.deploy.local.chain.payments import (
    TOKEN,
    memo,
    sign,
)
from tests.deploy.local.chain.served import Chain, run


@contextmanager
def process(state: Path, *options: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Run the server as operators do; yield it and its URL."""
    command = [sys.executable, "-m", "deploy.local.chain.rpc.server", "--port", "0"]
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
    # A blockhash lives for 150 slots, which take fifteen seconds here.
    fast = ("--slot-milliseconds", "100", "--finalized-slots", "5")
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
                frozen = FreezeAccountParams(
                    program_id=kind.program,
                    account=to,
                    mint=mint.pubkey(),
                    authority=authority.pubkey(),
                )
                send(client, [freeze_account(frozen)], [authority])
                assert int(held["amount"]) == received
                with pytest.raises(ChainCallFailedError, match="0x11"):
                    send(client, [transfer_checked(params)], [authority])

        await asyncio.to_thread(with_blocking_client)

    run(test)


def test_a_transfer_fee_needs_the_token_2022_program() -> None:
    with pytest.raises(ValueError, match="Token-2022"):
        MintKind(transfer_fee=TransferFee(200, 1))


def test_a_v1_message_round_trips_through_the_wire() -> None:
    """The tests above rely on this: solders reads back exactly the bytes that it wrote."""
    payer = Keypair()
    transaction = sign([memo("x")], [payer], Hash.default())

    again = VersionedTransaction.from_bytes(bytes(transaction))

    assert again == transaction
    assert isinstance(again.message, MessageV1)
