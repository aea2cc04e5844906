"""The check lists every changed plan, payout and week, and nothing else."""

from __future__ import annotations

import itertools
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from tests.fakes.chain.chain import wallet_named
from tests.fakes.store.state import Route
from tests.fakes.world import WEEK, World, user_id_of
from tests.services.paid_books import AMOUNT, NEWEST, TABLE, Books, paid_books
from worker.core.check.report import Area
from worker.core.lifecycle import PayoutStatus, Stage, Status
from worker.core.money import BaseUnits
from worker.core.payout.records import PayoutKind
from worker.core.plan.commitment import rows_root
from worker.core.plan.receipts import anchor_id, single_id
from worker.core.week import Week
from worker.services.check import records as check_records
from worker.services.check.everything import check_all
from worker.services.context import Deadline
from worker.services.payout.read_again import read_again
from worker.services.payout.rebuild import rebuild_week
from worker.services.plan.anchor import anchor_week
from worker.services.plan.plan_week import plan_week
from worker.services.plan.planned_week import planned_week
from worker.services.week.due import find_work
from worker.services.wiki.recount import recount_all


@pytest.fixture
def books(world: World) -> Books:
    return paid_books(world)


# --- clean books -------------------------------------------------------------------------------


def test_sound_books_have_no_difference(books: Books) -> None:
    """The books have an archived week, a void batch with singles, a held reward and old weeks."""
    assert books.found() == []
    assert books.found(offline=True) == []


def test_open_and_planned_weeks_have_no_difference(books: Books) -> None:
    week, context = NEWEST.next(), books.world.first
    for number in range(5):
        books.world.contribute(f"user {number}", 70, week=week)
    remaining = week.end + timedelta(hours=1) - books.world.clock.now()
    books.world.clock.sleep(remaining.total_seconds())
    recount_all(books.wiki)
    plan_week(context, week)
    assert books.found() == []
    anchor_week(context, week, Deadline(books.world.clock, 600))
    assert books.found() == []
    while work := find_work(context):
        books.world.do(context, work[0])
        assert books.records(offline=False) == []


@pytest.mark.parametrize("week", [WEEK, NEWEST])
def test_a_week_that_was_rebuilt_has_no_difference(books: Books, week: Week) -> None:
    rebuild_week(books.world.first, week, Deadline(books.world.clock, 600))
    books.world.run()
    recount_all(books.wiki)

    assert books.found() == []


def test_rewards_without_a_transaction_are_listed_until_reconcile_has_read_it(
    books: Books,
) -> None:
    """The payout is paid, and lacks signature, slot and fee."""
    stored = books.payout(WEEK)
    blank = replace(stored, fee=None, verified=False)
    books.store.state.put_payout(blank, signature=None, slot=None)
    for reward in list(books.store.state.rewards[books.plan_id(WEEK)].values()):
        if reward.reward.row.batch == stored.payout.id:
            books.store.state.put_reward(replace(reward, slot=None), signature=None)

    subjects = [subject for _, subject in books.found()]
    of_rewards = [each for each in subjects if "reward of" in each]
    assert len(of_rewards) == 2 * stored.payout.rewards
    assert f"payout {stored.payout.id}, signature" in subjects

    read_again(books.world.first, planned_week(books.store, WEEK), due=None)

    assert books.found() == []


# --- rows against the root ---------------------------------------------------------------------


@pytest.mark.parametrize("week", TABLE)
def test_an_amount_that_was_changed(books: Books, week: Week) -> None:
    stored = books.reward(week)
    batch = stored.reward.row.batch
    books.change_row(stored, amount=BaseUnits(stored.reward.row.amount + 5))
    expected = [f"payout {batch}, rows_root", f"{week.label}, sum of the rows, total_amount"]
    if stored.route is Route.SINGLE:
        single = single_id(week, stored.reward.row.user)
        expected.insert(0, f"payout {single}, {AMOUNT}")

    assert books.records() == expected
    recount_all(books.wiki)  # counters now agree with the changed reward; the root does not
    assert books.records() == expected
    assert expected == books.records(offline=False)


@pytest.mark.parametrize("week", TABLE)
def test_a_row_and_its_batch_that_were_changed_together(books: Books, week: Week) -> None:
    stored = books.reward(week)
    plan_id, batch = stored.reward.plan_id, stored.reward.row.batch
    books.change_row(stored, wallet=wallet_named("somebody else"))
    rows = [s.reward.row for s in books.store.state.rewards[plan_id].values()]
    payout = books.store.state.payouts[plan_id][batch]
    root = rows_root(row for row in rows if row.batch == batch)
    books.store.state.put_payout(replace(payout, root=root))

    assert f"{week.label}, root" in books.records()


def test_an_old_plan_that_was_changed_with_its_root_is_found_on_chain(books: Books) -> None:
    stored = books.store.state.archive[WEEK].distribution
    books.change_week(WEEK, {}, root=b"\1" * 32)

    assert (Area.CHAIN, f"receipt {WEEK.id}/root/{'01' * 32}") in books.found()
    assert books.records() == [f"{WEEK.label}, root"]
    assert stored.root != b"\1" * 32


def test_weeks_of_another_receipt_key_have_no_receipts(books: Books) -> None:
    books.change_week(WEEK, {}, root=b"\1" * 32)
    books.store.record_first_week(WEEK.next())

    assert books.found() == [(Area.RECORDS, f"{WEEK.label}, root")]


@pytest.mark.parametrize("week", TABLE)
def test_rewards_and_payouts_that_are_missing_or_too_many(books: Books, week: Week) -> None:
    plan_id = books.plan_id(week)
    rewards = books.store.state.rewards[plan_id]
    extra = replace(rewards[0].reward, position=77, user_id="extra")
    rewards[77] = replace(rewards[0], reward=extra)
    del books.store.state.payouts[plan_id][anchor_id(week)]
    batch = books.payout(week)
    del books.store.state.payouts[plan_id][batch.payout.id]

    assert books.records() == [
        f"payout {batch.payout.id}",
        f"{week.label}, reward of extra",
        f"payout {anchor_id(week)}",
    ]
    assert (Area.CHAIN, f"payout {batch.payout.id}") in books.found()


def test_a_reward_that_is_missing(books: Books) -> None:
    del books.store.state.rewards[books.plan_id(WEEK)][0]

    found = books.records()

    assert found[0].startswith(f"{WEEK.label}, rewards 0 to")
    assert f"{WEEK.label}, sum of the rows, rewards" in found


def test_a_week_that_cannot_be_read_stops_no_other(books: Books) -> None:
    books.change_week(WEEK, {}, header=b"no header")
    stored = books.reward(NEWEST)
    subject = books.change_fields(stored, token_amount=1.0)

    assert books.records(offline=False) == [WEEK.label, f"{subject}, token_amount"]


def test_a_week_that_was_lost_between_others(books: Books) -> None:
    lost = WEEK.next()
    del books.store.state.weeks[lost]
    recount_all(books.wiki)

    assert books.records() == [lost.label]


def test_of_a_week_that_is_all_wrong_the_first_differences_are_listed(
    books: Books, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(check_records, "LISTED_MAX", 2)
    for position in range(3):
        key = books.plan_id(NEWEST), position
        books.checking.changed_rewards[key] = {"token_amount": 1.0}

    report = check_all(books.wiki, books.checking, None)

    assert len(report.findings) == 3
    assert str(report.findings[-1]) == (
        f"records, {NEWEST.label}: 1 more differences, expected none"
    )


def test_a_row_that_cannot_be_read_is_named(books: Books) -> None:
    subject = books.change_fields(books.reward(WEEK), user_commitment=7)

    assert subject in books.records()


# --- fields outside the root -------------------------------------------------------------------


@pytest.mark.parametrize("week", TABLE)
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("token_amount", 77.0),
        ("staking_multiplier", 2.0),
        ("staking_multiplier_micros", 2_000_000),
        ("weekly_distribution_id", "another"),
        ("week_end", WEEK.end + timedelta(days=1)),
        ("late_points", 10**6),
        ("late_points", None),
        ("transaction_signature", "another"),
        ("transaction_signature", None),
        ("slot", 1),
        ("claimed_at", None),
        ("status", "pending"),
        ("route", "waiting"),
    ],
)
def test_a_rewards_field_that_was_changed(
    books: Books, week: Week, name: str, value: object
) -> None:
    stored = next(
        s for s in books.store.state.rewards[books.plan_id(week)].values() if s.route is Route.BATCH
    )
    subject = books.change_fields(stored, **{name: value})

    # A wrong multiplier in millionths proves nothing about the float beside it.
    assert books.records() == [f"{subject}, {name}"]


def test_an_unpaid_reward_that_looks_paid(books: Books) -> None:
    stored = books.reward(WEEK, Status.PENDING)
    subject = books.change_reward(stored, status=Status.COMPLETED)
    assert books.records() == [f"{subject}, status"]

    books.change_reward(stored, status=Status.PENDING, signature="made up")
    assert books.records() == [f"{subject}, transaction_signature"]


def test_a_reward_that_was_given_to_somebody_else(books: Books) -> None:
    """Only the receipt key's secret reveals this, so the check needs the chain."""
    stored = books.reward(WEEK)
    books.change_reward(stored, user_id=user_id_of("no wallet 2"))
    subject = f"{WEEK.label}, reward of {user_id_of('no wallet 2')}, user_id"

    assert books.records(offline=False) == [subject]


# --- payouts -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("week", "kind"),
    [(WEEK, PayoutKind.SINGLE), *itertools.product(TABLE, [PayoutKind.ANCHOR, PayoutKind.BATCH])],
)
@pytest.mark.parametrize(
    ("name", "facts", "own"),
    [
        ("amount_base_units", {"amount": BaseUnits(7)}, {}),
        ("rewards", {"rewards": 99}, {}),
        ("verified", {}, {"verified": False}),
        ("fee", {}, {"fee": None}),
        ("slot", {"slot": None}, {}),
        ("week", {"week": WEEK.previous()}, {}),
    ],
)
def test_a_payout_that_was_changed(
    books: Books, week: Week, kind: PayoutKind, name: str, facts: Any, own: Any
) -> None:
    stored = books.payout(week, kind)
    books.store.state.put_payout(replace(stored, **own), **facts)

    found = books.records()

    assert f"payout {stored.payout.id}, {name}" in found
    rewards = [each for each in found if not each.startswith(f"payout {stored.payout.id}")]
    assert all(each.endswith(f", {name}") for each in rewards)


def test_a_payouts_root_that_was_changed(books: Books) -> None:
    stored = books.payout(WEEK)
    books.store.state.put_payout(replace(stored, root=b"\1" * 32))

    assert books.records() == [f"payout {stored.payout.id}, rows_root"]


def test_an_old_payout_whose_receipt_says_something_else(books: Books) -> None:
    stored = books.payout(WEEK)
    books.store.state.put_payout(
        replace(stored, fee=None, verified=False),
        status=PayoutStatus.PENDING,
        signature=None,
        slot=None,
    )

    assert (Area.CHAIN, f"payout {stored.payout.id}") in books.found()
    assert {what.rsplit(", ")[-1] for what in books.records()} >= {"status", "claimed_at"}


def test_a_single_that_the_database_forgot_was_paid(books: Books) -> None:
    stored = books.payout(WEEK, PayoutKind.SINGLE)
    del books.store.state.payouts[stored.payout.plan_id][stored.payout.id]

    assert (Area.CHAIN, f"payout {stored.payout.id}") in books.found()


def test_where_an_open_single_goes(books: Books) -> None:
    stored = books.payout(WEEK, PayoutKind.SINGLE)
    books.store.state.put_payout(
        stored, status=PayoutStatus.PENDING, wallet=wallet_named("somebody else")
    )

    assert f"payout {stored.payout.id}, wallet" in books.records()


# --- weeks -------------------------------------------------------------------------------------


@pytest.mark.parametrize("week", TABLE)
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("total_tokens", 1.0),
        ("total_points", 1),
        ("user_count", 77),
        ("point_to_token_ratio", 1.0),
        ("total_amount_base_units", 1),
        ("week_end", WEEK.start),
        ("status", "pending"),
        ("distribution_tx_hash", "another"),
        ("completed_at", None),
    ],
)
def test_a_weeks_summary_that_was_changed(
    books: Books, week: Week, name: str, value: object
) -> None:
    books.change_week(week, {name: value})

    assert books.records() == [f"{week.label}, {name}"]


def test_a_closed_week_that_looks_open(books: Books) -> None:
    books.change_week(WEEK, {"status": "completed"}, stage=Stage.PREPARED)

    assert books.records() == [f"{WEEK.label}, status"]
