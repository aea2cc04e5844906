"""A week's transactions that resolve no payout, and the sum of what they cost.

The signature is the `_id`, so that a transaction is recorded once, also in a database that was not
migrated yet.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from bson import Int64
from pymongo import UpdateOne

from worker.adapters.mongo.base import MongoPart, insert_missing, integer_sum
from worker.adapters.mongo.connection import Document
from worker.core.cost import Charge, OtherCharges, OtherTransaction, TransactionKind
from worker.core.money import Lamports
from worker.core.week import Week

_IS_CREATION: Document = {"$cond": [{"$eq": ["$kind", TransactionKind.ACCOUNTS.value]}, 1, 0]}
_IS_UNREAD: Document = {"$cond": [{"$eq": ["$fee", None]}, 1, 0]}


class MongoCosts(MongoPart):
    """Implements `worker.ports.payout.CostStore`."""

    def record_transactions(self, transactions: Sequence[OtherTransaction]) -> None:
        insert_missing(self.transactions, [_document(each) for each in transactions])

    def other_transactions(self, week: Week, after: str, limit: int) -> list[OtherTransaction]:
        selected = {"week": week.id, "_id": {"$gt": after}}
        found = self.transactions.find(selected).sort("_id", 1).limit(limit)
        return [_transaction_of(document) for document in found]

    def record_charges(self, charges: Mapping[str, Charge]) -> None:
        updates = [
            UpdateOne({"_id": signature, "fee": None}, {"$set": _charged(charge)})
            for signature, charge in charges.items()
        ]
        if updates:
            self.transactions.bulk_write(updates, ordered=False)

    def other_charges(self, week: Week) -> OtherCharges:
        sums = {name: {"$sum": f"${name}"} for name in ("fee", "rent", "accounts")}
        counts = {"creations": {"$sum": _IS_CREATION}, "unread": {"$sum": _IS_UNREAD}}
        group = {"_id": None, **counts, **sums}
        stages: list[Document] = [{"$match": {"week": week.id}}, {"$group": group}]
        for found in self.transactions.aggregate(stages):
            return OtherCharges(
                creations=found["creations"],
                unread=found["unread"],
                fees=integer_sum("fees", found["fee"]),
                rent=integer_sum("rent", found["rent"]),
                accounts=integer_sum("accounts", found["accounts"]),
            )
        return OtherCharges()


def _document(transaction: OtherTransaction) -> Document:
    return {
        "_id": transaction.signature,
        "week": transaction.week.id,
        "kind": transaction.kind.value,
        "last_valid_block_height": Int64(transaction.last_valid_block_height),
        "fee": None,
        "rent": None,
        "accounts": None,
        "succeeded": None,
    }


def _transaction_of(document: Document) -> OtherTransaction:
    return OtherTransaction(
        signature=document["_id"],
        week=Week.parse(document["week"]),
        kind=TransactionKind(document["kind"]),
        last_valid_block_height=int(document["last_valid_block_height"]),
        charge=None if document["fee"] is None else _charge_of(document),
    )


def _charge_of(document: Document) -> Charge:
    return Charge(
        fee=Lamports(int(document["fee"])),
        rent=Lamports(int(document["rent"])),
        accounts=document["accounts"],
        succeeded=document["succeeded"],
    )


def _charged(charge: Charge) -> dict[str, Any]:
    return {
        "fee": Int64(charge.fee),
        "rent": Int64(charge.rent),
        "accounts": charge.accounts,
        "succeeded": charge.succeeded,
    }
