"""Facts about the Solana cluster, and the transactions that we ask for."""

from __future__ import annotations

import enum
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from worker.core.money import BaseUnits, Lamports
from worker.core.plan.receipts import Resolution


@dataclass(frozen=True, slots=True)
class Transfer:
    wallet: str
    amount: BaseUnits


@dataclass(frozen=True, slots=True)
class Intent:
    """The content of one transaction, before it is signed."""

    receipts: tuple[str, ...]
    resolution: Resolution
    transfers: tuple[Transfer, ...] = ()
    memo: str = ""
    is_retry: bool = False
    """Whether an earlier attempt was refused or expired. A limit or a low fee may be the cause, so
    a retry gets the highest ones."""


@dataclass(frozen=True, slots=True)
class Execution:
    """A successful, finalized transaction that allocated a receipt, read back from the chain."""

    receipt: str
    resolution: Resolution
    signature: str
    slot: int
    fee: Lamports
    memo: str
    transfers: tuple[Transfer, ...]
    """Transfers of our mint out of the source account, by the wallet that owns the target."""
    source: str
    """The token account of these transfers; empty without any."""
    source_decrease: BaseUnits
    landed_at: datetime | None = None
    """The cluster's estimate of the time; None if the node does not report it."""


@dataclass(frozen=True, slots=True)
class Searched:
    """The result of a bounded search for the transaction that allocated a receipt."""

    execution: Execution | None
    place: str | None
    """Where the next search goes on; None if it begins anew."""


class Landing(enum.Enum):
    """The chain's answer about a signature. `UNSEEN` never means that the transaction failed."""

    UNSEEN = "unseen"
    PENDING = "pending"
    CONFIRMED = "confirmed"
    """Executed without an error in a block that only a fork of a third of the stake can drop."""
    FINALIZED = "finalized"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class SignatureStatus:
    landing: Landing
    error: str | None = None
    landed_at_slot: int = 0
    read_at_slot: int = 0
    """The newest slot of the node that answered; 0 if it is unknown. For pauses only."""


@dataclass(frozen=True, slots=True)
class Height:
    """Finalized block height, and the slot at which it was read."""

    block_height: int
    slot: int


@dataclass(frozen=True, slots=True)
class Blockhash:
    value: str
    last_valid_block_height: int


class AccountProblem(enum.StrEnum):
    """Why a recipient cannot be paid now."""

    NOT_AN_ADDRESS = "wallet is not an address"
    OFF_CURVE = "wallet is not on the curve: a program owns it, such as a multisig vault"
    OURS = "wallet is one of our own"
    NOT_A_WALLET = "wallet is owned by a program"
    FOREIGN_OWNER = "token account has another owner"
    FROZEN = "token account is frozen"
    CONFIDENTIAL_ONLY = "token account accepts confidential transfers only"
    MEMO_REQUIRED = "token account requires a memo of each transfer"


@dataclass(frozen=True, slots=True)
class Recipient:
    """A wallet as the chain shows it. `problem` is None for a wallet that can be paid."""

    wallet: str
    problem: AccountProblem | None
    account_exists: bool


@dataclass(frozen=True, slots=True)
class Treasury:
    """Our funds. `allowance` is None where the authority owns the source account."""

    tokens: BaseUnits
    allowance: BaseUnits | None
    lamports: Lamports
    source_account: str = ""
    """The address that holds the tokens."""
    fee_payer: str = ""
    """The address that holds the lamports."""


@dataclass(frozen=True, slots=True)
class Costs:
    """The cluster's charges today, in lamports, and the limits of a transaction."""

    receipt_rent: Lamports
    void_receipt_rent: Lamports
    """A void receipt is a byte longer than one that is paid."""
    token_account_rent: Lamports
    fee_per_signature: Lamports
    signatures: int
    transfers_per_transaction: int
    accounts_per_transaction: int
    priority_fee_max: int = 0
    """Lamports that a transaction may pay on top of its signatures."""


@dataclass(frozen=True, slots=True)
class SendResult:
    """`refused`: a node's reason not to broadcast. None: the transaction may have landed."""

    signature: str
    refused: str | None = None


def missing_wallets(recipients: Sequence[Recipient]) -> set[str]:
    """The wallets without a token account, as far as we can create one."""
    return {r.wallet for r in recipients if r.problem is None and not r.account_exists}
