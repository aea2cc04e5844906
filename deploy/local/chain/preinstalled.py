"""Accounts that every cluster has and LiteSVM lacks or has in another version."""

from __future__ import annotations

from pathlib import Path

from solders.account import Account
from solders.litesvm import LiteSVM
from solders.pubkey import Pubkey
from solders.rent import Rent

from deploy.local.chain.tokens import TOKEN_PROGRAM

LAMPORTS_PER_BYTE = 6_960
"""The rent minimum of a byte before the first step of SIMD-0437."""

MEMO_PROGRAM = Pubkey.from_string("MemoSq4gqABAXKb96qnH8TysNcWxMyWCqXgDLGmfcHr")
MEMO_CODE = Path(__file__).parent / "programs" / "spl_memo-3.0.0.so"
"""The memo program of clusters. LiteSVM has its successor at this address, which costs a few
hundred compute units and writes another log."""

NATIVE_MINT = Pubkey.from_string("So11111111111111111111111111111111111111112")
NATIVE_MINT_DATA = bytes(44) + bytes([9, 1]) + bytes(36)
"""Wrapped SOL: 9 decimals, initialized, no supply and no authorities."""

_LOADER = Pubkey.from_string("BPFLoader2111111111111111111111111111111111")


def install(svm: LiteSVM, *, lamports_per_byte: int) -> None:
    """Give a new virtual machine the rent rate, the memo program and the wrapped SOL mint."""
    set_rent(svm, lamports_per_byte)
    svm.add_program_with_loader(MEMO_PROGRAM, MEMO_CODE.read_bytes(), _LOADER)
    lamports = svm.minimum_balance_for_rent_exemption(len(NATIVE_MINT_DATA))
    svm.set_account(NATIVE_MINT, Account(lamports, NATIVE_MINT_DATA, TOKEN_PROGRAM))


def set_rent(svm: LiteSVM, lamports_per_byte: int) -> None:
    """Change the rate of the rent minimum, as a step of SIMD-0437 does."""
    svm.set_rent(Rent(lamports_per_byte, 1.0, 50))
