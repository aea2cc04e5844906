"""The context of points, counters, staking and governance. It needs no key."""

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
    """The ports of the wiki's services. `vault` is the address that staked tokens must reach."""

    store: Store
    contributions: ContributionStore
    counters: CounterStore
    staking: StakingStore
    governance: GovernanceStore
    clock: Clock
    vault: str | None = None
    transfers: TransferReader | None = None

    def now(self) -> datetime:
        """The present moment to the millisecond, the precision of the database."""
        moment = self.clock.now()
        return moment.replace(microsecond=moment.microsecond // 1000 * 1000)

    def rules(self) -> Rules:
        return rules_from(self.store.rules_document())

    def account(self, user_id: str, *fields: str) -> Account:
        """Look a user up, with the values of these fields.

        Raises:
            UnknownUser: no user has this id.
            MalformedId: the id is not UTF-8.
        """
        canonical = canonical_user_id(user_id)
        account = self.store.accounts([canonical], fields).get(canonical)
        if account is None:
            raise UnknownUser(user_id)
        return account
