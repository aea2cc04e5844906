"""One Solana cluster with our keys."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from worker.core.payout.chain import (
    Blockhash,
    Costs,
    Execution,
    Height,
    Intent,
    Recipient,
    SendResult,
    SignatureStatus,
    Treasury,
)
from worker.core.plan.receipts import ReceiptState


@dataclass(frozen=True, slots=True)
class Signed:
    """A signed transaction, ready to be made durable and sent."""

    signature: str
    wire: bytes
    blockhash: Blockhash


@dataclass(frozen=True, slots=True)
class PublicAddresses:
    """The addresses of our receipts and payments, in base58. No secret."""

    receipt_key: str
    source_account: str


class Chain(Protocol):
    """One Solana cluster, through one or several endpoints, with our keys."""

    @property
    def mint(self) -> str:
        """The configured mint's address."""
        ...

    @property
    def receipt_secret(self) -> bytes:
        """The secret from which plan salts are derived. It never leaves the process."""
        ...

    @property
    def public_addresses(self) -> PublicAddresses:
        """The addresses from which receipts and payments come, for anyone who checks them."""
        ...

    def cluster_genesis(self) -> str:
        """The cluster's genesis hash.

        Raises:
            EndpointsDisagree: endpoints belong to different clusters.
        """
        ...

    def check_mint(self) -> None:
        """
        Raises:
            MintUnusable: missing, wrong program, wrong decimals, or an extension that is not
                supported; names what was found and what was expected.
            AuthorityUnusable: neither owner nor delegate of the source account.
        """
        ...

    def treasury(self) -> Treasury: ...

    def costs(self) -> Costs: ...

    def finalized_height(self) -> Height:
        """The lowest finalized block height among the endpoints that answer."""
        ...

    def latest_blockhash(self) -> Blockhash: ...

    def receipts(self, ids: Sequence[str], *, not_before_slot: int = 0) -> dict[str, ReceiptState]:
        """Finalized states from every configured endpoint; UNKNOWN where they disagree, one
        does not answer, or one is behind `not_before_slot`."""
        ...

    def executions(self, ids: Sequence[str]) -> dict[str, Execution]:
        """The successful, finalized transactions that allocated these receipts.

        An id is absent where history cannot be read. An absent id may be paid.
        """
        ...

    def executions_of(self, signatures: Mapping[str, str]) -> dict[str, Execution]:
        """The same, by receipt id -> known signature: one read each instead of a search."""
        ...

    def recipients(self, wallets: Sequence[str]) -> list[Recipient]:
        """Each wallet and its associated token account as they are now, in order."""
        ...

    def sign(self, intents: Sequence[Intent], blockhash: Blockhash) -> list[Signed]:
        """Sign each intent as one transaction, compute limits taken from simulation."""
        ...

    def sign_account_creations(self, wallets: Sequence[str], blockhash: Blockhash) -> list[Signed]:
        """Sign idempotent creations of associated token accounts, several a transaction."""
        ...

    def send(self, wires: Sequence[tuple[str, bytes]]) -> list[SendResult]:
        """Send signed bytes, by (signature, bytes), once to every endpoint, without retries."""
        ...

    def statuses(self, signatures: Sequence[str]) -> list[SignatureStatus]: ...
