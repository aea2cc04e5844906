"""The cost of a week in lamports: fees and rent of every transaction that was sent for it.

The record of a payout holds the fee of the transaction that resolved it. Every other transaction of
a week has a record of its own: creations of token accounts, and attempts that were signed again.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable
from dataclasses import dataclass

from worker.core.money import Lamports
from worker.core.week import Week

NO_LAMPORTS = Lamports(0)
EXPIRED_BLOCKS = 512
"""So many blocks after its last valid one, even a slow endpoint shows a transaction that landed."""
REMEMBERED_BLOCKS = 300_000
"""Some 33 hours. Every endpoint keeps its transactions longer than that."""


class TransactionKind(enum.StrEnum):
    """What a transaction was for that resolved no payout."""

    ACCOUNTS = "accounts"
    """It creates token accounts."""
    REPLACED = "replaced"
    """An attempt of a payout that was signed again. It costs a fee if the chain refused it."""


@dataclass(frozen=True, slots=True)
class Charge:
    """The lamports that a finalized transaction took from the fee payer."""

    fee: Lamports
    rent: Lamports = NO_LAMPORTS
    accounts: int = 0
    """The token accounts that it created."""
    succeeded: bool = True
    """False for a refused transaction, and for one that was never executed."""


@dataclass(frozen=True, slots=True)
class OtherTransaction:
    """A transaction of a week besides those that resolve payouts, recorded before it is sent."""

    signature: str
    week: Week
    kind: TransactionKind
    last_valid_block_height: int
    charge: Charge | None = None
    """None until an endpoint returns the transaction."""


NO_CHARGE = Charge(NO_LAMPORTS, succeeded=False)


@dataclass(frozen=True, slots=True)
class OtherCharges:
    """The sums of a week's other transactions. `unread` ones are in no sum yet."""

    creations: int = 0
    """The transactions among them that create token accounts, read or not."""
    unread: int = 0
    fees: int = 0
    rent: int = 0
    accounts: int = 0


NOTHING_ELSE = OtherCharges()


@dataclass(frozen=True, slots=True)
class Cost:
    """The cost of a week, in lamports. A rent is None if it is not recorded and the chain did not
    answer."""

    fees: int
    unread: int
    """Transactions whose fee no endpoint returns yet."""
    receipts: int
    receipts_rent: int | None
    accounts: int
    """The token accounts that were created."""
    accounts_rent: int | None
    unrecorded: int = 0
    """Those of them whose creation is not recorded. Their rent is today's, and their fees are
    unknown."""

    @property
    def total(self) -> int | None:
        if self.receipts_rent is None or self.accounts_rent is None:
            return None
        return self.fees + self.receipts_rent + self.accounts_rent


def week_cost(
    *,
    payout_fees: int,
    receipts: int,
    void_receipts: int,
    other: OtherCharges,
    unrecorded: int,
    receipt_rent: int | None,
    void_receipt_rent: int | None,
    account_rent: int | None,
) -> Cost:
    """The one sum of a week's cost. The last three arguments are today's rents, for one each."""
    receipts_rents = _rent(receipts, receipt_rent), _rent(void_receipts, void_receipt_rent)
    return Cost(
        fees=payout_fees + other.fees,
        unread=other.unread,
        receipts=receipts + void_receipts,
        receipts_rent=_sum_or_none(receipts_rents),
        accounts=other.accounts + unrecorded,
        accounts_rent=_sum_or_none((other.rent, _rent(unrecorded, account_rent))),
        unrecorded=unrecorded,
    )


def _rent(count: int, each: int | None) -> int | None:
    if not count:
        return 0
    return None if each is None else count * each


def charge_of(
    transaction: OtherTransaction, found: Charge | None, block_height: int
) -> Charge | None:
    """The charge to record for a transaction; None if it is looked for again.

    `found` is the charge that an endpoint returns at a finalized `block_height`. Of a replaced
    attempt that succeeded, the payout's record has the fee. A transaction that nobody returns was
    never executed, if it has expired and is too young to be forgotten.
    """
    if found is not None:
        is_in_payout = transaction.kind is TransactionKind.REPLACED and found.succeeded
        return NO_CHARGE if is_in_payout else found
    blocks_since = block_height - transaction.last_valid_block_height
    return NO_CHARGE if EXPIRED_BLOCKS <= blocks_since < REMEMBERED_BLOCKS else None


def sum_of(costs: Iterable[Cost]) -> Cost:
    """The costs of several weeks together. A rent that is None for one is None for all."""
    listed = list(costs)
    receipts_rents = [each.receipts_rent for each in listed]
    accounts_rents = [each.accounts_rent for each in listed]
    return Cost(
        fees=sum(each.fees for each in listed),
        unread=sum(each.unread for each in listed),
        receipts=sum(each.receipts for each in listed),
        receipts_rent=_sum_or_none(receipts_rents),
        accounts=sum(each.accounts for each in listed),
        accounts_rent=_sum_or_none(accounts_rents),
        unrecorded=sum(each.unrecorded for each in listed),
    )


def _sum_or_none(numbers: Iterable[int | None]) -> int | None:
    total = 0
    for number in numbers:
        if number is None:
            return None
        total += number
    return total
