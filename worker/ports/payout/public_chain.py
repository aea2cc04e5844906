"""One Solana cluster without any key."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from worker.core.payout.chain import Execution
from worker.core.plan.receipts import ReceiptState


@dataclass(frozen=True, slots=True)
class Outflow:
    """The tokens that a transaction took out of the source account; negative where it added."""

    signature: str
    slot: int
    memo: str
    amount: int
    """In base units."""


class PublicChain(Protocol):
    """One Solana cluster, read with public addresses and no key."""

    def cluster_genesis(self) -> str:
        """The cluster's genesis hash."""
        ...

    def receipts(self, ids: Sequence[str]) -> dict[str, ReceiptState]:
        """Finalized states; UNKNOWN where endpoints disagree or do not answer."""
        ...

    def executions(self, ids: Sequence[str]) -> dict[str, Execution]:
        """As `Chain.executions`."""
        ...

    def executions_of(self, signatures: Mapping[str, str]) -> dict[str, Execution]:
        """As `Chain.executions_of`."""
        ...

    def source_history(self, first_slot: int, last_slot: int) -> list[str]:
        """Signatures of the successful, finalized transactions that mention the source account
        within these slots, both included, newest first."""
        ...

    def outflows(self, signatures: Sequence[str]) -> dict[str, Outflow]:
        """The tokens that these transactions took out of the source account, by signature.

        A transaction that cannot be read is absent. An absent one may have moved tokens.
        """
        ...
