"""Reads the bytes of token accounts and mints, and packs token balances.

A payment touches 58 token accounts, and the local chain remembers tens of thousands of payments.
So a record holds 21 bytes per account, and all records share one list of holders.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from solders.account import Account
from solders.pubkey import Pubkey

TOKEN_PROGRAM = Pubkey.from_string("TokenkegQfeZyiNwAJbNbGKPFXCWuBvf9Ss623VQ5DA")
TOKEN_2022_PROGRAM = Pubkey.from_string("TokenzQdBNbLqP5VEhdkAS6EPFLC1PHnBqCXEpPxuEb")
TOKEN_PROGRAMS = frozenset({TOKEN_PROGRAM, TOKEN_2022_PROGRAM})

ACCOUNT_BYTES = 165
MINT_BYTES = 82
STATE_OFFSET = 108
FROZEN_STATE = 2

_AMOUNT = struct.Struct("<Q")
_KEY_AND_AMOUNT = struct.Struct("<64sQ")
_ROW = struct.Struct("<BIQQ")
_ABSENT = 0xFFFF_FFFF_FFFF_FFFF
_TYPE_OFFSET = 165
_MINT_TYPE = 1
_ACCOUNT_TYPE = 2


def token_account_data(account: Account | None) -> bytes | None:
    """Return the bytes of an initialized token account; None for anything else."""
    if account is None or account.owner not in TOKEN_PROGRAMS:
        return None
    data = account.data
    is_account = len(data) == ACCOUNT_BYTES or (
        len(data) > _TYPE_OFFSET and data[_TYPE_OFFSET] == _ACCOUNT_TYPE
    )
    return data if is_account and data[STATE_OFFSET] else None


def mint_data(account: Account | None) -> bytes | None:
    """Return the bytes of an initialized mint; None for anything else."""
    if account is None or account.owner not in TOKEN_PROGRAMS:
        return None
    data = account.data
    is_mint = len(data) == MINT_BYTES or (
        len(data) > _TYPE_OFFSET and data[_TYPE_OFFSET] == _MINT_TYPE
    )
    return data if is_mint and data[45] else None


def token_amount(data: bytes) -> int:
    """Return the base units a token account holds."""
    return int(_AMOUNT.unpack_from(data, 64)[0])


def mint_supply(data: bytes) -> int:
    """Return the supply of a mint, in base units."""
    return int(_AMOUNT.unpack_from(data, 36)[0])


def mint_decimals(data: bytes) -> int:
    """Return the decimals of a mint."""
    return data[44]


@dataclass(frozen=True, slots=True)
class Holder:
    """The identity of a token balance besides its account: mint, owner, program, decimals."""

    mint: bytes
    owner: bytes
    program: Pubkey
    decimals: int


@dataclass(frozen=True, slots=True)
class TokenBalance:
    """One token account in a transaction; an amount is None if the account did not exist."""

    account_index: int
    holder: Holder
    before_base_units: int | None
    after_base_units: int | None


class TokenBook:
    """Packs and unpacks the token balances of transactions."""

    def __init__(self, decimals_of: Callable[[Pubkey], int]) -> None:
        """Call `decimals_of` once for each mint."""
        self._decimals_of = decimals_of
        self._decimals: dict[bytes, int] = {}
        self._numbers: dict[bytes, int] = {}
        self.holders: list[Holder] = []

    def add(self, holder: Holder) -> int:
        """Return the number of a holder, always the same for equal holders."""
        # A mint belongs to one token program, so mint and owner are enough to tell holders apart.
        number = self._numbers.setdefault(holder.mint + holder.owner, len(self.holders))
        if number == len(self.holders):
            self.holders.append(holder)
        return number

    def pack(self, rows: Iterable[tuple[int, Account | None, Account | None]]) -> bytes:
        """Pack (account index, account before, account after); skip other kinds of accounts."""
        packed = []
        for index, before, after in rows:
            data_before = token_account_data(before)
            data_after = data_before if after is before else token_account_data(after)
            key, amount_before, amount_after = b"", _ABSENT, _ABSENT
            if data_before is not None:
                key, amount_before = _KEY_AND_AMOUNT.unpack_from(data_before)
            if data_after is not None:
                key, amount_after = _KEY_AND_AMOUNT.unpack_from(data_after)
            if key:
                number = self._numbers.get(key)
                if number is None:
                    number = self._add_new(key, after if data_after is not None else before)
                packed.append(_ROW.pack(index, number, amount_before, amount_after))
        return b"".join(packed)

    def unpack(self, packed: bytes) -> Iterator[TokenBalance]:
        """Yield the balances that `pack` wrote."""
        for index, number, before, after in _ROW.iter_unpack(packed):
            yield TokenBalance(
                account_index=index,
                holder=self.holders[number],
                before_base_units=None if before == _ABSENT else before,
                after_base_units=None if after == _ABSENT else after,
            )

    def _add_new(self, key: bytes, account: Account | None) -> int:
        mint, owner = key[:32], key[32:]
        if mint not in self._decimals:
            self._decimals[mint] = self._decimals_of(Pubkey(mint))
        program = account.owner if account is not None else TOKEN_PROGRAM
        return self.add(Holder(mint, owner, program, self._decimals[mint]))
