"""Transactions as a payer of contributors builds them, for the tests of the local chain."""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Sequence
from dataclasses import dataclass

from solders.account import Account
from solders.hash import Hash
from solders.instruction import AccountMeta, Instruction
from solders.keypair import Keypair
from solders.message import Message, MessageV0, MessageV1, TransactionConfig
from solders.pubkey import Pubkey
from solders.system_program import ID as SYSTEM_PROGRAM
from solders.system_program import TransferParams, transfer
from solders.transaction import VersionedTransaction
from spl.token.constants import TOKEN_PROGRAM_ID
from spl.token.instructions import get_associated_token_address

from deploy.local.chain.blocks import Commitment, Lag
from deploy.local.chain.history import Landed
from deploy.local.chain.ledger import ChainRules, Dropped, Ledger
from deploy.local.chain.tokens import token_account_data, token_amount

SOL = 10**9
TOKEN = 10**9
NOW = 1_735_516_800
MEMO_PROGRAM = Pubkey.from_string("MemoSq4gqABAXKb96qnH8TysNcWxMyWCqXgDLGmfcHr")
GENEROUS = TransactionConfig(
    # Some wallets need more tries than others to find the addresses of twelve accounts.
    compute_unit_limit=1_000_000,
    loaded_accounts_data_size_limit=2 * 1024 * 1024,
)
PAYMENT, VOID = 1, 2


def new_ledger(**rules: object) -> Ledger:
    """Begin a chain with a short lag, so that tests need few slots."""
    given = {"lag": Lag(confirmed_slots=2, finalized_slots=8), **rules}
    return Ledger(ChainRules(**given), seed=b"test", unix_seconds=NOW)  # type: ignore[arg-type]


def advance(ledger: Ledger, slots: int) -> None:
    """Open so many slots, a second apart."""
    for _ in range(slots):
        ledger.open_slot(ledger.blocks.tip.unix_seconds - ledger.clock_offset_seconds + 1)


def funded(ledger: Ledger, lamports: int = 100 * SOL) -> Keypair:
    """Return a new key that owns SOL."""
    keypair = Keypair()
    ledger.put_account(keypair.pubkey(), Account(lamports, b"", SYSTEM_PROGRAM))
    return keypair


def sign(
    instructions: Sequence[Instruction],
    signers: Sequence[Keypair],
    blockhash: Hash,
    *,
    version: int | str = 1,
    config: TransactionConfig | None = GENEROUS,
) -> VersionedTransaction:
    """Build a transaction of any version; the first signer pays."""
    payer = signers[0].pubkey()
    message: Message | MessageV0 | MessageV1
    if version == "legacy":
        message = Message.new_with_blockhash(instructions, payer, blockhash)
    elif version == 0:
        message = MessageV0.try_compile(payer, instructions, [], blockhash)
    else:
        message = MessageV1.try_compile(payer, instructions, blockhash, config)
    return VersionedTransaction(message, signers)


def lamports_at(ledger: Ledger, address: Pubkey, commitment: Commitment) -> int:
    """Read a balance as a client would."""
    account = ledger.accounts.at(address, ledger.blocks.at(commitment).slot)
    return 0 if account is None else account.lamports


def tokens_now(ledger: Ledger, address: Pubkey) -> int:
    """Read the base units of a token account in the open slot."""
    data = token_account_data(ledger.accounts.now(address))
    assert data is not None
    return token_amount(data)


def rent_of(ledger: Ledger, space: int) -> int:
    """Ask the chain for the rent minimum."""
    return ledger.executor.svm.minimum_balance_for_rent_exemption(space)


def tip_hash(ledger: Ledger) -> Hash:
    """Return the newest blockhash."""
    return ledger.blocks.tip.blockhash


def pay_sol(payer: Keypair, to: Pubkey, lamports: int) -> Instruction:
    """Return a System transfer."""
    params = TransferParams(from_pubkey=payer.pubkey(), to_pubkey=to, lamports=lamports)
    return transfer(params)


def submit(ledger: Ledger, transaction: VersionedTransaction) -> Landed | Dropped:
    """Submit a transaction as the wire carries it."""
    return ledger.submit(bytes(transaction), transaction)


def land(ledger: Ledger, transaction: VersionedTransaction) -> Landed:
    """Submit a transaction that must land, with success or failure."""
    result = submit(ledger, transaction)
    assert isinstance(result, Landed), result
    return result


def receipt_address(base: Pubkey, name: str) -> Pubkey:
    """Return the address that stands for an id."""
    return Pubkey.create_with_seed(base, _seed(name), SYSTEM_PROGRAM)


def receipt(base: Pubkey, name: str, space: int, rent_lamports: int) -> list[Instruction]:
    """Return the two instructions that spend an id for ever: fund the address, then allocate it."""
    address, seed = receipt_address(base, name), _seed(name).encode()
    allocate = struct.pack("<I32sQ", 9, bytes(base), len(seed)) + seed
    allocate += struct.pack("<Q32s", space, bytes(SYSTEM_PROGRAM))
    accounts = [AccountMeta(address, False, True), AccountMeta(base, True, False)]
    return [
        transfer(TransferParams(from_pubkey=base, to_pubkey=address, lamports=rent_lamports)),
        Instruction(SYSTEM_PROGRAM, allocate, accounts),
    ]


def transfer_tokens(
    authority: Pubkey, mint: Pubkey, source: Pubkey, to: Pubkey, base_units: int
) -> Instruction:
    """Return a TransferChecked of a mint with 9 decimals."""
    accounts = [
        AccountMeta(source, False, True),
        AccountMeta(mint, False, False),
        AccountMeta(to, False, True),
        AccountMeta(authority, True, False),
    ]
    return Instruction(TOKEN_PROGRAM_ID, struct.pack("<BQB", 12, base_units, 9), accounts)


def memo(text: str) -> Instruction:
    """Return a memo without signers."""
    return Instruction(MEMO_PROGRAM, text.encode(), [])


@dataclass(frozen=True)
class Treasury:
    """A mint, and an authority with a full token account."""

    authority: Keypair
    mint: Pubkey
    source: Pubkey

    def payment(
        self, recipients: Sequence[Pubkey], name: str, rent_lamports: int
    ) -> list[Instruction]:
        """Return a batch: the receipt, one token each, and a memo."""
        owner = self.authority.pubkey()
        return [
            *receipt(owner, name, PAYMENT, rent_lamports),
            *(transfer_tokens(owner, self.mint, self.source, to, TOKEN) for to in recipients),
            memo(name),
        ]


def token_account(mint: Pubkey, owner: Pubkey, base_units: int) -> Account:
    """Return an initialized token account."""
    data = struct.pack(
        "<32s32sQI32sBIQQI32s",
        *(bytes(mint), bytes(owner), base_units, 0, bytes(32), 1, 0, 0, 0, 0, bytes(32)),
    )
    return Account(SOL, data, TOKEN_PROGRAM_ID)


def treasury(ledger: Ledger, base_units: int = 10**6 * TOKEN) -> Treasury:
    """Put a mint and a full treasury on a chain by decree."""
    authority = funded(ledger)
    owner, mint = authority.pubkey(), Pubkey.new_unique()
    data = struct.pack("<I32sQBBI32s", 1, bytes(owner), base_units, 9, 1, 1, bytes(owner))
    ledger.put_account(mint, Account(SOL, data, TOKEN_PROGRAM_ID))
    source = get_associated_token_address(owner, mint)
    ledger.put_account(source, token_account(mint, owner, base_units))
    return Treasury(authority, mint, source)


def recipients(ledger: Ledger, mint: Pubkey, count: int) -> list[Pubkey]:
    """Put empty associated accounts of new wallets on a chain by decree."""
    addresses = []
    for _ in range(count):
        wallet = Pubkey.new_unique()
        addresses.append(get_associated_token_address(wallet, mint))
        ledger.put_account(addresses[-1], token_account(mint, wallet, 0))
    return addresses


def _seed(name: str) -> str:
    return hashlib.sha256(b"kontrib/1/" + name.encode()).hexdigest()[:32]
