"""Receipts: the chain's own idempotency keys.

A receipt is the address CreateWithSeed(base, seed, System program), where base is the receipt
key. A transaction that allocates it can execute once, ever: Allocate refuses an address that
already holds data. Its data length records the resolution.
"""

from __future__ import annotations

import enum
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from worker.core.week import Week


class ReceiptState(enum.Enum):
    """The state of a receipt by its finalized account. `UNKNOWN` never counts as `FREE`."""

    FREE = "free"
    PAID = "paid"
    VOID = "void"
    UNKNOWN = "unknown"


class Resolution(enum.IntEnum):
    """The data length that a transaction allocates. A length of 0 would not be exclusive."""

    PAID = 1
    VOID = 2


def state_of(data_length: int | None) -> ReceiptState:
    """The state for a finalized account's data length; None if there is no account.

    A stranger's lamports make an account of length 0. The receipt is still free.
    """
    if data_length in (None, 0):
        return ReceiptState.FREE
    if data_length == Resolution.PAID:
        return ReceiptState.PAID
    if data_length == Resolution.VOID:
        return ReceiptState.VOID
    return ReceiptState.UNKNOWN


def majority_of(count: int) -> int:
    """The least number that is more than half of `count`."""
    return count // 2 + 1


def agreed_state(views: Sequence[ReceiptState | None]) -> ReceiptState:
    """The state that the endpoints agree on. `None` stands for an endpoint without an answer.

    A majority of the endpoints must answer, and all that answer must agree.
    """
    given = [state for state in views if state is not None]
    if len(given) < majority_of(len(views)) or len(set(given)) != 1:
        return ReceiptState.UNKNOWN
    return given[0]


def unknown_because(troubles: Sequence[str]) -> str:
    """Why a receipt is unknown, from what is known about the endpoints."""
    return "; ".join(troubles) or "endpoints disagree, or lie too far behind each other"


def receipt_seed(receipt_id: str) -> str:
    """The seed of an id: 32 hex characters, as long as the System program allows."""
    return hashlib.sha256(f"kontrib/1/{receipt_id}".encode()).hexdigest()[:32]


GENESIS_ID = "genesis"


def genesis_ids(cluster_genesis: str, mint: str, first_week: Week) -> tuple[str, str]:
    """The ids of the two receipts that planning requires."""
    values = f"{cluster_genesis}/{mint}/{first_week.id}"
    return GENESIS_ID, f"genesis/{hashlib.sha256(values.encode()).hexdigest()}"


def anchor_ids(week: Week, root: bytes) -> tuple[str, str]:
    """The ids of an anchor's two receipts: one for the week, and one for exactly this plan."""
    return anchor_id(week), f"{week.id}/root/{root.hex()}"


def anchor_id(week: Week) -> str:
    return f"{week.id}/anchor"


@dataclass(frozen=True, slots=True, order=True)
class BatchId:
    """A batch of a week: `2024-12-09/00007`."""

    week: Week
    index: int

    def __str__(self) -> str:
        return f"{self.week.id}/{self.index:05}"


def single_id(week: Week, commitment: bytes) -> str:
    """The only id under which a reward can be paid alone."""
    return f"{week.id}/u/{commitment.hex()}"
