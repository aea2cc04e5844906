"""Voting power, and the split of a reward among articles."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from worker.core.money import INT64_MAX, ONE_TOKEN, BaseUnits
from worker.core.wiki.counters import UserTokens, article_shares, governance_power

amounts = st.integers(0, INT64_MAX).map(BaseUnits)
points = st.dictionaries(st.text(max_size=4), st.integers(0, 12) | st.integers(0, 10**12))
NOW = datetime(2024, 12, 16, tzinfo=UTC)


def test_the_owners_example_of_power() -> None:
    earned, staked = BaseUnits(300 * ONE_TOKEN), BaseUnits(100 * ONE_TOKEN)
    assert governance_power(earned, staked) == (200 + 2 * 100) * ONE_TOKEN


@given(amounts, amounts)
def test_staking_never_lowers_power(earned: BaseUnits, staked: BaseUnits) -> None:
    assert governance_power(earned, staked) >= governance_power(earned, BaseUnits(0)) == earned


@given(amounts, points)
def test_shares_sum_to_the_reward_unless_there_are_no_points(
    amount: BaseUnits, by_article: dict[str, int]
) -> None:
    shares = article_shares(amount, by_article)
    assert sum(shares.values()) == (amount if sum(by_article.values()) else 0)


@given(amounts, points)
def test_each_share_is_within_a_base_unit_of_its_part(
    amount: BaseUnits, by_article: dict[str, int]
) -> None:
    total = sum(by_article.values())
    for article, share in article_shares(amount, by_article).items():
        assert abs(share - Fraction(amount * by_article[article], total)) < 1


@given(amounts, points)
def test_the_order_of_the_articles_does_not_matter(
    amount: BaseUnits, by_article: dict[str, int]
) -> None:
    backwards = dict(reversed(by_article.items()))
    assert article_shares(amount, by_article) == article_shares(amount, backwards)


@given(amounts, points)
def test_an_article_without_points_has_no_share(
    amount: BaseUnits, by_article: dict[str, int]
) -> None:
    shares = article_shares(amount, by_article)
    assert all(shares[article] == 0 for article in shares if by_article[article] == 0)


def test_the_last_activity_is_the_later_of_claim_and_stake() -> None:
    earlier = NOW - timedelta(days=1)
    assert UserTokens().last_activity_at is None
    assert UserTokens(last_claim_at=earlier).last_activity_at == earlier
    assert UserTokens(last_claim_at=earlier, last_stake_at=NOW).last_activity_at == NOW
