"""The stores that checks, retention and the wiki's pages use.

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
from worker.core.payout.records import Account, PayoutKind
from worker.core.plan.commitment import Row
from worker.core.week import Week
from worker.core.wiki.governance import Proposal
from worker.core.wiki.stake_record import StakeRecord


@dataclass(frozen=True, slots=True)
class StoredContribution:
    """A contribution as stored. Fields typed `object` may hold anything."""

    id: str
    user_id: str
    """Empty if the contribution names no user."""
    type: object
    created_at: datetime | None
    recorded_at: datetime | None
    """The time of its ObjectId; None if that is unknown (see `recording_time`)."""
    factors: Factors
    total_points: object


@dataclass(frozen=True, slots=True)
class StoredProposal:
    """A proposal as stored; `proposal` is None if it cannot be read."""

    id: str
    proposal: Proposal | None
    fields: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class StoredReward:
    """A row of a plan as stored: its fields may hold anything."""

    position: int
    row: Row | None
    """The part that the plan's root covers; None if it cannot be read."""
    fields: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class StoredStake:
    """A readable staking record, and its fields as stored."""

    record: StakeRecord
    fields: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Contributor:
    """The contributions under one stored form of a user's id."""

    user_id: str
    contributions: int
    points: int


class CheckStore(Protocol):
    """Reads records as stored: their fields may hold anything."""

    # --- plans, payouts and weeks, archived weeks included ---

    def planned_weeks(self) -> list[Week]:
        """Weeks with a plan, oldest first."""

    def week_fields(self, week: Week) -> Mapping[str, object]:
        """A distribution's document without its header, `_id` as text; empty without one."""

    def plan_rewards(self, plan_id: str, positions: range) -> Iterator[StoredReward]:
        """Rewards of a plan, by position."""

    def plan_payouts(
        self, plan_id: str, kind: PayoutKind, indexes: range
    ) -> Iterator[Mapping[str, object]]:
        """Payouts of a plan, by index. The index of a single is its reward's position."""

    def contributors(self) -> Iterator[Contributor]:
        """The users whom contributions name, once for each stored form of their id."""

    def article_weeks(self) -> list[datetime]:
        """The starts of the weeks in which articles have shares."""

    def article_shares(self, week_start: datetime) -> Iterator[Mapping[str, object]]:
        """The share of each article in a week."""

    # --- proposals, votes and stakes ---

    def stored_proposals(self) -> Iterator[StoredProposal]:
        """Every stored proposal."""

    def votes_cast(self, proposal_id: str) -> Iterator[Mapping[str, object]]:
        """A proposal's votes."""

    def snapshot(self, proposal_id: str) -> Iterator[Mapping[str, object]]:
        """The power of each user in a proposal's snapshot."""

    def powers(self, proposal_id: str, user_ids: Sequence[str]) -> dict[str, Mapping[str, object]]:
        """The entries of these users in a proposal's snapshot, by user."""

    def voted_on(self) -> set[str]:
        """The proposal ids that votes or snapshots name."""

    def recorded_changes(self) -> list[Mapping[str, object]]:
        """The configuration changes made by votes, in order."""

    def stored_stakes(self) -> Iterator[StoredStake]:
        """Every readable staking record."""

    # --- contributions and counters ---

    def all_contributions(self) -> Iterator[StoredContribution]:
        """Every stored contribution."""

    def recorded_since(
        self, moment: datetime, *, made_from: datetime, made_before: datetime
    ) -> Iterator[StoredContribution]:
        """Contributions made in a span of time, and recorded at `moment` or later."""

    def without_recording(
        self, *, made_from: datetime, made_before: datetime
    ) -> Iterator[StoredContribution]:
        """Contributions made in a span of time, and recorded at an unknown time."""

    def user_counters(self, user_ids: Sequence[str]) -> dict[str, Mapping[str, object]]:
        """The counters, as stored, of the existing users among these."""

    def article_counters(self, article_ids: Sequence[str]) -> dict[str, Mapping[str, object]]:
        """The counters, as stored, of the existing articles among these."""

    def same_users(self) -> Iterator[tuple[str, list[str]]]:
        """Ids that several user documents have in canonical form, and those ids as stored."""
        ...

    def unreadable_stakes(self) -> Iterator[str]:
        """Ids of the unreadable staking records. They count for nothing."""


class RetentionStore(Protocol):
    """Moves completed weeks to the archive."""

    def completed_before(self, moment: datetime) -> list[Week]:
        """Completed, unarchived weeks that ended before a moment, oldest first."""

    def archive_week(self, week: Week) -> None:
        """Move a completed week: insert into the archive first, then delete.

        A crash loses nothing, and the move can be repeated at any point.
        """


@dataclass(frozen=True, slots=True)
class Cursor:
    """The last contribution of a page."""

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
    """A reward of a week's plan, as shown to its user."""

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
    account: Account
    """The facts that a plan would read, with all fields. Documents whose ids differ from the
    user's by capitals alone are not looked for."""


class ViewStore(Protocol):
    """Reads for the wiki's pages about one user. Each query uses an index."""

    def shown_user(self, user_id: str) -> ShownUser | None: ...

    def contributions_page(
        self, user_id: str, after: Cursor | None, limit: int
    ) -> list[ShownContribution]:
        """Dated contributions older than the cursor, newest first."""

    def points_between(self, user_id: str, start: datetime, end: datetime) -> int:
        """Points of a user's contributions made in a span of time."""

    def rewards_page(self, user_id: str, before: Week | None, limit: int) -> list[ShownReward]:
        """Rewards of weeks' plans, newest week first."""
