"""The cost of a year of weekly payments in lamports, beside that of other ways to pay.

The model pays the same contributors every week, from accounts that exist. Each contributor needs a
token account once, whoever pays, so its rent is a separate figure.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from worker.core.money import Lamports
from worker.core.payout.chain import Costs

WEEKS = 52
SIZES = (45, 1_000, 100_000)
"""Contributors a week: the example in the owner's schema, a large wiki, and a very large one."""

LAST_STEP_LAMPORTS = 696
"""The rent minimum of a byte after the last step of SIMD-0437."""

RECEIPT_BYTES = 129
CLAIM_BYTES = 192
"""Bytes that rent counts, with the 128 of every account. A claim is `ClaimStatus` of
jito-foundation/distributor, `programs/merkle-distributor/src/state/claim_status.rs`."""

TRANSFERS_TOGETHER = 20
"""Transfers in a transaction of solana-foundation/solana-developer-platform, at most."""


@dataclass(frozen=True, slots=True)
class YearCost:
    """A year of weeks with this many contributors. Rent of receipts never comes back."""

    contributors: int
    fees: int
    receipts_rent: int
    accounts: int
    """Rent and fees to create a token account for every contributor, once."""
    transfer_each: int
    """Fees of one transfer a transaction, as anza-xyz/agave `tokens/` pays."""
    transfers_together: int
    """Fees of `TRANSFERS_TOGETHER` transfers a transaction."""
    claims: int
    """Fees and rent of the claims that the contributors pay, if each claims each week."""

    @property
    def total(self) -> int:
        """The cost if every contributor has a token account."""
        return self.fees + self.receipts_rent


def year_cost(costs: Costs, contributors: int) -> YearCost:
    """The cost at these charges of a cluster, without priority fees, and with nobody held."""
    fee = costs.fee_per_signature * costs.signatures
    batches = -(-contributors // costs.transfers_per_transaction)
    creations = -(-contributors // costs.accounts_per_transaction)
    together = -(-contributors // TRANSFERS_TOGETHER)
    claim = _byte_rent(costs, CLAIM_BYTES) + costs.fee_per_signature
    return YearCost(
        contributors=contributors,
        fees=WEEKS * (1 + batches) * fee,
        receipts_rent=WEEKS * (2 + batches) * costs.receipt_rent,  # the anchor has two receipts
        accounts=contributors * costs.token_account_rent + creations * fee,
        transfer_each=WEEKS * contributors * costs.fee_per_signature,
        transfers_together=WEEKS * together * costs.fee_per_signature,
        claims=WEEKS * contributors * claim,
    )


def year_costs(costs: Costs, sizes: Sequence[int]) -> list[tuple[YearCost, YearCost]]:
    """The costs of each size at the cluster's rent, and at that of SIMD-0437's last step."""
    last = at_last_step(costs)
    return [(year_cost(costs, size), year_cost(last, size)) for size in sizes]


def at_last_step(costs: Costs) -> Costs:
    """The same charges with the rent of SIMD-0437's last step. Rent is proportional to bytes."""
    receipt = Lamports(RECEIPT_BYTES * LAST_STEP_LAMPORTS)
    account = Lamports(costs.token_account_rent * receipt // costs.receipt_rent)
    return replace(costs, receipt_rent=receipt, token_account_rent=account)


def _byte_rent(costs: Costs, count: int) -> int:
    return costs.receipt_rent * count // RECEIPT_BYTES
