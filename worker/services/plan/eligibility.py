"""Lists the users who take part in a week, with their weights, and the reasons for holds."""

from __future__ import annotations

import bisect
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from worker.core.chunks import chunks
from worker.core.identity import user_commitment
from worker.core.look_alike import difference, folded
from worker.core.payout.hold import HELD_BY_OPERATOR, hold_reason
from worker.core.payout.records import Account, ExcludedUser, UserPoints
from worker.core.plan.allocation import MULTIPLIER_SCALE, scaled_multiplier
from worker.core.plan.entrant import Entrant
from worker.core.plan.rules import Rules
from worker.core.week import Week
from worker.ports.payout import Store
from worker.services.ahead import ahead
from worker.services.context import Context

CHUNK_USERS = 1000
LISTED_MAX = 20
"""Excluded users that are named, of each reason."""


UNKNOWN_USER = "unknown user"


@dataclass(slots=True)
class Exclusions:
    """The users that a plan leaves out, for people: counts, points, and the first names.

    `counted` and `late` are the contributions of the other users.
    """

    reasons: Counter[str] = field(default_factory=Counter)
    points: int = 0
    contributions: int = 0
    counted: int = 0
    late: int = 0
    first: defaultdict[str, list[ExcludedUser]] = field(default_factory=lambda: defaultdict(list))
    """The first users of each reason, by id."""

    def add(self, reason: str, user: UserPoints) -> None:
        self.reasons[reason] += 1
        self.points += user.points
        self.contributions += user.contributions
        listed = self.first[reason]
        if len(listed) < LISTED_MAX or user.user_id < listed[-1].user_id:
            excluded = ExcludedUser(user.user_id, user.points, reason)
            bisect.insort(listed, excluded, key=lambda each: each.user_id)
            del listed[LISTED_MAX:]

    def take(self, user: UserPoints) -> None:
        """Count the contributions of a user who takes part."""
        self.counted += user.contributions - user.late_contributions
        self.late += user.late_contributions

    def users(self, known_ids: Callable[[], Iterable[str]]) -> tuple[ExcludedUser, ...]:
        """The first users of each reason.

        An unknown user is compared with the known ids, which are read only if there is one.
        """
        unknown = {folded(each.user_id): each for each in self.first[UNKNOWN_USER]}
        alike: dict[str, str] = {}
        for known in known_ids() if unknown else ():
            if folded(known) in unknown:
                alike.setdefault(folded(known), known)
        return tuple(
            _compared(each, alike.get(folded(each.user_id)) if reason == UNKNOWN_USER else None)
            for reason in sorted(self.first)
            for each in self.first[reason]
        )


def _compared(user: ExcludedUser, other: str | None) -> ExcludedUser:
    if other is None:
        return user
    return replace(user, looks_like=other, difference=difference(user.user_id, other))


def list_eligible_users(
    context: Context,
    week: Week,
    users: Iterable[UserPoints],
    rules: Rules,
    excluded: Exclusions,
    held: Collection[str] = (),
) -> Iterator[Entrant]:
    """The users who qualify, in any order. The others are counted in `excluded`.

    `held`: the users whose reward an operator holds.
    """
    salt = context.chain.plan_salt(week)
    # The database looks up the next users while the chain looks up these. The two threads count
    # different fields of `excluded`.
    read = ahead(participants(context.store, week, users, rules, excluded))
    for qualified, accounts, multipliers in read:
        context.refuse_if_late()
        stored = [accounts[u.user_id].wallet for u in qualified]
        wallets = sorted({wallet for wallet in stored if isinstance(wallet, str) and wallet})
        recipients = {r.wallet: r for r in context.chain.recipients(wallets)}
        for user in qualified:
            account = accounts[user.user_id]
            recipient = recipients.get(str(account.wallet))
            hold = hold_reason(account, recipient)
            if user.user_id in held:
                hold = HELD_BY_OPERATOR
            excluded.take(user)
            yield Entrant(
                commitment=user_commitment(salt, user.user_id),
                user_id=user.user_id,
                points=user.points,
                late_points=user.late_points,
                multiplier=multipliers.get(user.user_id, MULTIPLIER_SCALE),
                wallet="" if hold or recipient is None else recipient.wallet,
                hold=hold,
                needs_account=not hold and not (recipient and recipient.account_exists),
            )


def participants(
    store: Store, week: Week, users: Iterable[UserPoints], rules: Rules, excluded: Exclusions
) -> Iterator[tuple[list[UserPoints], dict[str, Account], dict[str, int]]]:
    """The users who take part in a week, a chunk at a time, with their accounts, and with the
    multipliers, in millionths, of those who have stakes."""
    for chunk in chunks(_with_enough_points(users, rules, excluded), CHUNK_USERS):
        accounts = store.accounts([u.user_id for u in chunk], rules.eligibility_fields())
        qualified = []
        for user in chunk:
            if reason := exclusion(accounts.get(user.user_id), rules):
                excluded.add(reason, user)
            else:
                qualified.append(user)
        multipliers = staking_multipliers(store, week, [u.user_id for u in qualified], rules)
        yield qualified, accounts, multipliers


def _with_enough_points(
    points: Iterable[UserPoints], rules: Rules, excluded: Exclusions
) -> Iterator[UserPoints]:
    for user in points:
        if user.points >= rules.min_points:
            yield user
        else:
            excluded.add(below_minimum(rules), user)


def below_minimum(rules: Rules) -> str:
    """Why a user has too few points."""
    return f"below {rules.min_points} points"


def exclusion(account: Account | None, rules: Rules) -> str:
    """Why a user with enough points takes no part in a week; empty if they do."""
    if account is None:
        return UNKNOWN_USER
    failed = rules.failed_condition(account.fields)
    return "" if failed is None else f"not eligible: {failed.field}"


def staking_multipliers(
    store: Store, week: Week, user_ids: Sequence[str], rules: Rules
) -> dict[str, int]:
    """The highest multiplier among a user's stakes that cover the whole week."""
    highest: dict[str, int] = {}
    for stake in store.stakes_covering(week, user_ids):
        if stake.amount >= rules.min_stake:
            multiplier = scaled_multiplier(stake.multiplier)
            highest[stake.user_id] = max(highest.get(stake.user_id, 0), multiplier)
    return highest
