"""Lists the users who take part in a week, with their weights, and the reasons for holds."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from worker.core.chunks import chunks
from worker.core.identity import plan_salt, user_commitment
from worker.core.payout.records import Account, UserPoints
from worker.core.payout.single import hold_reason
from worker.core.plan.allocation import MULTIPLIER_SCALE, scaled_multiplier
from worker.core.plan.entrant import Entrant
from worker.core.plan.rules import Rules
from worker.core.week import Week
from worker.services.context import Context

CHUNK_USERS = 2000


@dataclass(slots=True)
class Exclusions:
    """Counts and points of the users that a plan leaves out, for people."""

    reasons: Counter[str] = field(default_factory=Counter)
    points: int = 0

    def add(self, reason: str, points: int) -> None:
        self.reasons[reason] += 1
        self.points += points


def list_eligible_users(
    context: Context,
    week: Week,
    users: Iterable[UserPoints],
    rules: Rules,
    excluded: Exclusions,
) -> Iterator[Entrant]:
    """The users who qualify, in any order. The others are counted in `excluded`."""
    salt = plan_salt(context.chain.receipt_secret, week)
    fields = sorted({condition.field for condition in rules.eligibility})
    for chunk in chunks(_with_enough_points(users, rules, excluded), CHUNK_USERS):
        accounts = context.store.accounts([u.user_id for u in chunk], fields)
        qualified = [u for u in chunk if _qualifies(u, accounts, rules, excluded)]
        multipliers = _multipliers(context, week, qualified, rules)
        stored = [accounts[u.user_id].wallet for u in qualified]
        wallets = sorted({wallet for wallet in stored if isinstance(wallet, str) and wallet})
        recipients = {r.wallet: r for r in context.chain.recipients(wallets)}
        for user in qualified:
            account = accounts[user.user_id]
            recipient = recipients.get(str(account.wallet))
            hold = hold_reason(account, recipient)
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


def _with_enough_points(
    points: Iterable[UserPoints], rules: Rules, excluded: Exclusions
) -> Iterator[UserPoints]:
    for user in points:
        if user.points >= rules.min_points:
            yield user
        else:
            excluded.add(f"below {rules.min_points} points", user.points)


def _qualifies(
    user: UserPoints, accounts: dict[str, Account], rules: Rules, excluded: Exclusions
) -> bool:
    account = accounts.get(user.user_id)
    if account is None:
        excluded.add("unknown user", user.points)
        return False
    for condition in rules.eligibility:
        if not condition.holds(account.fields.get(condition.field)):
            excluded.add(f"not eligible: {condition.field}", user.points)
            return False
    return True


def _multipliers(
    context: Context, week: Week, users: list[UserPoints], rules: Rules
) -> dict[str, int]:
    """The highest multiplier among a user's stakes that cover the whole week."""
    highest: dict[str, int] = {}
    for stake in context.store.stakes_covering(week, [u.user_id for u in users]):
        if stake.amount >= rules.min_stake:
            multiplier = scaled_multiplier(stake.multiplier)
            highest[stake.user_id] = max(highest.get(stake.user_id, 0), multiplier)
    return highest
