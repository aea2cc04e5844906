"""Rent and fees of the cluster, cached for a few minutes."""

from __future__ import annotations

import base64
import time

from solders.message import MessageV0, to_bytes_versioned
from solders.pubkey import Pubkey

from worker.adapters.solana.errors import MalformedAnswer
from worker.adapters.solana.instructions import transfer_lamports
from worker.adapters.solana.reading.accounts import CONFIRMED
from worker.adapters.solana.reading.cluster import read_known_blockhash
from worker.adapters.solana.rpc.calls import Call
from worker.adapters.solana.rpc.endpoints import Rpc

REMEMBERED_SECONDS = 300.0
"""A few minutes are short enough, since rent changes in steps that are months apart."""


class Prices:
    """Rent minimums by data length, and the fee of a signature, in lamports."""

    def __init__(self, rpc: Rpc, payer: Pubkey) -> None:
        self._rpc = rpc
        self._payer = payer
        self._rents: dict[int, tuple[float, int]] = {}
        self._fee: tuple[float, int] | None = None

    def rents(self, *spaces: int) -> dict[int, int]:
        """The rent minimum of an account, by its data length in bytes."""
        now = time.monotonic()
        missing = [it for it in spaces if it not in self._rents or _is_old(self._rents[it], now)]
        if missing:
            calls = [
                Call("getMinimumBalanceForRentExemption", [it, {"commitment": CONFIRMED}])
                for it in missing
            ]
            found = self._rpc.any(calls, lambda replies: [_number(reply) for reply in replies])
            for space, lamports in zip(missing, found, strict=True):
                self._rents[space] = (now, lamports)
        return {space: self._rents[space][1] for space in spaces}

    def fee_per_signature(self) -> int:
        """The base fee of one signature.

        Raises:
            Unreachable: no endpoint accepts a known blockhash, or none answers.
        """
        now = time.monotonic()
        if self._fee is None or _is_old(self._fee, now):
            self._fee = (now, self._read_fee())
        return self._fee[1]

    def _read_fee(self) -> int:
        nothing = transfer_lamports(self._payer, self._payer, 0)
        blockhash = read_known_blockhash(self._rpc)
        message = MessageV0.try_compile(self._payer, [nothing], [], blockhash)
        wire = base64.b64encode(to_bytes_versioned(message)).decode()
        call = Call("getFeeForMessage", [wire, {"commitment": CONFIRMED}])
        return self._rpc.any([call], lambda replies: _number(_value(replies[0])))


def _is_old(entry: tuple[float, int], now: float) -> bool:
    return now - entry[0] > REMEMBERED_SECONDS


def _value(reply: object) -> object:
    return reply.get("value") if isinstance(reply, dict) else reply


def _number(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise MalformedAnswer(f"not a number of lamports: {value!r}")
    return value
