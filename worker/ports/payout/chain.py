"""One Solana cluster, with our keys or as a stranger reads it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from worker.core.cost import Charge
from worker.core.payout.chain import (
    Blockhash,
    Costs,
    Execution,
    Height,
    Intent,
    Recipient,
    Searched,
    SendResult,
    SignatureStatus,
    Treasury,
)
from worker.core.plan.receipts import ReceiptState
from worker.core.week import Week


@dataclass(frozen=True, slots=True)
class Signed:
    """A signed transaction, ready to be stored and sent."""

    signature: str
    wire: bytes
    blockhash: Blockhash
    charge: Charge | None = None
    """Of creations of token accounts: the charge if the transaction creates every one of them."""


@dataclass(frozen=True, slots=True)
class EndpointReport:
    """One endpoint, after requests of the real sizes."""

    host: str
    problem: str = ""
    """Why it cannot be used; empty for an endpoint that answers and takes every size."""
    slots_behind: int = 0
    """Finalized slots behind the newest endpoint."""
    limits: tuple[str, ...] = ()
    """Sizes that are smaller than a node's own, such as `getMultipleAccounts: 3 at once`."""


@dataclass(frozen=True, slots=True)
class PublicAddresses:
    """The addresses of our receipts and payments, in base58. No secret."""

    receipt_key: str
    source_account: str


@dataclass(frozen=True, slots=True)
class Outflow:
    """The tokens that a transaction took out of the source account; negative if it added some."""

    signature: str
    slot: int
    memo: str
    amount: int
    """In base units."""


class ReceiptReader(Protocol):
    """Reads of a cluster that need public addresses and no key."""

    def cluster_genesis(self) -> str:
        """The cluster's genesis hash.

        Raises:
            EndpointsDisagree: endpoints belong to different clusters.
        """

    def receipts(self, ids: Sequence[str], *, not_before_slot: int = 0) -> dict[str, ReceiptState]:
        """Finalized states that a majority of the configured endpoints reports, and none denies.

        A state is UNKNOWN if endpoints that answer disagree, or if no majority answers. An endpoint
        that is behind `not_before_slot` does not answer.
        """

    def executions(self, ids: Sequence[str]) -> dict[str, Execution]:
        """The successful, finalized transactions that allocated these receipts.

        An id is absent if no endpoint shows its transaction now: history lags, or is not kept. An
        absent id may be paid. If its receipt is paid, its signature is not readable yet.
        """

    def executions_of(self, signatures: Mapping[str, str]) -> dict[str, Execution]:
        """Like `executions`, for known signatures by receipt id. Reads each without a search.

        An absent id says nothing about its signature.
        """

    def search_execution(self, receipt_id: str, place: str | None) -> Searched:
        """Read some thousand mentions of a receipt, from `place` on; None for the newest."""


class PublicChain(ReceiptReader, Protocol):
    """One Solana cluster, read with public addresses and no key."""

    def source_history(self, first_slot: int, last_slot: int) -> list[str]:
        """Signatures of the successful, finalized transactions that mention the source account
        within these slots, both included, newest first."""

    def outflows(self, signatures: Sequence[str]) -> dict[str, Outflow]:
        """The tokens that these transactions took out of the source account, by signature.

        An unreadable transaction is absent. An absent transaction may have moved tokens.
        """


class Chain(ReceiptReader, Protocol):
    """One Solana cluster, through one or several endpoints, with our keys."""

    @property
    def mint(self) -> str:
        """The configured mint's address."""

    def plan_salt(self, week: Week) -> bytes:
        """The secret salt of a week's plan, derived from the receipt key. Always the same.

        Raises:
            KeyUnusable: the receipt key cannot sign now.
        """

    @property
    def public_addresses(self) -> PublicAddresses:
        """The public addresses with which anyone can verify receipts and payments."""

    def check_keys(self) -> None:
        """Let each key sign a message that is no transaction.

        Raises:
            KeyUnusable: a key cannot sign now.
        """

    def check_mint(self) -> None:
        """
        Raises:
            MintUnusable: missing, wrong program, wrong decimals, or an extension that is not
                supported; names what was found and what was expected.
            AuthorityUnusable: neither owner nor delegate of the source account.
        """

    def check_endpoints(self) -> None:
        """Let every endpoint simulate transactions of the largest size. Sends nothing.

        Raises:
            SampleRefused: an endpoint refuses one; names it.
            Unreachable: no majority of the endpoints answers.
        """

    def endpoint_reports(self) -> list[EndpointReport]:
        """Every endpoint in the configured order, asked with requests of the real sizes."""

    @property
    def endpoint_troubles(self) -> Sequence[str]:
        """Why endpoints did not answer the last time, as far as this process knows. Asks nobody."""

    def treasury(self) -> Treasury: ...

    def costs(self) -> Costs: ...

    def finalized_height(self) -> Height:
        """A finalized block height that a majority of the endpoints has reached, and its slot.

        It may be some blocks old, so that receipts can be read at its slot on every node.
        """

    def finalized_time(self) -> datetime:
        """The time of a finalized block that was the newest some seconds ago at most, by a majority
        of the endpoints.

        Raises:
            BlockTimeUnknown: no majority of the endpoints reports it.
        """

    def latest_blockhash(self) -> Blockhash: ...

    def recipients(self, wallets: Sequence[str]) -> list[Recipient]:
        """The present state of each wallet and its associated token account, in order."""

    def sign(self, intents: Sequence[Intent], blockhash: Blockhash) -> list[Signed]:
        """Sign each intent as one transaction. Compute limits come from simulation."""

    def sign_account_creations(self, wallets: Sequence[str], blockhash: Blockhash) -> list[Signed]:
        """Sign idempotent creations of associated token accounts, several per transaction."""

    def send(self, wires: Sequence[tuple[str, bytes]]) -> list[SendResult]:
        """Send pairs of signature and signed bytes once to every endpoint, without retries."""

    def statuses(self, signatures: Sequence[str]) -> list[SignatureStatus]: ...

    def charges(self, signatures: Sequence[str]) -> dict[str, Charge]:
        """What finalized transactions of ours took from the fee payer, by signature.

        Refused transactions are included: they cost a fee. An absent one may have been executed.
        """
