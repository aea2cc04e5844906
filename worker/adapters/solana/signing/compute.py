"""Compute limits from simulation, and priority fees from recent fees of other transactions.

A process simulates each shape of payment once, because payments of one shape use almost the same
number of units. After a failed simulation, and after a failed attempt, the limit is the generous
maximum: the transaction must fail on chain for its real cause, and not because of a limit.
"""

from __future__ import annotations

import base64
import time
from collections.abc import Callable, Hashable, Sequence
from dataclasses import replace

from solders.pubkey import Pubkey

from worker.adapters.solana.errors import MalformedAnswer, RpcRefused
from worker.adapters.solana.reading.accounts import CONFIRMED
from worker.adapters.solana.rpc.calls import Call, Reply
from worker.adapters.solana.rpc.endpoints import Rpc
from worker.adapters.solana.signing.transactions import (
    COMPUTE_UNITS_MAX,
    LOADED_BYTES_MAX,
    MICRO_LAMPORTS,
    Built,
    ComputeBudget,
    TransactionMaker,
)
from worker.core.errors import Unreachable
from worker.core.payout.chain import Intent

UNITS_MARGIN = 10_000
UNITS_MARGIN_PER_TRANSFER = 1_000
"""A transfer to a Token-2022 account costs more units for each extension that its owner added."""

LOADED_BYTES_MARGIN = 256 * 1024
PRIORITY_CACHE_SECONDS = 60.0
PRIORITY_PERCENTILE = 0.75


class ComputeBudgets:
    """Remembers the measured budget of each shape of transaction."""

    def __init__(
        self, rpc: Rpc, fee_lamports_max: int, writable: Callable[[], Sequence[Pubkey]]
    ) -> None:
        """`writable` returns the accounts that all our payments contend for."""
        self._rpc = rpc
        self._fee_lamports_max = fee_lamports_max
        self._writable = writable
        self._measured: dict[Hashable, tuple[tuple[int, int], ComputeBudget]] = {}
        self._price = (0.0, 0)

    def of(
        self, maker: TransactionMaker, shape: Hashable, size: tuple[int, int], built: Built
    ) -> ComputeBudget:
        """The budget of a shape, measured again if `built` is larger than before."""
        measured, budget = self._measured.get((maker.v1, shape), ((-1, -1), None))
        if budget is None or measured[0] < size[0] or measured[1] < size[1]:
            budget = self._simulated(maker, built)
            if budget is None:
                return self._with_fee(ComputeBudget())
            extra = size[0] * UNITS_MARGIN_PER_TRANSFER
            units = min(COMPUTE_UNITS_MAX, budget.compute_units + extra)
            budget = replace(budget, compute_units=units)
            self._measured[maker.v1, shape] = (size, budget)
        return self._with_fee(budget)

    def highest(self) -> ComputeBudget:
        """The maximum of all, for a retry: an earlier attempt may have failed for want of it."""
        return ComputeBudget(priority_fee_lamports=self._fee_lamports_max)

    def generous(self) -> ComputeBudget:
        """The maximum, for transactions that are rare and for the creation of token accounts.

        The program derives an account's address in tries of 1,500 units each, and a user can choose
        a wallet that needs many. With a limit measured on other wallets, such a wallet would block
        all creations in its transaction.
        """
        return self._with_fee(ComputeBudget())

    def _simulated(self, maker: TransactionMaker, built: Built) -> ComputeBudget | None:
        call = simulation_call(bytes(maker.unsigned(built, ComputeBudget())))
        try:
            return self._rpc.any([call], _budget_of)
        except (Unreachable, RpcRefused):
            return None

    def _with_fee(self, budget: ComputeBudget) -> ComputeBudget:
        if not self._fee_lamports_max:
            return budget
        fee = -(-self._recent_price() * budget.compute_units // MICRO_LAMPORTS)
        return replace(budget, priority_fee_lamports=min(fee, self._fee_lamports_max))

    def _recent_price(self) -> int:
        """The recent price of writing to our accounts, in micro-lamports per compute unit."""
        read_at, price = self._price
        now = time.monotonic()
        if not read_at or now - read_at > PRIORITY_CACHE_SECONDS:
            price = self._read_price()
            self._price = (now, price)
        return price

    def _read_price(self) -> int:
        try:
            addresses = [str(address) for address in self._writable()]
            return self._rpc.any([Call("getRecentPrioritizationFees", [addresses])], _price_of)
        except (Unreachable, RpcRefused):
            # Without a priority fee a payment may be slow. If it expires, it is signed anew.
            return 0


def simulation_call(wire: bytes) -> Call:
    """The simulation of a transaction with empty signatures and blockhash."""
    options = {
        "encoding": "base64",
        "commitment": CONFIRMED,
        "sigVerify": False,
        "replaceRecentBlockhash": True,
    }
    return Call("simulateTransaction", [base64.b64encode(wire).decode(), options])


def shape_of(intent: Intent) -> tuple[Hashable, tuple[int, int]]:
    """The shape that an intent shares with similar ones, and its transfers and memo bytes."""
    size = (len(intent.transfers), len(intent.memo.encode()))
    rounded = tuple(number.bit_length() for number in size)
    return (len(intent.receipts), intent.resolution, rounded), size


def _budget_of(replies: list[Reply]) -> ComputeBudget | None:
    """The budget with a margin; None if the simulated transaction failed."""
    try:
        value = replies[0]["value"]
        if value["err"] is not None:
            return None
        units = int(value["unitsConsumed"])
        loaded = value.get("loadedAccountsDataSize")
    except (KeyError, TypeError, ValueError, AttributeError):
        raise MalformedAnswer("no simulation") from None
    loaded_bytes = LOADED_BYTES_MAX
    if isinstance(loaded, int) and loaded > 0:
        loaded_bytes = min(LOADED_BYTES_MAX, loaded * 2 + LOADED_BYTES_MARGIN)
    return ComputeBudget(min(COMPUTE_UNITS_MAX, units * 13 // 10 + UNITS_MARGIN), loaded_bytes)


def _price_of(replies: list[Reply]) -> int:
    try:
        prices = sorted(int(entry["prioritizationFee"]) for entry in replies[0])
    except (KeyError, TypeError, ValueError):
        raise MalformedAnswer("no prioritization fees") from None
    return prices[int((len(prices) - 1) * PRIORITY_PERCENTILE)] if prices else 0
