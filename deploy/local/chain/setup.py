"""Makes a fresh local chain ready for payments: keys, SOL, the KONTRIB mint and a full treasury.

The setup sends the same transactions as on a real cluster. A second run changes nothing.
"""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from solders.hash import Hash
from solders.instruction import Instruction
from solders.keypair import Keypair
from solders.message import Message
from solders.pubkey import Pubkey
from solders.system_program import CreateAccountParams, create_account
from solders.transaction import VersionedTransaction
from spl.token.constants import TOKEN_2022_PROGRAM_ID, TOKEN_PROGRAM_ID
from spl.token.instructions import (
    create_idempotent_associated_token_account,
    get_associated_token_address,
    initialize_mint2,
    initialize_transfer_fee_config,
    mint_to,
)
from spl.token.models import (
    InitializeMint2Params,
    InitializeTransferFeeConfigParams,
    MintToParams,
)

from deploy.local.chain.client import ChainCallFailedError, ChainClient
from deploy.local.errors import LocalStackError
from deploy.local.state_files import write_atomically

DECIMALS = 9
SUPPLY_TOKENS = 10_000_000
AUTHORITY_LAMPORTS = 10_000 * 10**9
AUTHORITY_KEY_NAME = "payout-authority.json"
MINT_KEY_NAME = "mint.json"

_MINT_BYTES = 82
_MINT_WITH_FEE_BYTES = 278
_NOW = {"commitment": "processed"}
_NOW_BASE64 = {**_NOW, "encoding": "base64"}
_PREFLIGHT = {"encoding": "base64", "preflightCommitment": "processed"}
_METHOD_NOT_FOUND = -32601
_FINALIZE_SLOTS = 8
_FINALIZE_SECONDS = 120.0
_LANDING_SECONDS = 60.0


class ChainNotReadyError(LocalStackError):
    """The chain failed a step of the setup."""


@dataclass(frozen=True, slots=True)
class TransferFee:
    """A Token-2022 transfer fee that recipients pay: basis points of an amount, with a maximum."""

    basis_points: int
    max_base_units: int


@dataclass(frozen=True, slots=True)
class MintKind:
    """The mint to create. A transfer fee needs the Token-2022 program."""

    program: Pubkey = TOKEN_PROGRAM_ID
    transfer_fee: TransferFee | None = None

    def __post_init__(self) -> None:
        """Refuse a transfer fee with the classic program, which lacks them."""
        if self.transfer_fee is not None and self.program != TOKEN_2022_PROGRAM_ID:
            raise ValueError("a transfer fee needs the Token-2022 program")


CLASSIC = MintKind()
TOKEN_2022 = MintKind(TOKEN_2022_PROGRAM_ID)


def prepare(
    state_dir: Path,
    rpc_url: str,
    *,
    kind: MintKind = CLASSIC,
    supply_tokens: int = SUPPLY_TOKENS,
    authority_lamports: int = AUTHORITY_LAMPORTS,
) -> Mapping[str, str]:
    """Create missing keys in `state_dir/keys` and missing accounts; return their settings.

    The payout authority is also mint and freeze authority. Returns once everything is finalized:
    immediately on a chain with `--admin`, otherwise after its finalization lag. Raises
    `ChainCallFailedError`, `ChainNotReadyError`, and `OSError` if the chain is not there.
    """
    keys = state_dir / "keys"
    authority = load_or_create_key(keys / AUTHORITY_KEY_NAME)
    mint = load_or_create_key(keys / MINT_KEY_NAME)
    with ChainClient(rpc_url) as client:
        fund(client, authority.pubkey(), authority_lamports)
        if client.value("getAccountInfo", str(mint.pubkey()), _NOW_BASE64) is None:
            create_mint(client, authority, mint, kind, supply_tokens * 10**DECIMALS)
        finalize(client)
    return {
        "SOLANA_RPC_URL": rpc_url,
        "TOKEN_MINT_ADDRESS": str(mint.pubkey()),
        "SOLANA_PRIVATE_KEY_FILE": str((keys / AUTHORITY_KEY_NAME).resolve()),
    }


def load_or_create_key(path: Path) -> Keypair:
    """Read a key file in the Solana CLI format, or write a new one with mode 0600."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.parent.chmod(0o700)
    if path.exists():
        return Keypair.from_bytes(bytes(json.loads(path.read_text(encoding="utf-8"))))
    keypair = Keypair()
    write_atomically(path, json.dumps(list(bytes(keypair))))
    return keypair


def fund(client: ChainClient, address: Pubkey, lamports: int) -> None:
    """Refill an address from the faucet if it holds less than half."""
    held = client.value("getBalance", str(address), _NOW)
    if held < lamports // 2:
        _wait_until_landed(client, client.call("requestAirdrop", str(address), lamports - held))


def create_mint(
    client: ChainClient, authority: Keypair, mint: Keypair, kind: MintKind, supply_base_units: int
) -> Pubkey:
    """Create a mint, its authority's associated account and the supply; return the account."""
    owner, address = authority.pubkey(), mint.pubkey()
    treasury = get_associated_token_address(owner, address, kind.program)
    supply = MintToParams(
        program_id=kind.program,
        mint=address,
        dest=treasury,
        mint_authority=owner,
        amount=supply_base_units,
    )
    instructions = [
        *_mint_instructions(client, owner, address, kind),
        create_idempotent_associated_token_account(owner, owner, address, kind.program),
        mint_to(supply),
    ]
    send(client, instructions, [authority, mint])
    held = client.value("getTokenAccountBalance", str(treasury), _NOW)["amount"]
    if int(held) != supply_base_units:
        raise ChainNotReadyError(f"{treasury} holds {held} base units, not {supply_base_units}")
    return treasury


def send(client: ChainClient, instructions: Sequence[Instruction], signers: list[Keypair]) -> str:
    """Sign a legacy transaction paid by the first signer, send it, and return its signature.

    Returns as soon as it has landed.
    Raises `ChainCallFailedError` if its preflight fails, and `ChainNotReadyError`.
    """
    latest = client.value("getLatestBlockhash", _NOW)["blockhash"]
    message = Message.new_with_blockhash(
        instructions, signers[0].pubkey(), Hash.from_string(latest)
    )
    raw = bytes(VersionedTransaction(message, signers))
    signature = str(client.call("sendTransaction", base64.b64encode(raw).decode(), _PREFLIGHT))
    _wait_until_landed(client, signature)
    return signature


def _wait_until_landed(client: ChainClient, signature: str) -> None:
    """Wait for a transaction. On the local chain it has landed when its call returns."""
    deadline = time.monotonic() + _LANDING_SECONDS
    while client.value("getSignatureStatuses", [signature]) == [None]:
        if time.monotonic() > deadline:
            raise ChainNotReadyError(f"{signature} did not land in {_LANDING_SECONDS:.0f} s")
        time.sleep(0.2)


def finalize(client: ChainClient) -> None:
    """Wait until the present slot is finalized. A chain with `--admin` is advanced there."""
    slot = client.call("getSlot", _NOW)
    deadline = time.monotonic() + _FINALIZE_SECONDS
    while client.call("getSlot") < slot:
        if time.monotonic() > deadline:
            raise ChainNotReadyError(f"slot {slot} is not finalized in {_FINALIZE_SECONDS:.0f} s")
        try:
            client.call("local_advanceSlots", _FINALIZE_SLOTS)
        except ChainCallFailedError as error:
            if error.code != _METHOD_NOT_FOUND:
                raise
            time.sleep(0.2)


def _mint_instructions(
    client: ChainClient, authority: Pubkey, mint: Pubkey, kind: MintKind
) -> list[Instruction]:
    space = _MINT_BYTES if kind.transfer_fee is None else _MINT_WITH_FEE_BYTES
    create = CreateAccountParams(
        from_pubkey=authority,
        to_pubkey=mint,
        lamports=client.call("getMinimumBalanceForRentExemption", space),
        space=space,
        owner=kind.program,
    )
    initialize = InitializeMint2Params(
        decimals=DECIMALS,
        program_id=kind.program,
        mint=mint,
        mint_authority=authority,
        freeze_authority=authority,
    )
    fee = kind.transfer_fee
    if fee is None:
        return [create_account(create), initialize_mint2(initialize)]
    fee_config = InitializeTransferFeeConfigParams(
        program_id=kind.program,
        mint=mint,
        transfer_fee_config_authority=authority,
        withdraw_withheld_authority=authority,
        transfer_fee_basis_points=fee.basis_points,
        maximum_fee=fee.max_base_units,
    )
    # Extensions come first, since an initialized mint accepts no more of them.
    return [
        create_account(create),
        initialize_transfer_fee_config(fee_config),
        initialize_mint2(initialize),
    ]
