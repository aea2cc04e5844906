"""What points, counters, staking and governance need of the outside, beside `worker.ports.payout`.

User ids are in their canonical form (`core.identity`), article ids likewise. A method that cannot
reach its server raises `Unreachable`; what happened to the request is then unknown.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from worker.core.money import BaseUnits
from worker.core.plan.counted_contributions import PointsWindow
from worker.core.plan.rules import Rules
from worker.core.week import Week
from worker.core.wiki.contribution_file import Contribution
from worker.core.wiki.counters import ArticleActivity, CompletedReward, UserActivity, UserTokens
from worker.core.wiki.governance import ExecutedChange, Proposal, ProposalStatus, Vote, Votes
from worker.core.wiki.stake_record import StakeRecord


class ContributionStore(Protocol):
    """Where contributions are recorded, each once."""

    def article_demand(self, article_id: str) -> tuple[bool, object]:
        """Whether the article exists, and its `demand_score` as it is stored."""
        ...

    def contribution_of_key(self, key: str) -> Contribution | None:
        """What was recorded under a caller's key."""
        ...

    def record(self, contribution: Contribution, key: str | None) -> tuple[Contribution, bool]:
        """Insert under a fresh ObjectId of `created_at`; what is recorded, and whether by this.

        Under a key that was used before, what it stands for comes back and nothing is written.
        """
        ...


class ActivityStore(Protocol):
    """Counters that come from contributions."""

    def user_activity(self, user_ids: Sequence[str]) -> dict[str, UserActivity]:
        """For each of these users, as the contributions say now."""
        ...

    def write_user_activity(self, activity: Mapping[str, tuple[UserActivity, float]]) -> int:
        """Set counts, points and reputation of users that exist; how many that changed."""
        ...

    def article_activity(self, article_ids: Sequence[str]) -> dict[str, ArticleActivity]:
        """For each of these articles, as the contributions say now."""
        ...

    def write_article_activity(self, activity: Mapping[str, ArticleActivity]) -> int:
        """Set count and last date of articles that exist; how many that changed."""
        ...

    def article_ids(self) -> Iterator[str]:
        """Every article of the wiki, by canonical id."""
        ...


class TokenCounterStore(Protocol):
    """Counters that come from rewards and stakes.

    Only completed rewards count: those of the plan that a distribution names, and those of
    another system, which have no plan.
    """

    def user_tokens(
        self, user_ids: Sequence[str], *, at: datetime | None = None
    ) -> dict[str, UserTokens]:
        """For each of these users; with `at`, as it was at that moment."""
        ...

    def wikis_balances(self, user_ids: Sequence[str]) -> dict[str, dict[str, BaseUnits]]:
        """`staked_tokens` and `governance_power` that the wiki wrote, and no recount since."""
        ...

    def write_user_tokens(self, tokens: Mapping[str, UserTokens]) -> int:
        """Set what users that exist have earned, staked and can vote with; how many changed."""
        ...

    def paid_rewards(self, plan_id: str, after_position: int, limit: int) -> list[CompletedReward]:
        """Completed rewards of a plan, by position."""
        ...

    def points_by_article(
        self, window: PointsWindow, rules: Rules, user_ids: Sequence[str]
    ) -> dict[str, dict[str, int]]:
        """Points of these users that a plan counts, by user and article; "" for no article."""
        ...

    def article_rewards(self, week: Week) -> dict[str, BaseUnits]:
        """What each article has of a week, as it is stored."""
        ...

    def write_article_rewards(
        self, week: Week, shares: Mapping[str, BaseUnits], gone: Collection[str]
    ) -> None:
        """Store what these articles have of a week, and remove those that have nothing more."""
        ...

    def article_tokens(self, article_ids: Sequence[str]) -> dict[str, BaseUnits]:
        """For each of these articles, what it has of all weeks together, as it is stored."""
        ...

    def write_article_tokens(self, tokens: Mapping[str, BaseUnits]) -> int:
        """Set the sums of articles that exist; how many that changed."""
        ...


class CounterStore(ActivityStore, TokenCounterStore, Protocol):
    """All counters of users and articles.

    Each counter includes its opening balance: what the wiki had counted, and no document explains.
    Dates never go back. Whatever writes a counter writes a missing opening balance first.
    """

    def open_counters(self, user_ids: Sequence[str], article_ids: Sequence[str]) -> int:
        """Derive and store the opening balances that are missing; how many documents got one."""
        ...


class StakingStore(Protocol):
    """Staking records. The store gives ids; amounts are base units."""

    def stakes_of(self, user_id: str) -> list[StakeRecord]:
        """A user's stakes, oldest first. What cannot be read is left out and logged."""
        ...

    def stake(self, stake_id: str) -> StakeRecord | None: ...

    def transfer_used(self, signature: str) -> bool:
        """Whether a stake stands on this transaction already."""
        ...

    def add_stake(self, stake: StakeRecord, now: datetime) -> StakeRecord | None:
        """Insert it under a new id. None if the user's stake of that number, or one on the same
        transaction, was faster."""
        ...

    def update_stake(self, stake: StakeRecord, now: datetime) -> bool:
        """Write what has become of an active stake; False if it is not active any more."""
        ...

    def active_stakes(self) -> Iterator[StakeRecord]:
        """Every active stake, in no particular order. They may be updated meanwhile."""
        ...

    def staking_users(self) -> Iterator[str]:
        """Everyone who has or had a stake, each once."""
        ...


class GovernanceStore(Protocol):
    """Proposals, votes, the power that each vote began with, and executed changes."""

    def add_proposal(self, proposal: Proposal) -> Proposal:
        """Insert it under a new id."""
        ...

    def proposal(self, proposal_id: str) -> Proposal | None: ...

    def proposals(self, statuses: Collection[ProposalStatus]) -> list[Proposal]:
        """Those in any of these states, oldest first."""
        ...

    def move(
        self, proposal_id: str, current: ProposalStatus, wanted: ProposalStatus, **facts: Any
    ) -> bool:
        """Compare-and-set the state; `facts` are fields of `Proposal`. False if it was not
        `current` any more."""
        ...

    def note(self, proposal_id: str, reason: str, now: datetime) -> None:
        """Record why a passed proposal cannot be executed."""
        ...

    def add_power(self, proposal_id: str, powers: Mapping[str, BaseUnits]) -> None:
        """Add users to a proposal's snapshot. Who is in it already keeps what is there."""
        ...

    def power(self, proposal_id: str, user_id: str) -> BaseUnits:
        """A user's power in a proposal's snapshot; 0 if they are not in it."""
        ...

    def cast(self, vote: Vote) -> None:
        """Write a user's vote, in place of an earlier one."""
        ...

    def vote(self, proposal_id: str, user_id: str) -> Vote | None: ...

    def count_votes(self, proposal_id: str) -> Votes:
        """The sums of all votes, as they are now."""
        ...

    def write_votes(self, proposal_id: str, votes: Votes, now: datetime) -> None:
        """Set the sums of a proposal that is still active."""
        ...

    def apply_change(
        self,
        proposal_id: str,
        path: tuple[str, ...],
        execution: ExecutedChange,
        *,
        expected: Mapping[str, Any],
    ) -> bool:
        """Set one value of `system_config` and record the change in the same document, at once.

        False if the part of the document that holds the value is not as in `expected` any more,
        or if the proposal's change was made before.
        """
        ...

    def change_of(self, proposal_id: str) -> ExecutedChange | None:
        """The change that was made for a proposal."""
        ...


@dataclass(frozen=True, slots=True)
class FoundTransfer:
    """A transfer of our mint in a finalized transaction."""

    from_wallet: str
    to_account: str
    to_wallet: str
    amount: BaseUnits


class TransferReader(Protocol):
    """Looks up what a transaction of somebody else did."""

    def finalized_transfers(self, signature: str) -> list[FoundTransfer] | None:
        """Transfers of our mint in a transaction; None if it is not finalized or failed."""
        ...
