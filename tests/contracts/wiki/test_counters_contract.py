"""Counters computed from rewards and stakes, on both stores."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from bson import ObjectId

from tests.contracts.paid_weeks import PAID_AT, pay_week, plan_week, settle_week
from tests.contracts.store_worlds import NOW, WEEK
from tests.contracts.wiki.wiki_worlds import ADA, BOB, ESSAY, GUIDE, WikiWorld
from tests.fakes.documents import contribution_document, stake_document
from worker.core.lifecycle import Stage
from worker.core.money import ONE_TOKEN
from worker.services.wiki.earned_tokens import due_recounts, recount_tokens, recount_week
from worker.services.wiki.recount import recount_all

DAY_TWO = WEEK.start + timedelta(days=2)
ODD = 85 * ONE_TOKEN + 333_333_333


def wrote(user_id: object, article_id: object, points: int, at: datetime = DAY_TWO) -> Any:
    return contribution_document(user_id, at, points=points) | {"article_id": article_id}


def tokens_of(world: WikiWorld, user_id: str) -> dict[str, Any]:
    names = (
        *("total_tokens_earned_base_units", "staked_tokens_base_units"),
        *("governance_power_base_units", "total_tokens_earned", "staked_tokens"),
        *("governance_power", "last_reward_claim", "token_updated_at"),
    )
    user = world.user(user_id)
    return {name: user.get(name) for name in names}


def test_users_have_the_sum_of_their_completed_rewards(wiki_world: WikiWorld) -> None:
    pay_week(wiki_world.base.store, {ADA: ODD, BOB: 5})
    pay_week(wiki_world.base.store, {ADA: 2 * ONE_TOKEN}, week=WEEK.next())

    recount_tokens(wiki_world.wiki, [ADA, BOB])

    assert tokens_of(wiki_world, ADA) == {
        "total_tokens_earned_base_units": 87 * ONE_TOKEN + 333_333_333,
        "staked_tokens_base_units": 0,
        "governance_power_base_units": 87 * ONE_TOKEN + 333_333_333,
        "total_tokens_earned": 87.333333333,
        "staked_tokens": 0.0,
        "governance_power": 87.333333333,
        "last_reward_claim": PAID_AT,
        "token_updated_at": PAID_AT,
    }
    assert tokens_of(wiki_world, BOB)["total_tokens_earned_base_units"] == 5


def test_counting_again_changes_nothing(wiki_world: WikiWorld) -> None:
    pay_week(wiki_world.base.store, {ADA: ODD})
    assert recount_tokens(wiki_world.wiki, [ADA]) == 1
    before = wiki_world.user(ADA)
    wiki_world.clock.pass_days(5)

    assert recount_tokens(wiki_world.wiki, [ADA]) == 0
    assert wiki_world.user(ADA) == before


def test_rewards_that_are_not_completed_do_not_count(wiki_world: WikiWorld) -> None:
    plan_week(wiki_world.base.store, {ADA: ODD, BOB: 7})

    recount_tokens(wiki_world.wiki, [ADA, BOB])

    assert tokens_of(wiki_world, ADA)["total_tokens_earned_base_units"] == 0
    assert tokens_of(wiki_world, ADA)["last_reward_claim"] is None


def test_rewards_of_a_plan_that_no_distribution_names_do_not_count(wiki_world: WikiWorld) -> None:
    store = wiki_world.base.store
    pay_week(store, {ADA: ODD})
    store.reset_week(WEEK, NOW)
    plan_week(store, {ADA: 3}, plan_id="second")
    settle_week(store, "second")
    stale = plan_week(store, {ADA: 11}, week=WEEK.next(), plan_id="stale")
    settle_week(store, "stale")
    store.reset_week(WEEK.next(), NOW)
    assert store.rewards("stale", range(9)) != stale  # the paid rewards stay

    recount_tokens(wiki_world.wiki, [ADA])

    assert tokens_of(wiki_world, ADA)["total_tokens_earned_base_units"] == 3


def test_rewards_of_an_archived_week_count(wiki_world: WikiWorld) -> None:
    pay_week(wiki_world.base.store, {ADA: ODD})
    wiki_world.base.archive_week(WEEK)

    recount_tokens(wiki_world.wiki, [ADA])

    assert tokens_of(wiki_world, ADA)["total_tokens_earned_base_units"] == ODD


def test_staked_tokens_count_twice_in_governance_power(wiki_world: WikiWorld) -> None:
    pay_week(wiki_world.base.store, {ADA: 300 * ONE_TOKEN})
    start = NOW - timedelta(days=2)
    wiki_world.base.add_stake(stake_document(ObjectId(ADA), start, amount=100.0))
    wiki_world.base.add_stake(stake_document(ADA, start, amount=50.0, status="completed"))

    recount_tokens(wiki_world.wiki, [ADA])

    found = tokens_of(wiki_world, ADA)
    assert found["staked_tokens"] == 100.0
    assert found["governance_power"] == (300 - 100) + 2 * 100


def test_what_the_user_had_at_an_earlier_moment_can_be_told(wiki_world: WikiWorld) -> None:
    counters = wiki_world.wiki.counters
    pay_week(wiki_world.base.store, {ADA: 300 * ONE_TOKEN})
    ended = stake_document(
        ADA, NOW - timedelta(days=9), amount=100.0, status="unstaked_early", unstaked_at=NOW
    )
    wiki_world.base.add_stake(ended)

    def at(moment: datetime) -> tuple[int, int]:
        tokens = counters.user_tokens([ADA], at=moment)[ADA]
        return tokens.earned // ONE_TOKEN, tokens.staked // ONE_TOKEN

    assert at(PAID_AT - timedelta(milliseconds=1)) == (0, 0)
    assert at(PAID_AT) == (300, 0)
    assert at(NOW - timedelta(days=1)) == (0, 100)
    assert at(NOW - timedelta(days=10)) == (0, 0)


def test_a_stake_that_cannot_be_read_does_not_stop_the_others(wiki_world: WikiWorld) -> None:
    wiki_world.base.add_stake(stake_document(ADA, NOW, amount="much"))
    wiki_world.base.add_stake(stake_document(ADA, NOW, amount=5.0))

    assert wiki_world.wiki.counters.user_tokens([ADA])[ADA].staked == 5 * ONE_TOKEN


# --- articles ----------------------------------------------------------------------------------


def test_an_article_has_its_part_of_its_contributors_rewards(wiki_world: WikiWorld) -> None:
    wiki_world.base.add_contributions(
        [wrote(ADA, GUIDE, 30), wrote(ADA, ObjectId(GUIDE), 30), wrote(ADA, ESSAY, 40)]
    )
    wiki_world.base.add_contributions([wrote(BOB, GUIDE, 10)])
    pay_week(wiki_world.base.store, {ADA: 100 * ONE_TOKEN, BOB: 7 * ONE_TOKEN})

    result = recount_week(wiki_world.wiki, WEEK)

    assert wiki_world.article(GUIDE)["total_tokens_earned"] == 67.0
    assert wiki_world.article(ESSAY)["total_tokens_earned"] == 40.0
    assert (result.users, result.articles, result.shared) == (2, 2, 107 * ONE_TOKEN)


def test_articles_shares_sum_to_the_rewards_to_the_base_unit(wiki_world: WikiWorld) -> None:
    wiki_world.base.add_contributions([wrote(ADA, GUIDE, 1), wrote(ADA, ESSAY, 2)])
    pay_week(wiki_world.base.store, {ADA: ODD})

    recount_week(wiki_world.wiki, WEEK)

    exact = [wiki_world.article(a)["total_tokens_earned_base_units"] for a in (GUIDE, ESSAY)]
    assert sum(exact) == ODD
    assert abs(exact[0] - ODD // 3) <= 1


def test_points_without_an_article_keep_their_share(wiki_world: WikiWorld) -> None:
    wiki_world.base.add_contributions([wrote(ADA, None, 75), wrote(ADA, GUIDE, 25)])
    pay_week(wiki_world.base.store, {ADA: 100})

    result = recount_week(wiki_world.wiki, WEEK)

    assert (result.shared, result.unshared) == (25, 75)
    assert wiki_world.article(GUIDE)["total_tokens_earned_base_units"] == 25


def test_only_what_the_plan_counted_has_a_share(wiki_world: WikiWorld) -> None:
    after_cutoff = contribution_document(
        ADA, DAY_TWO, points=50, recorded_at=NOW + timedelta(hours=1)
    )
    wiki_world.base.add_contributions(
        [
            wrote(ADA, GUIDE, 10),
            after_cutoff | {"article_id": ESSAY},
            wrote(ADA, ESSAY, 10, WEEK.end),
            wrote(ADA, ESSAY, -10),
            wrote(ADA, ESSAY, 1) | {"type": "poem"},
        ]
    )
    pay_week(wiki_world.base.store, {ADA: 100})

    recount_week(wiki_world.wiki, WEEK)

    assert wiki_world.article(GUIDE)["total_tokens_earned_base_units"] == 100


def test_a_late_contribution_has_a_share_of_the_week_that_paid_it(wiki_world: WikiWorld) -> None:
    recorded_at = NOW + timedelta(hours=1)
    late = contribution_document(ADA, DAY_TWO, points=50, recorded_at=recorded_at)
    wiki_world.base.add_contributions(
        [wrote(ADA, GUIDE, 10), late | {"article_id": ESSAY}, wrote(ADA, GUIDE, 50, WEEK.end)]
    )
    store = wiki_world.base.store
    store.record_first_week(WEEK)
    pay_week(store, {ADA: 100})
    pay_week(store, {ADA: 1000}, week=WEEK.next())

    recount_week(wiki_world.wiki, WEEK)
    recount_week(wiki_world.wiki, WEEK.next())

    assert wiki_world.wiki.counters.article_rewards(WEEK) == {GUIDE: 100}
    assert wiki_world.wiki.counters.article_rewards(WEEK.next()) == {GUIDE: 500, ESSAY: 500}
    assert wiki_world.article(GUIDE)["total_tokens_earned_base_units"] == 600


def test_articles_sums_grow_with_the_weeks_and_counting_again_changes_nothing(
    wiki_world: WikiWorld,
) -> None:
    wiki_world.base.add_contributions([wrote(ADA, GUIDE, 10)])
    pay_week(wiki_world.base.store, {ADA: 100})
    for _ in range(3):
        recount_week(wiki_world.wiki, WEEK)
    before = wiki_world.article(GUIDE)

    again = recount_week(wiki_world.wiki, WEEK)

    assert again.corrected == 0
    assert wiki_world.article(GUIDE) == before
    assert wiki_world.wiki.counters.article_rewards(WEEK) == {GUIDE: 100}


def test_a_share_that_nothing_says_any_more_is_removed(wiki_world: WikiWorld) -> None:
    wiki_world.base.add_contributions([wrote(ADA, GUIDE, 10)])
    pay_week(wiki_world.base.store, {ADA: 100})
    recount_week(wiki_world.wiki, WEEK)
    wiki_world.base.clear_contributions()
    wiki_world.base.add_contributions([wrote(ADA, ESSAY, 10)])

    recount_week(wiki_world.wiki, WEEK)

    assert wiki_world.article(GUIDE)["total_tokens_earned_base_units"] == 0
    assert wiki_world.article(ESSAY)["total_tokens_earned_base_units"] == 100


def test_a_week_without_a_plan_counts_nothing(wiki_world: WikiWorld) -> None:
    assert recount_week(wiki_world.wiki, WEEK).users == 0
    wiki_world.base.store.ensure_distribution(WEEK, NOW)
    assert recount_week(wiki_world.wiki, WEEK).users == 0


# --- everything --------------------------------------------------------------------------------


def test_a_recount_of_everything_puts_every_counter_right(wiki_world: WikiWorld) -> None:
    wiki_world.base.add_contributions([wrote(ADA, GUIDE, 30), wrote(ADA, ESSAY, 10)])
    wiki_world.base.add_user(wiki_world.user(BOB) | {"total_points": 999, "staked_tokens": 12.0})
    pay_week(wiki_world.base.store, {ADA: 100})

    result = recount_all(wiki_world.wiki)

    ada, bob = wiki_world.user(ADA), wiki_world.user(BOB)
    assert (ada["total_contributions"], ada["total_points"]) == (2, 40)
    assert (bob["total_points"], bob["staked_tokens"]) == (0, 0.0)
    assert wiki_world.article(GUIDE)["total_tokens_earned_base_units"] == 75
    assert wiki_world.article(GUIDE)["contribution_count"] == 1
    assert (result.weeks, result.users, result.articles) == (1, 2, 2)
    assert recount_all(wiki_world.wiki).corrected == 0


def test_a_week_is_due_for_counting_each_time_it_is_closed(wiki_world: WikiWorld) -> None:
    store, plan_id = wiki_world.base.store, f"plan of {WEEK.id}"
    pay_week(store, {ADA: 100})
    assert due_recounts(wiki_world.wiki) == []
    store.advance(
        WEEK, plan_id, Stage.PREPARED, Stage.COMPLETED, completed_at=wiki_world.clock.now()
    )
    assert due_recounts(wiki_world.wiki) == [WEEK]

    recount_week(wiki_world.wiki, WEEK)

    assert due_recounts(wiki_world.wiki) == []
    wiki_world.clock.pass_days(1)
    store.advance(WEEK, plan_id, Stage.COMPLETED, Stage.PREPARED)
    store.advance(
        WEEK, plan_id, Stage.PREPARED, Stage.COMPLETED, completed_at=wiki_world.clock.now()
    )
    assert due_recounts(wiki_world.wiki) == [WEEK]


@pytest.mark.parametrize("user_id", ["nobody", "f" * 24])
def test_rewards_of_a_user_who_is_gone_do_not_stop_the_others(
    wiki_world: WikiWorld, user_id: str
) -> None:
    pay_week(wiki_world.base.store, {user_id: 1, ADA: 2})

    recount_week(wiki_world.wiki, WEEK)

    assert tokens_of(wiki_world, ADA)["total_tokens_earned_base_units"] == 2
