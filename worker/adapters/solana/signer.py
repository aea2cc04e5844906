"""Signing: builds instructions, finds a compute budget by simulation, and signs with our keys."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import replace

from solders.hash import Hash
from solders.pubkey import Pubkey

from worker.adapters.solana.errors import IntentTooLarge
from worker.adapters.solana.facts import ClusterFacts
from worker.adapters.solana.prices import Prices
from worker.adapters.solana.reading.mint import token_account_bytes
from worker.adapters.solana.rpc.endpoints import Rpc
from worker.adapters.solana.signing.compute import ComputeBudgets, shape_of
from worker.adapters.solana.signing.transactions import (
    INSTRUCTIONS_MAX,
    Built,
    ComputeBudget,
    TransactionMaker,
)
from worker.core.chunks import chunks
from worker.core.cost import Charge
from worker.core.money import Lamports
from worker.core.payout.chain import Blockhash, Intent
from worker.core.plan.receipts import Resolution
from worker.ports.payout import Signed

RESOLUTION_SPACES = tuple(int(resolution) for resolution in Resolution)


class Signer:
    """Signs intents and account creations. Reads rent, fees and simulations."""

    def __init__(
        self,
        rpc: Rpc,
        facts: ClusterFacts,
        prices: Prices,
        payer: Pubkey,
        priority_fee_lamports_max: int,
    ) -> None:
        self._facts = facts
        self._prices = prices
        self._budgets = ComputeBudgets(
            rpc, priority_fee_lamports_max, lambda: (facts.source, payer)
        )

    def sign(self, intents: Sequence[Intent], blockhash: Blockhash) -> list[Signed]:
        """
        Raises:
            IntentTooLarge: an intent does not fit into one transaction. Nothing is returned.
        """
        maker = self._facts.maker
        rents = self._prices.rents(*RESOLUTION_SPACES)
        by_resolution = {resolution: rents[resolution] for resolution in Resolution}
        for intent in intents:
            if len(intent.transfers) > INSTRUCTIONS_MAX:
                raise IntentTooLarge(intent.receipts, len(intent.transfers))
        built = [maker.of_intent(intent, by_resolution) for intent in intents]
        measured = self._budgets_of(maker, intents, built)
        signed = []
        for intent, parts in zip(intents, built, strict=True):
            budget = measured.get(shape_of(intent)[0]) if _is_measured(intent) else None
            if budget is None:
                highest, generous = self._budgets.highest, self._budgets.generous
                budget = highest() if intent.is_retry else generous()
            try:
                signed.append(_signed(maker, parts, blockhash, budget))
            except IntentTooLarge:
                raise IntentTooLarge(intent.receipts, len(intent.transfers)) from None
        return signed

    def sign_account_creations(self, wallets: Sequence[str], blockhash: Blockhash) -> list[Signed]:
        maker, budget = self._facts.maker, self._budgets.generous()
        return [
            replace(
                _signed(maker, maker.of_creations(chunk), blockhash, budget),
                charge=self._charge(len(chunk), budget),
            )
            for chunk in chunks(wallets, maker.creations_max)
        ]

    def _charge(self, accounts: int, budget: ComputeBudget) -> Charge:
        """What the creation of this many token accounts takes from the fee payer, who signs it."""
        space = token_account_bytes(self._facts.mint_state)
        rent = accounts * self._prices.rents(space)[space]
        fee = self._prices.fee_per_signature() + budget.priority_fee_lamports
        return Charge(Lamports(fee), Lamports(rent), accounts)

    def _budgets_of(
        self, maker: TransactionMaker, intents: Sequence[Intent], built: Sequence[Built]
    ) -> dict[Hashable, ComputeBudget]:
        """A budget for each shape of first payments, from the largest intent of each shape."""
        largest: dict[Hashable, tuple[tuple[int, int], Built]] = {}
        for intent, parts in zip(intents, built, strict=True):
            if not _is_measured(intent):
                continue
            shape, size = shape_of(intent)
            if shape not in largest or largest[shape][0] < size:
                largest[shape] = (size, parts)
        return {
            shape: self._budgets.of(maker, shape, size, parts)
            for shape, (size, parts) in largest.items()
        }


def _is_measured(intent: Intent) -> bool:
    """Whether simulation finds the limits: of payments, before an attempt has failed."""
    return bool(intent.transfers) and not intent.is_retry


def _signed(
    maker: TransactionMaker, built: Built, blockhash: Blockhash, budget: ComputeBudget
) -> Signed:
    transaction = maker.signed(built, Hash.from_string(blockhash.value), budget)
    return Signed(str(transaction.signatures[0]), bytes(transaction), blockhash)
