"""The facts that services exchange with the database: plain and frozen."""

from __future__ import annotations

import enum
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal

from worker.core.lifecycle import PayoutStatus, Stage, Status
from worker.core.money import BaseUnits, Lamports
from worker.core.payout.historic import HistoricWeek
from worker.core.plan.commitment import Header, MalformedPlan, Row
from worker.core.plan.fates import Fates
from worker.core.plan.planned_week import PlannedWeek
from worker.core.plan.receipts import Resolution
from worker.core.week import Week


@dataclass(frozen=True, slots=True)
class UserPoints:
    """A user's valid points and contributions in a window, late ones included."""

    user_id: str
    points: int
    late_points: int
    contributions: int = field(default=0, compare=False)
    late_contributions: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class MalformedContribution:
    id: str
    reason: str


@dataclass(frozen=True, slots=True)
class WeekPoints:
    """The points of a window: `seen` = `counted` + `malformed_count` + `after_cutoff`."""

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
    after: tuple[str, ...] = ()
    """The first of these, in the order of their ids."""
    malformed_points: int = 0
    """See `core.plan.points.claimed_points`."""


@dataclass(frozen=True, slots=True)
class Account:
    """The facts about a user of the wiki that a plan needs."""

    user_id: str
    wallet: object
    """As stored: may be missing, of a wrong type, or no address."""
    fields: dict[str, object]
    """Those of the fields that were asked for that the document has, as stored."""
    had_token_account: bool
    """Whether we created an associated token account for them once already."""
    is_twice: bool = False
    """Whether several documents of the wiki are this user, so that its wallet is uncertain."""
    account_wallets: tuple[str, ...] = ()
    """The wallets for which we created a token account, as far as they are recorded."""


@dataclass(frozen=True, slots=True)
class Stake:
    user_id: str
    amount: BaseUnits
    multiplier: Decimal
    start: datetime
    end: datetime


@dataclass(frozen=True, slots=True)
class UnusableStake:
    """A stake that may cover a week, and counts for nothing because of what its document holds."""

    id: str
    user_id: str
    reason: str


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
    paid_at: datetime | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Distribution:
    """A week as the database has it."""

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
    historic: HistoricWeek | None = None
    """Set where another system has distributed the week. Such a week counts as completed, unless
    this system has to plan it: then it is stopped."""

    def since(self, first_week: Week | None) -> Distribution:
        """The same, stopped if another system distributed a week that this one has to plan."""
        if self.historic is None or first_week is None or self.week < first_week:
            return self
        reason = self.historic.blocks(self.week)
        return replace(self, stage=Stage.DUE, stopped=True, reason=reason)

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
            approved=self.approved,
        )

    @property
    def readable_plan(self) -> PlannedWeek | None:
        """The plan, for readers; None where the week has none or its stored header was changed."""
        try:
            return self.planned
        except MalformedPlan:
            return None


@dataclass(frozen=True, slots=True)
class ExcludedUser:
    """A user with points that a plan leaves out, and why."""

    user_id: str
    points: int
    reason: str
    looks_like: str = ""
    """For an unknown user, the id of a user that looks the same."""
    difference: str = ""


@dataclass(frozen=True, slots=True)
class PlanNotes:
    """Counts of all that planning left out or held, for people. Not part of the root."""

    excluded: dict[str, int] = field(default_factory=dict)
    excluded_points: int = 0
    held: dict[str, int] = field(default_factory=dict)
    malformed_count: int = 0
    malformed: tuple[MalformedContribution, ...] = ()
    unusable_stakes_count: int = 0
    unusable_stakes: tuple[UnusableStake, ...] = ()
    late_points: int = 0
    floor_waived: bool = False
    lifted: int = 0
    excluded_users: tuple[ExcludedUser, ...] = ()
    """The first users of each reason, by id."""
    contributions: Fates | None = None
    """None for a plan that was adopted from its file."""
    after_cutoff: tuple[str, ...] = ()
    """The first contributions that were recorded after the cut-off."""


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
    """An anchor, batch or single: resolved on chain exactly once, under one receipt id."""

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
    """The recipient of a single. Only a redirect changes it."""
    void_reason: str | None = None
    """Why an operator ordered a batch to be void. Only an unpaid batch becomes void."""


@dataclass(frozen=True, slots=True)
class Settlement:
    """The resolution of a payout on chain. `signature` is None if no endpoint returns it yet."""

    payout: Payout
    status: PayoutStatus
    signature: str | None
    slot: int | None
    fee: Lamports | None
    verified: bool
    landed_at: datetime | None = None
    next_look_at: datetime | None = None
    """The next look for what is missing. None if nothing is."""

    @property
    def missing(self) -> str | None:
        """The facts that no endpoint returns yet, for people; None if the record is complete."""
        if self.signature is None:
            return f"{self.status.value}, signature not readable yet"
        is_payment = self.payout.kind is not PayoutKind.ANCHOR and self.status is PayoutStatus.PAID
        return "paid, date not readable yet" if is_payment and self.landed_at is None else None


@dataclass(frozen=True, slots=True)
class Postponement:
    """The time of a payout's next try, and the reason for the wait."""

    payout: Payout
    next_attempt_at: datetime
    reason: str
    is_failure: bool = True
    """False if the payout waits for an outside event, which is not a failed try."""


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
    paid: int = 0
    void: int = 0
    """Batches and singles, without the anchor."""
