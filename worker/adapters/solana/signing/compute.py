"""Compute limits from simulation, and priority fees from what others paid lately.

One simulation per shape of transaction and process: payments of one shape use almost the same
number of units. Where a simulation fails, whatever the cause, the limit is the generous maximum:
a refusal must be seen on chain, where it counts, and not be turned into another one by a limit.
"""

from __future__ import annotations

import base64
import time
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace

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
"""A Token-2022 account costs more the more extensions its owner gave it."""

LOADED_BYTES_MARGIN = 256 * 1024
PRIORITY_CACHE_SECONDS = 10.0
PRIORITY_PERCENTILE = 0.75


@dataclass(frozen=True, slots=True)
class _Measured:
    size: tuple[int, int]
    budget: ComputeBudget


class ComputeBudgets:
    """Remembers what each shape of transaction needed."""

    def __init__(self, rpc: Rpc, fee_lamports_max: int, writable: Sequence[Pubkey]) -> None:
        """`writable` are the accounts that all our payments contend for."""
        self._rpc = rpc
        self._fee_lamports_max = fee_lamports_max
        self._writable = [str(address) for address in writable]
        self._measured: dict[Hashable, _Measured] = {}
        self._price = (0.0, 0)

    def of(
        self, maker: TransactionMaker, shape: Hashable, size: tuple[int, int], built: Built
    ) -> ComputeBudget:
        """The budget of a shape, measured with its largest transaction at hand."""
        known = self._measured.get((maker.v1, shape))
        if known is None or known.size[0] < size[0] or known.size[1] < size[1]:
            budget = self._simulated(maker, built)
            if budget is None:
                return self._with_fee(ComputeBudget())
            extra = size[0] * UNITS_MARGIN_PER_TRANSFER
            units = min(COMPUTE_UNITS_MAX, budget.compute_units + extra)
            known = _Measured(size, replace(budget, compute_units=units))
            self._measured[maker.v1, shape] = known
        return self._with_fee(known.budget)

    def generous(self) -> ComputeBudget:
        """For creating token accounts, which no measurement bounds.

        Finding an address costs 1,500 units for each try, and its owner can choose a wallet that
        needs many: a limit measured with others would let one of them block everyone beside them.
        """
        return self._with_fee(ComputeBudget())

    def _simulated(self, maker: TransactionMaker, built: Built) -> ComputeBudget | None:
        wire = base64.b64encode(bytes(maker.unsigned(built, ComputeBudget()))).decode()
        options = {
            "encoding": "base64",
            "commitment": CONFIRMED,
            "sigVerify": False,
            "replaceRecentBlockhash": True,
        }
        try:
            return self._rpc.any([Call("simulateTransaction", [wire, options])], _budget_of)
        except (Unreachable, RpcRefused):
            return None

    def _with_fee(self, budget: ComputeBudget) -> ComputeBudget:
        if not self._fee_lamports_max:
            return budget
        fee = -(-self._recent_price() * budget.compute_units // MICRO_LAMPORTS)
        return replace(budget, priority_fee_lamports=min(fee, self._fee_lamports_max))

    def _recent_price(self) -> int:
        """Micro-lamports per compute unit that others paid for our accounts in recent slots."""
        read_at, price = self._price
        now = time.monotonic()
        if not read_at or now - read_at > PRIORITY_CACHE_SECONDS:
            price = self._read_price()
            self._price = (now, price)
        return price

    def _read_price(self) -> int:
        try:
            call = Call("getRecentPrioritizationFees", [self._writable])
            return self._rpc.any([call], _price_of)
        except (Unreachable, RpcRefused):
            # Without a priority fee a payment is slow at worst, and signed anew when it expires.
            return 0


def shape_of(intent: Intent) -> tuple[Hashable, tuple[int, int]]:
    """A shape that similar intents share, and this one's size in it."""
    size = (len(intent.transfers), len(intent.memo.encode()))
    rounded = tuple(number.bit_length() for number in size)
    return (len(intent.receipts), intent.resolution, rounded), size


def _budget_of(replies: list[Reply]) -> ComputeBudget | None:
    """The budget with a margin; None where the simulated transaction failed."""
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
