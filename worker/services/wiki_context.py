"""What points, counters, staking and governance are given. None of it needs a key."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from worker.core.errors import UsageError
from worker.core.identity import canonical_user_id
from worker.core.payout.records import Account
from worker.core.plan.rules import Rules, rules_from
from worker.ports.payout import Clock, Store
from worker.ports.wiki import (
    ContributionStore,
    CounterStore,
    GovernanceStore,
    StakingStore,
    TransferReader,
)


class UnknownUser(UsageError):
    """No user of the wiki has this id."""

    def __init__(self, user_id: str) -> None:
        self.user_id = user_id
        super().__init__(f"There is no user {user_id!r}. Give the _id of a document in users.")


@dataclass(frozen=True, slots=True)
class WikiContext:
    """The outside, as these services see it. `vault` is where staked tokens must have gone."""

    store: Store
    contributions: ContributionStore
    counters: CounterStore
    staking: StakingStore
    governance: GovernanceStore
    clock: Clock
    vault: str | None = None
    transfers: TransferReader | None = None

    def now(self) -> datetime:
        """The present moment as a database keeps it: to the millisecond."""
        moment = self.clock.now()
        return moment.replace(microsecond=moment.microsecond // 1000 * 1000)

    def rules(self) -> Rules:
        return rules_from(self.store.rules_document())

    def account(self, user_id: str, *fields: str) -> Account:
        """The user, with these fields.

        Raises:
            UnknownUser: there is none.
            MalformedId: nobody can have such an id.
        """
        canonical = canonical_user_id(user_id)
        account = self.store.accounts([canonical], fields).get(canonical)
        if account is None:
            raise UnknownUser(user_id)
        return account
