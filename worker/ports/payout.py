"""What the services need of the outside. Bulk and synchronous: many items in, many out.

Each port has a real adapter and an in-memory twin, and one contract suite that both pass
(tests/contracts). A method that cannot reach its server raises `Unreachable`; what happened to
the request is then unknown, and the services treat it so.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from worker.core.lifecycle import PayoutStatus, Stage, Status
from worker.core.money import BaseUnits
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
from worker.core.payout.records import (
    Account,
    Attempt,
    Distribution,
    Payout,
    PlanNotes,
    Postponement,
    Progress,
    Reward,
    Settlement,
    Stake,
    WeekPoints,
)
from worker.core.plan.commitment import Row
from worker.core.plan.counted_contributions import PointsWindow
from worker.core.plan.planned_week import PlannedWeek
from worker.core.plan.receipts import ReceiptState
from worker.core.plan.rules import Rules
from worker.core.week import Week


class Clock(Protocol):
    """Time. The only source of it outside the command line and the task layer."""

    def now(self) -> datetime:
        """The present moment, in UTC."""
        ...

    def sleep(self, seconds: float) -> None: ...


class WikiStore(Protocol):
    """What the wiki owns, and we read."""

    def rules_document(self) -> Mapping[str, Any] | None:
        """The owner's `system_config` document as it is; see `core.rules.rules_from`."""
        ...

    def week_points(self, window: PointsWindow, rules: Rules, malformed_max: int = 0) -> WeekPoints:
        """Valid points of each user with any in the window, and what cannot count, of which at
        most `malformed_max` are listed; with 0, nobody looks for it, and the count is 0.

        A user whose id is stored in several forms appears once, in the canonical form.

        Raises:
            ContributionsChanging: they are changed while they are added up; try again.
        """
        ...

    def accounts(self, user_ids: Sequence[str], fields: Sequence[str]) -> dict[str, Account]:
        """The users among these that exist, by canonical id."""
        ...

    def user_ids(self) -> Iterator[str]:
        """Every user of the wiki, by canonical id."""
        ...

    def stakes_covering(self, week: Week, user_ids: Sequence[str]) -> list[Stake]:
        """Stakes of these users whose dates cover the whole week (start_date, end_date,
        unstaked_at), whatever their status says."""
        ...


class PlanStore(Protocol):
    """Distributions, and the plans under them."""

    def distribution(self, week: Week) -> Distribution | None: ...

    def distributions(self) -> list[Distribution]:
        """All that are not archived, oldest first."""
        ...

    def first_week(self) -> Week | None:
        """The first week as `kontrib genesis` recorded it; None before that, or when lost."""
        ...

    def record_first_week(self, week: Week) -> None: ...

    def ensure_distribution(self, week: Week, now: datetime) -> Distribution:
        """The week's distribution, made in stage DUE if there is none."""
        ...

    def write_rewards(self, rewards: Sequence[Reward], week: Week, now: datetime) -> None:
        """Insert rows of a draft plan under its own plan id."""
        ...

    def write_payouts(self, payouts: Sequence[Payout], roots: Sequence[bytes]) -> None:
        """Insert payouts with their rows' roots (empty for singles and anchors).

        One that exists under the same plan and id already is left as it is.
        """
        ...

    def rows(self, plan_id: str, positions: range) -> Iterator[Row]:
        """Stored rows in canonical order, as they are stored now."""
        ...

    def batch_roots(self, plan_id: str) -> list[bytes]:
        """The stored roots of a plan's batches, by index."""
        ...

    def install_plan(
        self, plan: PlannedWeek, notes: PlanNotes, *, replacing: str | None, now: datetime
    ) -> bool:
        """Make a draft *the* plan by compare-and-set on the distribution's plan id.

        False if the distribution's plan is not `replacing` any more, or is anchored already.
        """
        ...

    def discard_plan(self, plan_id: str) -> None:
        """Remove the rows and payouts of a draft that did not become the plan."""
        ...

    def discard_other_plans(self, week: Week, plan_id: str, *, lost_too: bool = False) -> None:
        """Remove what a week has under other plan ids than its distribution's.

        `lost_too` also finds what belonged to a distribution that was lost: all rewards are read.
        """
        ...

    def reset_week(self, week: Week, now: datetime) -> None:
        """Make a week due again, as if it had never been planned. What is stored under its plan
        ids belongs to nobody any more, and stays, with what operators noted on it."""
        ...

    def marked_rewards(self, week: Week) -> list[Reward]:
        """A week's rewards under any plan id that an operator holds or has redirected."""
        ...

    def advance(
        self, week: Week, plan_id: str, from_stage: Stage, to_stage: Stage, **facts: Any
    ) -> bool:
        """Move a distribution on by compare-and-set; `facts` are fields of `Distribution`.

        False if another worker was faster. A move clears attempts, reason and stop.
        """
        ...

    def record_failure(
        self,
        week: Week,
        *,
        reason: str,
        next_attempt_at: datetime,
        attempts: int,
        stopped: bool,
    ) -> None:
        """Record why a week does not move on, and when it is tried again."""
        ...

    def approve(self, week: Week) -> None: ...

    def requeue(self, week: Week, now: datetime) -> int:
        """Make everything unresolved of a week due now and clear its stops; how many that were."""
        ...

    def record_notes(self, week: Week, **facts: Any) -> None:
        """Write facts for people onto the distribution: stage durations, a reconciliation."""
        ...

    def notes(self, week: Week) -> Mapping[str, Any]:
        """The distribution's document as readers see it, for status and reports."""
        ...


class PayoutStore(Protocol):
    """Payouts and the rewards they pay."""

    def claim(
        self, plan_id: str, positions: range, limit: int, *, now: datetime, until: datetime
    ) -> list[Payout]:
        """Lease up to `limit` unresolved, due batches and singles whose index is in range.

        The lease saves work; it is not what makes payment safe.
        """
        ...

    def release(self, payouts: Sequence[Payout]) -> None:
        """Give up the lease of payouts that are not resolved."""
        ...

    def payout(self, plan_id: str, payout_id: str) -> Payout | None: ...

    def payouts_after(self, plan_id: str, after_id: str, limit: int) -> list[Payout]:
        """Payouts of every kind in order of their ids, from the one after `after_id` on."""
        ...

    def record_attempts(self, attempts: Sequence[tuple[Payout, Attempt]]) -> None:
        """Make signed attempts durable before they are sent."""
        ...

    def mark_processing(self, payouts: Sequence[Payout]) -> None:
        """Make the unpaid rewards of payouts that were signed `processing`, for readers: nothing
        is decided by it, so it may come after sending."""
        ...

    def settle(self, settlements: Sequence[Settlement], now: datetime) -> None:
        """Write what the chain decided. Paid: the rewards are completed with signature and slot.
        Void: they wait, each to be paid alone. Idempotent."""
        ...

    def postpone(self, postponements: Sequence[Postponement]) -> None:
        """Record the next try of each payout, count the attempt and give up the lease."""
        ...

    def open_ranges(self, plan_id: str, size: int, now: datetime) -> list[range]:
        """Index ranges of `size` that hold due and unleased unresolved batches or singles."""
        ...

    def rewards(self, plan_id: str, positions: range) -> list[Reward]: ...

    def reward(self, week: Week, user_id: str) -> Reward | None:
        """The reward of a user in the week's plan."""
        ...

    def rewards_to_pay_alone(self, plan_id: str, now: datetime, limit: int) -> list[Reward]:
        """Held rewards and rewards of void batches that are due, unpaid, not on an operator's
        hold, and have no unresolved single; oldest try first."""
        ...

    def set_aside(
        self, reward: Reward, status: Status, reason: str, next_attempt_at: datetime
    ) -> None:
        """Record why a reward cannot be paid now."""
        ...

    def redirect(self, reward: Reward, wallet: str, now: datetime) -> None:
        """Record an operator's new wallet for a reward of a void batch or a held one."""
        ...

    def hold(self, reward: Reward, reason: str | None) -> None:
        """Keep an unpaid single from being sent; None releases it."""
        ...

    def mark_accounts_made(self, user_ids: Sequence[str], now: datetime) -> None:
        """Record that token accounts of these users exist at our cost: never again."""
        ...

    def rewards_needing_account(
        self, plan_id: str, after_position: int, limit: int
    ) -> list[Reward]:
        """Rewards whose recipient had no token account at planning, by position."""
        ...

    def count_needing_account(self, plan_id: str) -> int: ...

    def accounts_made_since(self, moment: datetime) -> int:
        """How many users' token accounts we created since then."""
        ...

    def progress(self, plan_id: str) -> Progress: ...

    def outstanding(self) -> tuple[BaseUnits, int]:
        """Base units and payouts that all anchored plans still owe, held rewards included."""
        ...

    def batch_counts(self, plan_id: str) -> dict[PayoutStatus, int]:
        """How many batches (not singles, not the anchor) are in each state."""
        ...


class ControlStore(Protocol):
    """Switches, heartbeats, and what watchers need to know."""

    def paused(self) -> str | None:
        """Why signing is paused, or None."""
        ...

    def pause(self, reason: str | None) -> None: ...

    def beat(self, name: str, now: datetime) -> None:
        """Record a heartbeat."""
        ...

    def last_beat(self, name: str) -> datetime | None: ...

    def add_counts(self, counts: Mapping[str, int]) -> None:
        """Add to running counts, which outlive every process that counts."""
        ...

    def counts(self) -> dict[str, int]: ...

    def mark(self, name: str, now: datetime) -> bool:
        """Remember that something was done; False if it is remembered already."""
        ...

    def unmark(self, name: str) -> None: ...

    def record_figures(self, name: str, figures: Mapping[str, Any]) -> None:
        """Replace a named set of figures that watchers read instead of asking the chain."""
        ...

    def figures(self, name: str) -> Mapping[str, Any]:
        """Those figures; empty before the first time."""
        ...


class Store(WikiStore, PlanStore, PayoutStore, ControlStore, Protocol):
    """The whole database."""


@dataclass(frozen=True, slots=True)
class Signed:
    """A signed transaction, ready to be made durable and sent."""

    signature: str
    wire: bytes
    blockhash: Blockhash


class Chain(Protocol):
    """One Solana cluster, through one or several endpoints, with our keys."""

    @property
    def mint(self) -> str:
        """The configured mint's address."""
        ...

    @property
    def receipt_secret(self) -> bytes:
        """What plan salts are derived from. Never leaves the process."""
        ...

    @property
    def public_addresses(self) -> PublicAddresses:
        """Where receipts and payments come from: for whoever checks us."""
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

        An id is absent where history cannot be read; that never means that it is unpaid.
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


class Notifier(Protocol):
    """Tells people, somewhere they look at."""

    def notify(self, text: str) -> None:
        """
        Raises:
            Unreachable: it may not have arrived.
        """
        ...


class Archive(Protocol):
    """Where plans are published, outside the database."""

    def publish(self, week: Week, root: bytes, lines: Iterable[bytes]) -> None:
        """Write a plan under its root and flush it. Publishing the same again is harmless."""
        ...

    def fetch(self, week: Week, root: bytes) -> AbstractContextManager[Iterator[bytes]] | None:
        """The lines of a published plan, or None if it is not there."""
        ...

    def location(self, week: Week, root: bytes) -> str:
        """Where a plan is, for people."""
        ...


@dataclass(frozen=True, slots=True)
class PublicAddresses:
    """What a stranger needs to find our receipts and payments, in base58. No secret."""

    receipt_key: str
    source_account: str


@dataclass(frozen=True, slots=True)
class Outflow:
    """What a transaction took out of the source account; zero or less where it put some in."""

    signature: str
    slot: int
    memo: str
    amount: int
    """In base units."""


class PublicChain(Protocol):
    """One Solana cluster as a stranger sees it, who has addresses and no key."""

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
        """What these transactions took out of the source account, by signature.

        One that cannot be read is absent; that never means that it moved nothing.
        """
        ...
