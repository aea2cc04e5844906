"""The ports of points, counters, staking and governance, in addition to `worker.ports.payout`.

User and article ids are in their canonical form (`core.identity`). A method that cannot reach
its server raises `Unreachable`; the outcome of the request is then unknown.
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
    """Records each contribution once."""

    def article_demand(self, article_id: str) -> tuple[bool, object]:
        """True if the article exists, and its `demand_score` as stored."""

    def contribution_of_key(self, key: str) -> Contribution | None:
        """The contribution recorded under a caller's key."""

    def record(self, contribution: Contribution, key: str | None) -> tuple[Contribution, bool]:
        """Insert under a fresh ObjectId of `created_at`; the contribution, and True if inserted.

        If the key was used before, nothing is written: returns its contribution and False.
        """


class ActivityStore(Protocol):
    """Counters that come from contributions."""

    def user_activity(self, user_ids: Sequence[str]) -> dict[str, UserActivity]:
        """The counters of each of these users, summed from the contributions now."""

    def write_user_activity(self, activity: Mapping[str, tuple[UserActivity, float | None]]) -> int:
        """Set counts, points and reputation of existing users; the number of changed users.

        A reputation of None, and a stored one that this system has not written, belong to the
        wiki and stay.
        """

    def article_activity(self, article_ids: Sequence[str]) -> dict[str, ArticleActivity]:
        """The counters of each of these articles, summed from the contributions now."""

    def write_article_activity(self, activity: Mapping[str, ArticleActivity]) -> int:
        """Set count and last date of existing articles; the number of changed articles."""

    def article_ids(self) -> Iterator[str]:
        """Every article of the wiki, by canonical id."""


class TokenCounterStore(Protocol):
    """Counters that come from rewards and stakes.

    Only completed rewards count: those in a distribution's own plan, and those of another system,
    which have no plan.
    """

    def user_tokens(
        self, user_ids: Sequence[str], *, at: datetime | None = None
    ) -> dict[str, UserTokens]:
        """The tokens of each of these users, now or at the moment `at`."""

    def wikis_balances(self, user_ids: Sequence[str]) -> dict[str, dict[str, BaseUnits]]:
        """`staked_tokens` and `governance_power` that the wiki wrote, and no recount since."""
        ...

    def write_user_tokens(self, tokens: Mapping[str, UserTokens]) -> int:
        """Set tokens earned, stake and voting power of existing users; the number changed."""

    def paid_rewards(self, plan_id: str, positions: range) -> list[CompletedReward]:
        """Completed rewards of a plan at these positions, in order."""

    def points_by_article(
        self, window: PointsWindow, rules: Rules, user_ids: Sequence[str]
    ) -> dict[str, dict[str, int]]:
        """Counted points of these users, by user and article. The key "" means no article."""

    def article_rewards(self, week: Week) -> dict[str, BaseUnits]:
        """Each article's share of a week, as stored."""

    def write_article_rewards(
        self, week: Week, shares: Mapping[str, BaseUnits], gone: Collection[str]
    ) -> None:
        """Store the shares of these articles in a week, and remove the shares of `gone` ones."""

    def article_tokens(self, article_ids: Sequence[str]) -> dict[str, BaseUnits]:
        """The sum of each of these articles' shares over all stored weeks."""

    def write_article_tokens(self, tokens: Mapping[str, BaseUnits]) -> int:
        """Set the token sums of existing articles; the number of changed articles."""


class CounterStore(ActivityStore, TokenCounterStore, Protocol):
    """All counters of users and articles.

    Each counter includes its opening balance: what the wiki had counted, and no document explains.
    Dates never go back. Whatever writes a counter writes a missing opening balance first. A stored
    counter that cannot be read stays as it is, with its exact twin.
    """

    def unreadable_counters(
        self, user_ids: Sequence[str], article_ids: Sequence[str]
    ) -> list[tuple[str, str, object]]:
        """Counters that stay for this reason: the document, the field and the value."""
        ...

    def open_counters(self, user_ids: Sequence[str], article_ids: Sequence[str]) -> int:
        """Derive and store the opening balances that are missing; how many documents got one."""
        ...


class StakingStore(Protocol):
    """Staking records. The store assigns ids; amounts are base units."""

    def stakes_of(self, user_id: str) -> list[StakeRecord]:
        """A user's stakes, oldest first. An unreadable record is left out and logged."""

    def stake(self, stake_id: str) -> StakeRecord | None: ...

    def transfer_used(self, signature: str) -> bool:
        """True if a stake already uses this transaction."""

    def add_stake(self, stake: StakeRecord, now: datetime) -> StakeRecord | None:
        """Insert a stake under a new id.

        None if another stake already has the user's next number or the same transaction.
        """

    def update_stake(self, stake: StakeRecord, now: datetime) -> bool:
        """Write the new state of an active stake; False if the stake has ended in the meantime."""

    def active_stakes(self) -> Iterator[StakeRecord]:
        """Every active stake, in no particular order. They may be updated during the iteration."""

    def staking_users(self) -> Iterator[str]:
        """Each user who has or had a stake, once."""


class GovernanceStore(Protocol):
    """Proposals, votes, snapshots of voting power, and executed changes."""

    def add_proposal(self, proposal: Proposal) -> Proposal:
        """Insert a proposal under a new id."""

    def proposal(self, proposal_id: str) -> Proposal | None: ...

    def proposals(self, statuses: Collection[ProposalStatus]) -> list[Proposal]:
        """Proposals in any of these states, oldest first."""

    def move(
        self, proposal_id: str, current: ProposalStatus, wanted: ProposalStatus, **facts: Any
    ) -> bool:
        """Compare-and-set the state; `facts` are fields of `Proposal`.

        False if the state is no longer `current`.
        """

    def note(self, proposal_id: str, reason: str, now: datetime) -> None:
        """Record why a passed proposal cannot be executed."""

    def add_power(self, proposal_id: str, powers: Mapping[str, BaseUnits]) -> None:
        """Add users to a proposal's snapshot. Users already in it keep their power."""

    def power(self, proposal_id: str, user_id: str) -> BaseUnits:
        """A user's power in a proposal's snapshot; 0 for a user outside it."""

    def cast(self, vote: Vote) -> None:
        """Write a user's vote. It replaces the user's earlier vote."""

    def vote(self, proposal_id: str, user_id: str) -> Vote | None: ...

    def keep_opening(self, proposal_id: str) -> None:
        """Record the wiki's own tallies as the base that votes add to, once and for all.

        Nothing happens if that was done before, or if the tallies change meanwhile.
        """
        ...

    def count_votes(self, proposal_id: str) -> Votes:
        """The present sums of all votes cast here."""

    def write_votes(self, proposal_id: str, votes: Votes, now: datetime) -> None:
        """Set the vote sums of an active proposal; another state leaves them unchanged."""

    def apply_change(
        self,
        proposal_id: str,
        path: tuple[str, ...],
        execution: ExecutedChange,
        *,
        expected: Mapping[str, Any],
    ) -> bool:
        """Atomically set one value of `system_config` and record the change in that document.

        False if the part around the value no longer equals `expected`, or if the change of this
        proposal was made before.
        """

    def change_of(self, proposal_id: str) -> ExecutedChange | None:
        """The executed change of a proposal."""


@dataclass(frozen=True, slots=True)
class FoundTransfer:
    """A transfer of our mint in a finalized transaction."""

    from_wallet: str
    to_account: str
    to_wallet: str
    amount: BaseUnits


class TransferReader(Protocol):
    """Reads token transfers in transactions of other people."""

    def finalized_transfers(self, signature: str) -> list[FoundTransfer] | None:
        """Transfers of our mint in a transaction; None unless it is finalized and succeeded."""
