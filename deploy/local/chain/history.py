"""Landed transactions of the local chain, by signature, address or slot.

A record keeps the wire bytes and packed results; the JSON that clients read is built on demand.
"""

from __future__ import annotations

import json
import zlib
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from solders.pubkey import Pubkey
from solders.signature import Signature
from solders.transaction import VersionedTransaction
from solders.transaction_metadata import TransactionMetadata


@dataclass(frozen=True, slots=True)
class Landed:
    """One executed transaction; `error` is the JSON of its `TransactionError`, or None.

    `lamports` holds the balances before and after of every account (two arrays of u64, in the
    order of `addresses`), `tokens` the packed token balances, `outcome` the compressed result of
    the virtual machine (logs, inner instructions, compute units, return data).
    """

    signature: Signature
    slot: int
    unix_seconds: int
    raw: bytes
    error: str | None
    fee_lamports: int
    micro_lamports_per_compute_unit: int
    lookups: bytes
    lamports: bytes
    tokens: bytes
    outcome: bytes

    @property
    def transaction(self) -> VersionedTransaction:
        """The decoded transaction."""
        return VersionedTransaction.from_bytes(self.raw)

    @property
    def metadata(self) -> TransactionMetadata:
        """The outcome that the virtual machine reported."""
        return TransactionMetadata.from_bytes(zlib.decompress(self.outcome))

    @property
    def error_json(self) -> Any:
        """The `TransactionError` as JSON-RPC shows it; None for a success."""
        return None if self.error is None else json.loads(self.error)

    def addresses(self) -> list[Pubkey]:
        """Return every account in index order. Accounts from lookup tables come last."""
        return [*self.transaction.message.account_keys, *self.looked_up()]

    def looked_up(self) -> list[Pubkey]:
        """Return the accounts that came from lookup tables, the writable ones first."""
        starts = range(0, len(self.lookups), 32)
        return [Pubkey(self.lookups[start : start + 32]) for start in starts]

    def balances(self) -> tuple[list[int], list[int]]:
        """Return the lamports of each account before and after."""
        both = array("Q", self.lamports)
        half = len(both) // 2
        return both[:half].tolist(), both[half:].tolist()


class History:
    """Every landed transaction, oldest first, with its indexes."""

    def __init__(self) -> None:
        """Start without transactions."""
        self.transactions: list[Landed] = []
        self._by_signature: dict[Signature, int] = {}
        self._by_address: dict[Pubkey, array[int]] = {}
        self.slots: set[int] = set()

    def add(self, landed: Landed, keys: list[Pubkey]) -> None:
        """Append a transaction that mentions `keys`."""
        number = len(self.transactions)
        self.transactions.append(landed)
        self.slots.add(landed.slot)
        self._by_signature[landed.signature] = number
        for key in keys:
            numbers = self._by_address.get(key)
            if numbers is None:
                numbers = self._by_address[key] = array("I")
            numbers.append(number)

    def find(self, signature: Signature) -> Landed | None:
        """Return the transaction with this signature."""
        number = self._by_signature.get(signature)
        return None if number is None else self.transactions[number]

    def mentioning(self, address: Pubkey, *, from_slot: int, to_slot: int) -> Iterator[Landed]:
        """Yield the transactions of a range of slots that mention an address, newest first."""
        for number in reversed(self._by_address.get(address, array("I"))):
            landed = self.transactions[number]
            if landed.slot < from_slot:
                return
            if landed.slot <= to_slot:
                yield landed

    def in_slots(self, from_slot: int, to_slot: int) -> list[Landed]:
        """Return the transactions of a range of slots, oldest first."""
        first = bisect_left(self.transactions, from_slot, key=_slot_of)
        last = bisect_right(self.transactions, to_slot, key=_slot_of)
        return self.transactions[first:last]

    def count_until(self, slot: int) -> int:
        """Return how many transactions landed up to and including `slot`."""
        return bisect_right(self.transactions, slot, key=_slot_of)

    def position(self, signature: Signature) -> int | None:
        """Return the place of a transaction in the order of execution."""
        return self._by_signature.get(signature)

    def drop_after(self, slot: int) -> int:
        """Forget every transaction after `slot`; return how many there were."""
        dropped = self.in_slots(slot + 1, self.transactions[-1].slot) if self.transactions else []
        for landed in reversed(dropped):
            self.transactions.pop()
            self.slots.discard(landed.slot)
            del self._by_signature[landed.signature]
            for key in landed.addresses():
                self._by_address[key].pop()
        return len(dropped)


def _slot_of(landed: Landed) -> int:
    return landed.slot
