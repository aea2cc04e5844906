"""Parses token accounts and mints of the Token program and of Token-2022."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from solders.pubkey import Pubkey

from worker.adapters.solana.addresses import TOKEN_2022_PROGRAM, TOKEN_PROGRAM
from worker.adapters.solana.reading.accounts import ChainAccount

TOKEN_PROGRAMS = {str(TOKEN_PROGRAM): TOKEN_PROGRAM, str(TOKEN_2022_PROGRAM): TOKEN_2022_PROGRAM}

ACCOUNT_BYTES = 165
MINT_BYTES = 82
_TYPE_OFFSET = 165
_TLV_OFFSET = 166
_MINT_TYPE = 1
_ACCOUNT_TYPE = 2
_FROZEN = 2
_MEMO_TRANSFER_EXTENSION = 8
_CONFIDENTIAL_TRANSFER_EXTENSION = 5
_PLAIN_CREDITS_OFFSET = 1 + 32 + 3 * 64 + 36 + 1
"""Of `allow_non_confidential_credits`: after the approval, the owner's key, three encrypted
balances, the balance that the owner can decrypt, and `allow_confidential_credits`."""
_U64 = struct.Struct("<Q")
_OPTION = struct.Struct("<I")
_TLV_HEAD = struct.Struct("<HH")


@dataclass(frozen=True, slots=True)
class TokenAccountState:
    mint: str
    owner: str
    amount: int
    delegate: str | None
    delegated_amount: int
    is_frozen: bool
    memo_required: bool
    is_confidential_only: bool
    """Whether its owner refuses plain transfers to it."""


@dataclass(frozen=True, slots=True)
class MintState:
    """A mint, with its Token-2022 extensions by number (empty for the Token program)."""

    token_program: Pubkey
    decimals: int
    extensions: dict[int, bytes]


def token_account(account: ChainAccount | None) -> TokenAccountState | None:
    """Read an initialised token account; None for anything else."""
    if account is None or account.owner not in TOKEN_PROGRAMS or not _is_account(account.data):
        return None
    data = account.data
    state = data[108]
    if state == 0:
        return None
    extensions = dict(_extensions(data))
    memo = extensions.get(_MEMO_TRANSFER_EXTENSION, b"\0")
    confidential = extensions.get(_CONFIDENTIAL_TRANSFER_EXTENSION, b"")
    has_delegate = _OPTION.unpack_from(data, 72)[0] == 1
    return TokenAccountState(
        mint=str(Pubkey(data[:32])),
        owner=str(Pubkey(data[32:64])),
        amount=_U64.unpack_from(data, 64)[0],
        delegate=str(Pubkey(data[76:108])) if has_delegate else None,
        delegated_amount=_U64.unpack_from(data, 121)[0],
        is_frozen=state == _FROZEN,
        memo_required=memo[:1] == b"\1",
        is_confidential_only=confidential[_PLAIN_CREDITS_OFFSET:][:1] == b"\0",
    )


def mint_state(account: ChainAccount) -> MintState | None:
    """Read an initialised mint; None for anything else."""
    program = TOKEN_PROGRAMS.get(account.owner)
    data = account.data
    is_extended = len(data) > _TYPE_OFFSET and data[_TYPE_OFFSET] == _MINT_TYPE
    if program is None or not (len(data) == MINT_BYTES or is_extended) or data[45] != 1:
        return None
    return MintState(program, data[44], dict(_extensions(data)))


def _is_account(data: bytes) -> bool:
    is_extended = len(data) > _TYPE_OFFSET and data[_TYPE_OFFSET] == _ACCOUNT_TYPE
    return len(data) == ACCOUNT_BYTES or is_extended


def _extensions(data: bytes) -> Iterator[tuple[int, bytes]]:
    offset = _TLV_OFFSET
    while offset + _TLV_HEAD.size <= len(data):
        kind, length = _TLV_HEAD.unpack_from(data, offset)
        if kind == 0:
            return
        offset += _TLV_HEAD.size
        yield kind, data[offset : offset + length]
        offset += length
