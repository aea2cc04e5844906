"""The stores that checks, retention and the wiki's pages read.

User and article ids are in their canonical form. A method that cannot reach its server raises
`Unreachable`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from worker.core.check.points import Factors
from worker.core.money import BaseUnits
from worker.core.payout.records import PayoutKind
from worker.core.plan.commitment import Row
from worker.core.week import Week
from worker.core.wiki.governance import Proposal
from worker.core.wiki.stake_record import StakeRecord


@dataclass(frozen=True, slots=True)
class StoredContribution:
    """A contribution as it is stored: its fields may hold anything."""

    id: str
    user_id: str
    """Empty where there is none."""
    type: object
    created_at: datetime | None
    recorded_at: datetime | None
    """The time of its ObjectId; None where it has none."""
    factors: Factors
    total_points: object


@dataclass(frozen=True, slots=True)
class StoredProposal:
    """A proposal as it is stored; `proposal` is None where it cannot be read."""

    id: str
    proposal: Proposal | None
    fields: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class StoredReward:
    """A row of a plan as it is stored: its fields may hold anything."""

    position: int
    row: Row | None
    """The part that the plan's root covers; None where it cannot be read."""
    fields: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class StoredStake:
    """A staking record that can be read, and its fields as they are stored."""

    record: StakeRecord
    fields: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Contributor:
    """The contributions under one stored form of a user's id."""

    user_id: str
    contributions: int
    points: int


class CheckStore(Protocol):
    """Records as they are stored: their fields may hold anything."""

    # --- plans, payouts and weeks, archived weeks included ---

    def planned_weeks(self) -> list[Week]:
        """Weeks that have a plan, oldest first."""

    def week_fields(self, week: Week) -> Mapping[str, object]:
        """A distribution's document without its header, `_id` as text; empty if there is none."""

    def plan_rewards(self, plan_id: str, positions: range) -> Iterator[StoredReward]:
        """Rewards of a plan, by position."""

    def plan_payouts(
        self, plan_id: str, kind: PayoutKind, indexes: range
    ) -> Iterator[Mapping[str, object]]:
        """Payouts of a plan, by index; of singles, that is their reward's position."""

    def unreadable_history(self) -> Iterator[tuple[str, str]]:
        """Rewards and distributions of another system that count for nothing, and why."""

    def contributors(self) -> Iterator[Contributor]:
        """The users that contributions name, once for each stored form of their id."""

    def article_weeks(self) -> list[datetime]:
        """The starts of the weeks that articles have a share of."""

    def article_shares(self, week_start: datetime) -> Iterator[Mapping[str, object]]:
        """The share of each article in a week."""

    # --- proposals, votes and stakes ---

    def stored_proposals(self) -> Iterator[StoredProposal]:
        """All of them."""

    def votes_cast(self, proposal_id: str) -> Iterator[Mapping[str, object]]:
        """A proposal's votes."""

    def snapshot(self, proposal_id: str) -> Iterator[Mapping[str, object]]:
        """Everyone's power in a proposal's snapshot."""

    def powers(self, proposal_id: str, user_ids: Sequence[str]) -> dict[str, Mapping[str, object]]:
        """The entries of these users in a proposal's snapshot, by user."""

    def voted_on(self) -> set[str]:
        """Ids of everything that votes or snapshots belong to."""

    def recorded_changes(self) -> list[Mapping[str, object]]:
        """The changes that votes made of the configuration, in order."""

    def stored_stakes(self) -> Iterator[StoredStake]:
        """All that can be read."""

    # --- contributions and counters ---

    def all_contributions(self) -> Iterator[StoredContribution]:
        """All of them."""

    def recorded_since(
        self, moment: datetime, *, made_from: datetime, made_before: datetime
    ) -> Iterator[StoredContribution]:
        """Contributions of a span of time whose ObjectId is of `moment` or later."""

    def without_recording(self, *, made_before: datetime) -> Iterator[StoredContribution]:
        """Contributions without an ObjectId, made before a moment."""

    def user_counters(self, user_ids: Sequence[str]) -> dict[str, Mapping[str, object]]:
        """The stored counters of the users that exist, as they are."""

    def article_counters(self, article_ids: Sequence[str]) -> dict[str, Mapping[str, object]]:
        """The stored counters of the articles that exist, as they are."""

    def same_users(self) -> Iterator[tuple[str, list[str]]]:
        """Ids that several user documents have in canonical form, and those ids as stored."""
        ...

    def unreadable_stakes(self) -> Iterator[str]:
        """Ids of staking records that count for nothing, since they cannot be read."""


class RetentionStore(Protocol):
    """Completed weeks, and the archive beside them."""

    def completed_before(self, moment: datetime) -> list[Week]:
        """Completed weeks that ended before a moment and are not archived, oldest first."""

    def archive_week(self, week: Week) -> None:
        """Move a completed week. Inserted before it is deleted, so a crash loses nothing, and
        it can be done again at any point."""


@dataclass(frozen=True, slots=True)
class Cursor:
    """Where a page of contributions ended."""

    created_at: datetime
    id: str


@dataclass(frozen=True, slots=True)
class ShownContribution:
    id: str
    article_id: str
    type: str
    points: int
    description: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class ShownReward:
    """A reward of a week's plan, as its user sees it."""

    week: Week
    points: int
    amount: BaseUnits
    status: str
    reason: str | None
    signature: str | None


@dataclass(frozen=True, slots=True)
class ShownUser:
    """A user's stored counters. Amounts in base units."""

    user_id: str
    wallet: str | None
    reputation: float
    contributions: int
    points: int
    earned: BaseUnits
    staked: BaseUnits
    power: BaseUnits


class ViewStore(Protocol):
    """Reads of the wiki's pages about one user. Each query uses an index."""

    def shown_user(self, user_id: str) -> ShownUser | None: ...

    def contributions_page(
        self, user_id: str, after: Cursor | None, limit: int
    ) -> list[ShownContribution]:
        """Dated contributions, newest first, from the one after the cursor on."""

    def points_between(self, user_id: str, start: datetime, end: datetime) -> int:
        """Points of a user's contributions made in a span of time."""

    def rewards_page(self, user_id: str, before: Week | None, limit: int) -> list[ShownReward]:
        """Rewards of weeks' plans, newest week first."""
