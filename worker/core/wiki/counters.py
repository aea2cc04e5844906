"""Counters of users and articles, always computed from the records that they count.

So each counter can be computed again at any time, after any crash, with the same result.
Amounts are base units. The owner's float fields are derived from them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from worker.core.errors import KontribError
from worker.core.money import BaseUnits

NO_TOKENS = BaseUnits(0)


class SharesDoNotSum(KontribError):
    """The shares of a reward do not sum to the reward. This is a bug."""

    def __init__(self, expected: int, actual: int) -> None:
        super().__init__(
            f"The articles' shares sum to {actual:,} base units instead of {expected:,}. Nothing "
            "was written; report this with the week's data."
        )


@dataclass(frozen=True, slots=True)
class UserActivity:
    """All contributions of a user."""

    contributions: int = 0
    points: int = 0


@dataclass(frozen=True, slots=True)
class ArticleActivity:
    """All contributions to an article."""

    contributions: int = 0
    last_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class UserTokens:
    """The tokens that a user has earned and staked."""

    earned: BaseUnits = NO_TOKENS
    """The sum of the user's completed rewards."""
    staked: BaseUnits = NO_TOKENS
    last_claim_at: datetime | None = None
    last_stake_at: datetime | None = None
    """When a stake last began or ended."""
    paid_here: BaseUnits = NO_TOKENS
    """The part of the earned tokens that this system has paid."""

    @property
    def power(self) -> BaseUnits:
        return governance_power(self.earned, self.staked)

    @property
    def last_activity_at(self) -> datetime | None:
        moments = [m for m in (self.last_claim_at, self.last_stake_at) if m is not None]
        return max(moments, default=None)


@dataclass(frozen=True, slots=True)
class CompletedReward:
    """A completed reward of a plan."""

    user_id: str
    amount: BaseUnits


def governance_power(earned: BaseUnits, staked: BaseUnits) -> BaseUnits:
    """Voting power: earned tokens count once, and staked tokens twice."""
    return BaseUnits((earned - staked) + 2 * staked)


def article_shares(amount: BaseUnits, points: Mapping[str, int]) -> dict[str, BaseUnits]:
    """Split one user's reward among the articles of the user's contributions.

    Cumulative floors in the order of the ids: the shares sum exactly to the reward, and each is
    within one base unit of its exact part. The empty id collects points without an article.
    Without points there are no shares.

    Raises:
        SharesDoNotSum: only if this function has a bug.
    """
    total, so_far, given = sum(points.values()), 0, 0
    shares: dict[str, BaseUnits] = {}
    if total == 0:
        return shares
    for article_id in sorted(points):
        so_far += points[article_id]
        share = amount * so_far // total - given
        shares[article_id] = BaseUnits(share)
        given += share
    if given != amount:
        raise SharesDoNotSum(amount, given)
    return shares


def reputation(steps: Sequence[tuple[int, Decimal]], contributions: int) -> Decimal | None:
    """The reputation multiplier of a user with `contributions` earlier contributions.

    None without steps: the wiki then keeps `reputation_score` itself.

    `steps` are pairs of a least count and a multiplier, ascending from 0, as `rules_from` checks.
    """
    reached = [multiplier for least, multiplier in steps if contributions >= least]
    return reached[-1] if steps else None
