"""Records stakes, ends them, and updates them every day.

`rewards_earned` is a record for the wiki: the weekly run does not pay it. A stake's multiplier
raises the weekly reward, depending on the stake's dates; see `services.plan.eligibility`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from worker.core.chunks import chunks
from worker.core.errors import NotReady, Refused, UsageError
from worker.core.money import BaseUnits, base_units, tokens_text
from worker.core.wiki.stake_record import StakeRecord, StakeStatus
from worker.core.wiki.staking import StakeHasEnded, as_of, check_stake, ended_early, tier_of
from worker.core.wording import counted
from worker.ports.wiki import FoundTransfer
from worker.services.wiki.earned_tokens import Recount, recount_tokens
from worker.services.wiki_context import WikiContext

CHUNK_USERS = 1000
TRIES = 5


class UnknownStake(UsageError):
    """No staking record has this id."""

    def __init__(self, stake_id: str) -> None:
        super().__init__(f"There is no stake '{stake_id}'. List them with `kontrib stakes USER`.")


class TransferMissing(UsageError):
    """With a vault configured, each stake needs a transfer to it."""

    def __init__(self, vault: str) -> None:
        super().__init__(
            f"Staked tokens go to the vault {vault} first. Name that transaction with --tx."
        )


class TransferNotFinal(NotReady):
    """The transaction is not finalized, failed, or does not exist."""

    def __init__(self, signature: str) -> None:
        super().__init__(
            f"The transaction {signature} is not finalized, or it failed. If it was sent just "
            "now, try again in a minute."
        )


class TransferDiffers(Refused):
    """The transaction does not make the transfer that the stake needs."""

    def __init__(
        self, signature: str, amount: BaseUnits, wallet: object, found: Sequence[FoundTransfer]
    ) -> None:
        texts = [f"{tokens_text(t.amount)} from {t.from_wallet} to {t.to_wallet}" for t in found]
        listed = "; ".join(texts) or "no transfer of this token"
        super().__init__(
            f"The transaction {signature} is not a transfer of {tokens_text(amount)} KONTRIB from "
            f"the user's wallet {wallet} to the vault; it holds {listed}."
        )


class TransferUsed(Refused):
    """A transfer backs one stake only."""

    def __init__(self, signature: str) -> None:
        super().__init__(f"Another stake uses the transaction {signature} already.")


class StakingRaced(NotReady):
    """Other processes kept changing the user's stakes."""

    def __init__(self, user_id: str) -> None:
        super().__init__(f"The stakes of {user_id} are being changed elsewhere; try again.")


@dataclass(slots=True)
class StakesKept:
    """The counts of one pass over all stakes."""

    active: int = 0
    accrued: int = 0
    completed: int = 0
    users_corrected: int = 0
    recount: Recount = field(default_factory=Recount)
    """The numbers of the wiki's own that the first recount of a user replaced."""

    def sentence(self) -> str:
        return (
            f"{self.active} active stakes, {self.accrued} accrued, {self.completed} completed, "
            f"{counted(self.users_corrected, 'user')} corrected{self.recount.replaced()}"
        )


def stake(
    wiki: WikiContext, user_id: str, amount: object, days: int, *, signature: str | None = None
) -> StakeRecord:
    """Record a stake of `amount` tokens.

    Raises:
        UnknownUser, UnknownDuration: nothing has this name.
        MalformedAmount, StakeOfZero, StakeBelowMinimum, StakeBeyondEarned: the amount is wrong.
        TransferMissing, TransferNotFinal, TransferDiffers, TransferUsed: the transfer to the vault
            does not back this stake.
        StakingRaced: another process changed the user's stakes at every try.
    """
    rules, account = wiki.rules(), wiki.account(user_id)
    tier, units = tier_of(rules, days), base_units(amount)
    check_stake(units, earned=units, staked=BaseUnits(0), minimum=rules.min_stake)
    _check_transfer(wiki, signature, units, account.wallet)
    for _ in range(TRIES):
        now = wiki.now()
        stakes = _settled(wiki, wiki.staking.stakes_of(account.user_id), now)
        earned = wiki.counters.user_tokens([account.user_id])[account.user_id].earned
        staked = BaseUnits(sum(s.amount for s in stakes if s.status is StakeStatus.ACTIVE))
        check_stake(units, earned=earned, staked=staked, minimum=rules.min_stake)
        wanted = StakeRecord(
            id="",
            user_id=account.user_id,
            amount=units,
            days=days,
            apy=tier.apy,
            multiplier=tier.multiplier,
            start=now,
            end=now + timedelta(days=days),
            number=1 + max((s.number or 0 for s in stakes), default=0),
            stake_signature=signature,
            accrued_through=now,
        )
        if (added := wiki.staking.add_stake(wanted, now)) is not None:
            recount_tokens(wiki, [account.user_id])
            return added
        _refuse_used(wiki, signature)
    raise StakingRaced(account.user_id)


def unstake(wiki: WikiContext, stake_id: str, *, signature: str | None = None) -> StakeRecord:
    """End a stake: early, unless its time is already over.

    Raises:
        UnknownStake: no stake has this id.
        StakeHasEnded: it was ended before.
    """
    known = wiki.staking.stake(stake_id)
    if known is None:
        raise UnknownStake(stake_id)
    now = wiki.now()
    ended = ended_early(known, now, signature)
    if not wiki.staking.update_stake(ended, now):
        faster = wiki.staking.stake(stake_id) or known
        raise StakeHasEnded(stake_id, faster.status)
    recount_tokens(wiki, [known.user_id])
    return ended


def keep_stakes(wiki: WikiContext) -> StakesKept:
    """Accrue interest by whole days, complete stakes whose time is over, and correct users' sums.

    It may run any number of times a day.
    """
    kept, now = StakesKept(), wiki.now()
    for before in wiki.staking.active_stakes():
        [settled] = _settled(wiki, [before], now)
        kept.active += settled.status is StakeStatus.ACTIVE
        kept.accrued += settled.rewards_earned != before.rewards_earned
        kept.completed += settled.status is StakeStatus.COMPLETED
    # A process may have written a stake and died before its recount, so all stakers are counted.
    for users in chunks(sorted(wiki.staking.staking_users()), CHUNK_USERS):
        kept.users_corrected += recount_tokens(wiki, users, kept.recount)
    return kept


def _settled(wiki: WikiContext, stakes: Sequence[StakeRecord], now: datetime) -> list[StakeRecord]:
    """The stakes at this moment. Writes the changed ones."""
    settled = []
    for known in stakes:
        current = as_of(known, now)
        if current != known and not wiki.staking.update_stake(current, now):
            current = wiki.staking.stake(known.id) or known
        settled.append(current)
    return settled


def _check_transfer(
    wiki: WikiContext, signature: str | None, amount: BaseUnits, wallet: object
) -> None:
    """Check the transfer to the vault. Without a vault, the transaction is not read."""
    if wiki.vault is not None and signature is None:
        raise TransferMissing(wiki.vault)
    _refuse_used(wiki, signature)
    if wiki.vault is None or wiki.transfers is None or signature is None:
        return
    found = wiki.transfers.finalized_transfers(signature)
    if found is None:
        raise TransferNotFinal(signature)
    if not isinstance(wallet, str) or sent_to_vault(found, wiki.vault)[wallet] != amount:
        raise TransferDiffers(signature, amount, wallet, found)


def _refuse_used(wiki: WikiContext, signature: str | None) -> None:
    if signature is not None and wiki.staking.transfer_used(signature):
        raise TransferUsed(signature)


def sent_to_vault(found: Sequence[FoundTransfer], vault: str) -> Counter[str]:
    """Base units that a transaction moved to the vault, by source wallet."""
    sent: Counter[str] = Counter()
    for transfer in found:
        # The setting names the vault's wallet or its token account.
        if vault in (transfer.to_wallet, transfer.to_account):
            sent[transfer.from_wallet] += transfer.amount
    return sent
