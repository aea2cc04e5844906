"""What passes between the services and the outside: plain, frozen facts."""

from __future__ import annotations

import enum
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

from worker.core.lifecycle import PayoutStatus, Stage, Status
from worker.core.money import BaseUnits, Lamports
from worker.core.plan.commitment import Header, Row
from worker.core.plan.planned_week import PlannedWeek
from worker.core.plan.receipts import Resolution
from worker.core.week import Week

# --- from the wiki -----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class PointsWindow:
    """Which contributions a plan counts.

    Own: `created_at` in the week, recorded before `cutoff` or without an ObjectId. Late:
    `created_at` in [late_from, week.start), recorded in [previous_cutoff, cutoff). Recorded
    means the ObjectId's time, in whole seconds.
    """

    week: Week
    cutoff: datetime
    previous_cutoff: datetime | None
    late_from: datetime


@dataclass(frozen=True, slots=True)
class UserPoints:
    """A user's valid points in a window, late ones included."""

    user_id: str
    points: int
    late_points: int


@dataclass(frozen=True, slots=True)
class MalformedContribution:
    id: str
    reason: str


@dataclass(frozen=True, slots=True)
class WeekPoints:
    """The points of a window, and how many contributions it holds.

    `seen` = `counted` + `malformed_count` + `after_cutoff`.
    """

    users: Iterator[UserPoints]
    """Can be read once, in no particular order."""
    malformed_count: int = 0
    malformed: tuple[MalformedContribution, ...] = ()
    """The first malformed contributions, in the order of their ids."""
    seen: int = 0
    counted: int = 0
    """The week's own and late contributions whose points are in `users`."""
    after_cutoff: int = 0
    """Created in the week, recorded after the cut-off: late for the next plan."""


@dataclass(frozen=True, slots=True)
class Account:
    """What a plan needs to know of a user of the wiki."""

    user_id: str
    wallet: object
    """As stored: may be missing, of a wrong type, or no address."""
    fields: dict[str, object]
    """The fields that eligibility asks for."""
    had_token_account: bool
    """Whether we created their associated token account once already."""


@dataclass(frozen=True, slots=True)
class Stake:
    user_id: str
    amount: BaseUnits
    multiplier: Decimal
    start: datetime
    end: datetime


# --- a week's plan -----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Reward:
    """One user's reward in a plan, at a position of its canonical order."""

    plan_id: str
    position: int
    user_id: str
    row: Row
    late_points: int
    multiplier: int
    """In millionths."""
    status: Status
    reason: str | None = None
    signature: str | None = None
    needs_account: bool = False
    redirected_to: str | None = None
    operator_hold: str | None = None


@dataclass(frozen=True, slots=True)
class Distribution:
    """A week as the database knows it."""

    week: Week
    stage: Stage
    plan_id: str | None = None
    header: bytes | None = None
    root: bytes | None = None
    held_root: bytes | None = None
    signature: str | None = None
    approved: bool = False
    attempts: int = 0
    next_attempt_at: datetime | None = None
    reason: str | None = None
    stopped: bool = False
    created_at: datetime | None = None
    completed_at: datetime | None = None
    archived: bool = False

    @property
    def planned(self) -> PlannedWeek | None:
        """The plan, or None where the week has none.

        Raises:
            MalformedPlan: the stored header was changed and cannot be read.
        """
        if self.plan_id is None or self.header is None or self.root is None:
            return None
        return PlannedWeek(
            week=self.week,
            plan_id=self.plan_id,
            header=Header.parse(self.header),
            root=self.root,
            held_root=self.held_root or b"",
            stage=self.stage,
        )


@dataclass(frozen=True, slots=True)
class PlanNotes:
    """What planning left out or set apart, for people: written beside the plan, not in its root."""

    excluded: dict[str, int] = field(default_factory=dict)
    excluded_points: int = 0
    held: dict[str, int] = field(default_factory=dict)
    malformed_count: int = 0
    malformed: tuple[MalformedContribution, ...] = ()
    late_points: int = 0
    floor_waived: bool = False
    lifted: int = 0


# --- payouts -----------------------------------------------------------------------------------


class PayoutKind(enum.StrEnum):
    ANCHOR = "anchor"
    BATCH = "batch"
    SINGLE = "single"


@dataclass(frozen=True, slots=True)
class Attempt:
    """A signed transaction, durable before it is sent."""

    signature: str
    resolution: Resolution
    blockhash: str
    last_valid_block_height: int
    wire: bytes
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Payout:
    """Something that is resolved on chain exactly once, under one receipt id."""

    id: str
    plan_id: str
    week: Week
    kind: PayoutKind
    index: int
    """Of a batch: its number. Of a single: the reward's position. Of an anchor: 0."""
    rewards: int
    amount: BaseUnits
    status: PayoutStatus = PayoutStatus.PENDING
    attempt: Attempt | None = None
    attempts: int = 0
    next_attempt_at: datetime | None = None
    reason: str | None = None
    signature: str | None = None
    slot: int | None = None
    wallet: str | None = None
    """Of a single: where it goes, fixed when it is made and changed only by a redirect."""


@dataclass(frozen=True, slots=True)
class Settlement:
    """How a payout ended on chain. `signature` is None where history cannot be read."""

    payout: Payout
    status: PayoutStatus
    signature: str | None
    slot: int | None
    fee: Lamports | None
    verified: bool
    landed_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Postponement:
    """A payout that is tried again later, and why."""

    payout: Payout
    next_attempt_at: datetime
    reason: str
    is_failure: bool = True
    """Whether it counts as a try: waiting for somebody else does not."""


@dataclass(frozen=True, slots=True)
class Tally:
    count: int
    amount: BaseUnits


@dataclass(frozen=True, slots=True)
class Progress:
    """Counts and base units of a plan, by state."""

    rewards: dict[Status, Tally]
    payouts: dict[PayoutStatus, int]
    held: Tally
    next_attempt_at: datetime | None
    fees: Lamports
    signatures: int


# --- the chain ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Transfer:
    wallet: str
    amount: BaseUnits


@dataclass(frozen=True, slots=True)
class Intent:
    """What one transaction shall do, before it is signed."""

    receipts: tuple[str, ...]
    resolution: Resolution
    transfers: tuple[Transfer, ...] = ()
    memo: str = ""


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
    """The token account that they came from; empty without any."""
    source_decrease: BaseUnits
    landed_at: datetime | None = None
    """When, as the cluster estimates it; None where the node does not say."""


class Landing(enum.Enum):
    """What the chain says of a signature. `UNSEEN` never means that it failed."""

    UNSEEN = "unseen"
    PENDING = "pending"
    FINALIZED = "finalized"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class SignatureStatus:
    landing: Landing
    error: str | None = None


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
    OFF_CURVE = "wallet is not on the curve"
    OURS = "wallet is one of our own"
    NOT_A_WALLET = "wallet is owned by a program"
    FOREIGN_OWNER = "token account has another owner"
    FROZEN = "token account is frozen"
    MEMO_REQUIRED = "token account requires a memo of each transfer"


@dataclass(frozen=True, slots=True)
class Recipient:
    """A wallet as the chain shows it: `problem` says why it cannot be paid, if so."""

    wallet: str
    problem: AccountProblem | None
    account_exists: bool


@dataclass(frozen=True, slots=True)
class Treasury:
    """What we can spend. `allowance` is None where the authority owns the source account."""

    tokens: BaseUnits
    allowance: BaseUnits | None
    lamports: Lamports


@dataclass(frozen=True, slots=True)
class Costs:
    """What the cluster charges today, in lamports, and what fits into a transaction."""

    receipt_rent: Lamports
    token_account_rent: Lamports
    fee_per_signature: Lamports
    signatures: int
    transfers_per_transaction: int
    accounts_per_transaction: int
    priority_fee_max: int = 0
    """Lamports that a transaction may pay on top of its signatures."""


@dataclass(frozen=True, slots=True)
class SendResult:
    """`refused` is the reason a node gave without broadcasting; None when it may have landed."""

    signature: str
    refused: str | None = None


JsonObject = dict[str, Any]


def missing_wallets(recipients: Sequence[Recipient]) -> set[str]:
    """Wallets without a token account that we could create one for."""
    return {r.wallet for r in recipients if r.problem is None and not r.account_exists}
