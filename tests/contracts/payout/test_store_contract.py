"""The contract of both stores about weeks and plans."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from tests.contracts.store_worlds import (
    LATER,
    NOW,
    WEEK,
    StoreWorld,
    freeze,
    installed,
    make_payouts,
    make_plan,
    make_reward,
    make_rewards,
    make_single,
    write_plan,
)
from worker.core.lifecycle import IllegalTransition, PayoutStatus, Stage, Status
from worker.core.money import BaseUnits
from worker.core.payout.records import (
    Distribution,
    ExcludedUser,
    MalformedContribution,
    PlanNotes,
    Postponement,
    Settlement,
    UnusableStake,
)
from worker.core.plan.earlier_key import EarlierKey
from worker.core.plan.fates import Fates
from worker.ports.payout import Store


@pytest.fixture
def store(store_world: StoreWorld) -> Store:
    return store_world.store


# --- distributions -----------------------------------------------------------------------------


def test_an_unknown_week_has_no_distribution(store: Store) -> None:
    assert store.distribution(WEEK) is None
    assert store.notes(WEEK) == {}
    assert store.distributions() == []


def test_a_distribution_is_made_once_and_found_again(store: Store) -> None:
    made = store.ensure_distribution(WEEK, NOW)
    again = store.ensure_distribution(WEEK, LATER)

    assert made == again == store.distribution(WEEK)
    assert (made.week, made.stage, made.created_at) == (WEEK, Stage.DUE, NOW)
    assert store.distributions() == [made]


def test_moments_are_kept_in_milliseconds(store: Store) -> None:
    made = store.ensure_distribution(WEEK, NOW.replace(microsecond=123456))

    assert made.created_at == NOW.replace(microsecond=123000)


def test_distributions_come_oldest_first(store: Store) -> None:
    for week in (WEEK.next(), WEEK.previous(), WEEK):
        store.ensure_distribution(week, NOW)

    assert [d.week for d in store.distributions()] == [WEEK.previous(), WEEK, WEEK.next()]


def test_an_archived_week_is_found_and_not_made_again(store_world: StoreWorld) -> None:
    store = store_world.store
    write_plan(store, 3)
    store_world.archive_week(WEEK)

    found = store.distribution(WEEK)
    assert found is not None
    assert found.archived
    assert store.distributions() == []
    assert store.ensure_distribution(WEEK, LATER).archived
    assert store.notes(WEEK)["archived"] is True
    reward = store.reward(WEEK, "user-00001")
    assert reward is not None
    assert reward.position == 1


def test_the_first_week_is_recorded(store: Store) -> None:
    assert store.first_week() is None
    store.record_first_week(WEEK)
    store.record_first_week(WEEK)
    assert store.first_week() == WEEK
    assert store.earlier_key() is None


def test_an_earlier_receipt_key_is_recorded_and_forgotten(store: Store) -> None:
    earlier = EarlierKey(2**33, WEEK.back(3))
    store.record_first_week(WEEK, earlier)
    assert (store.first_week(), store.earlier_key()) == (WEEK, earlier)
    store.record_first_week(WEEK)
    assert store.earlier_key() is None


def test_readers_of_a_new_week_see_the_owners_fields(store: Store) -> None:
    store.ensure_distribution(WEEK, NOW)

    notes = store.notes(WEEK)
    assert notes["week_start"] == WEEK.start
    assert notes["week_end"] == WEEK.end
    assert (notes["status"], notes["stage"]) == ("pending", "due")
    assert (notes["total_points"], notes["total_tokens"], notes["user_count"]) == (0, 0.0, 0)
    assert (notes["started_at"], notes["completed_at"]) == (None, None)


# --- drafts ------------------------------------------------------------------------------------


def test_rows_are_read_back_in_order_as_they_were_written(store: Store) -> None:
    rewards = make_rewards(7, held=2)
    store.write_rewards(list(reversed(rewards)), WEEK, NOW)

    assert list(store.rows("plan", range(9))) == [reward.row for reward in rewards]
    assert list(store.rows("plan", range(2, 5))) == [reward.row for reward in rewards[2:5]]
    assert list(store.rows("other", range(9))) == []


def test_a_reward_is_read_back_as_it_was_written(store: Store) -> None:
    reward = make_reward(
        0, late_points=4, multiplier=1_300_000, needs_account=True, reason="because"
    )
    store.write_rewards([reward], WEEK, NOW)

    assert store.rewards("plan", range(1)) == [reward]


def test_amounts_up_to_63_bits_are_kept_exactly(store: Store) -> None:
    largest = make_reward(0)
    row = replace(largest.row, amount=BaseUnits(2**63 - 1), weight=2**63 - 1, points=2**53 + 1)
    store.write_rewards([replace(largest, row=row)], WEEK, NOW)

    assert next(store.rows("plan", range(1))) == row


def test_writing_rows_again_is_harmless(store: Store) -> None:
    rewards = make_rewards(4)
    store.write_rewards(rewards[:2], WEEK, NOW)
    store.write_rewards(rewards, WEEK, LATER)

    assert store.rewards("plan", range(10)) == rewards


def test_payouts_are_written_once_and_read_back(store: Store) -> None:
    rewards = make_rewards(7)
    payouts = make_payouts(rewards)
    store.write_payouts(payouts, [b"", b"one", b"two", b"three"])
    changed = replace(payouts[1], rewards=99)
    store.write_payouts([changed], [b"other"])

    assert store.payout("plan", payouts[1].id) == payouts[1]
    assert store.payout("plan", "2024-12-09/00099") is None
    assert store.batch_roots("plan") == [b"one", b"two", b"three"]


def test_roots_come_by_batch_number_not_by_name(store: Store) -> None:
    batch = make_payouts(make_rewards(3))[1]
    numbers = [100_001, 9, 99_999]
    payouts = [replace(batch, id=f"{WEEK.id}/{n:05}", index=n) for n in numbers]
    store.write_payouts(payouts, [str(n).encode() for n in numbers])

    assert store.batch_roots("plan") == [b"9", b"99999", b"100001"]


def test_payouts_are_listed_in_order_of_their_ids(store: Store) -> None:
    write_plan(store, 7)

    first = store.payouts_after("plan", "", 2)
    rest = store.payouts_after("plan", first[-1].id, 10)

    ids = [payout.id for payout in first + rest]
    assert ids == [f"{WEEK.id}/00000", f"{WEEK.id}/00001", f"{WEEK.id}/00002", f"{WEEK.id}/anchor"]


def test_a_discarded_draft_is_gone(store: Store) -> None:
    store.write_rewards(make_rewards(4, plan_id="draft"), WEEK, NOW)
    store.write_payouts(make_payouts(make_rewards(4, plan_id="draft")), [b"r"] * 3)
    store.discard_plan("draft")

    assert store.rewards("draft", range(9)) == []
    assert store.payouts_after("draft", "", 9) == []


def test_the_plan_itself_is_never_discarded(store: Store) -> None:
    rewards = write_plan(store, 4)
    store.discard_plan("plan")

    assert store.rewards("plan", range(9)) == rewards


def test_leftover_drafts_of_a_week_are_removed_and_the_plan_stays(store: Store) -> None:
    rewards = write_plan(store, 4)
    store.write_rewards(make_rewards(2, plan_id="crashed"), WEEK, NOW)
    store.write_payouts(make_payouts(make_rewards(2, plan_id="beaten")), [b"", b""])
    store.discard_other_plans(WEEK, "plan")

    assert store.rewards("plan", range(9)) == rewards
    assert len(store.payouts_after("plan", "", 9)) == 3
    assert store.rewards("crashed", range(9)) == []
    assert store.payouts_after("beaten", "", 9) == []


@pytest.mark.parametrize("is_archived", [False, True])
def test_a_week_that_is_reset_is_due_and_keeps_what_operators_noted_on_its_rewards(
    store_world: StoreWorld, is_archived: bool
) -> None:
    store = store_world.store
    first, second, *_ = rewards = write_plan(store, 2, held=2)
    held, redirected = rewards[2:]
    store.hold(held, "asked by mail")
    store.redirect(redirected, "another wallet")
    store.write_rewards(make_rewards(2, plan_id="draft"), WEEK, NOW)
    if is_archived:
        store_world.archive_week(WEEK)
    store.reset_week(WEEK, NOW)
    store.reset_week(WEEK, NOW)

    assert store.distribution(WEEK) == Distribution(WEEK, Stage.DUE, created_at=NOW)
    assert store.marked_rewards(WEEK) == [
        replace(held, operator_hold="asked by mail"),
        replace(redirected, redirected_to="another wallet"),
    ]
    assert store.marked_rewards(WEEK.next()) == []
    assert store.rewards("plan", range(2)) == [first, second]

    plan = make_plan(make_rewards(2, plan_id="draft"))
    assert store.install_plan(plan, PlanNotes(), replacing=None, now=NOW)
    store.discard_other_plans(WEEK, plan.plan_id)
    assert store.marked_rewards(WEEK) == []
    assert store.rewards("plan", range(9)) == []


# --- making a draft the plan -------------------------------------------------------------------


def test_a_draft_becomes_the_plan(store: Store) -> None:
    rewards = make_rewards(4, held=1)
    plan = make_plan(rewards)

    assert store.install_plan(plan, PlanNotes(), replacing=None, now=NOW)

    assert store.distribution(WEEK) == installed(plan)


def test_readers_see_totals_ratio_and_notes_of_the_plan(store: Store) -> None:
    notes = PlanNotes(
        excluded={"not eligible: status.banned": 2},
        excluded_points=50,
        held={"no wallet address": 1},
        malformed_count=3,
        malformed=(MalformedContribution("42", "no user"),),
        unusable_stakes_count=1,
        unusable_stakes=(UnusableStake("7", "ada", "its amount is 0"),),
        late_points=7,
        floor_waived=True,
        lifted=5,
        excluded_users=(ExcludedUser("jose ", 50, "unknown user", "jose", "it has a blank"),),
        contributions=Fates(9, 3, 1, 2, 2, 1, points=100, points_left_out=80),
        after_cutoff=("43",),
    )
    store.install_plan(make_plan(make_rewards(4)), notes, replacing=None, now=NOW)

    seen = store.notes(WEEK)
    assert (seen["total_points"], seen["user_count"]) == (100, 4)
    assert (seen["total_tokens"], seen["total_amount_base_units"]) == (10.0, 10_000_000_000)
    assert seen["point_to_token_ratio"] == 0.1
    assert (seen["status"], seen["started_at"]) == ("pending", NOW)
    assert seen["notes"] == {
        "excluded": {"not eligible: status.banned": 2},
        "excluded_points": 50,
        "held": {"no wallet address": 1},
        "malformed_count": 3,
        "malformed": [{"_id": "42", "reason": "no user"}],
        "unusable_stakes_count": 1,
        "unusable_stakes": [{"id": "7", "user_id": "ada", "reason": "its amount is 0"}],
        "late_points": 7,
        "floor_waived": True,
        "lifted": 5,
        "excluded_users": [
            {
                "user_id": "jose ",
                "points": 50,
                "reason": "unknown user",
                "looks_like": "jose",
                "difference": "it has a blank",
            }
        ],
        "contributions": {
            "seen": 9,
            "counted": 3,
            "late": 1,
            "excluded": 2,
            "malformed": 2,
            "after_cutoff": 1,
            "points": 100,
            "points_left_out": 80,
        },
        "after_cutoff": ["43"],
    }
    assert seen["root"] == (b"r" * 32).hex()


def test_only_the_first_of_two_drafts_becomes_the_plan(store: Store) -> None:
    first, second = make_rewards(4, plan_id="first"), make_rewards(4, plan_id="second")

    assert store.install_plan(make_plan(first), PlanNotes(), replacing=None, now=NOW)
    assert not store.install_plan(make_plan(second), PlanNotes(), replacing=None, now=NOW)

    distribution = store.distribution(WEEK)
    assert distribution is not None
    assert distribution.plan_id == "first"


def test_installing_the_same_plan_again_says_yes(store: Store) -> None:
    plan = make_plan(make_rewards(4))

    assert store.install_plan(plan, PlanNotes(), replacing=None, now=NOW)
    assert store.install_plan(plan, PlanNotes(), replacing=None, now=LATER)
    assert store.notes(WEEK)["started_at"] == NOW


def test_a_plan_is_replaced_only_by_who_knows_it(store: Store) -> None:
    write_plan(store, 4)
    adopted = make_plan(make_rewards(4, plan_id="adopted"))

    assert not store.install_plan(adopted, PlanNotes(), replacing="unknown", now=LATER)
    assert store.install_plan(adopted, PlanNotes(), replacing="plan", now=LATER)
    assert store.notes(WEEK)["started_at"] == NOW


def test_old_drafts_are_removed_and_marked_or_installed_plans_stay(store: Store) -> None:
    write_plan(store, 4)
    for name, at in (("old", NOW), ("marked", NOW), ("new", LATER)):
        rewards = make_rewards(4, plan_id=name)
        store.write_rewards(rewards, WEEK, at)
        store.write_payouts(make_payouts(rewards), [b""] * len(make_payouts(rewards)))
    store.hold(make_rewards(4, plan_id="marked")[0], "asked by mail")

    store.discard_drafts(WEEK.next(), LATER)
    store.discard_drafts(WEEK, NOW)
    assert len(store.rewards("old", range(4))) == 4
    store.discard_drafts(WEEK, LATER)

    counts = {n: len(store.rewards(n, range(4))) for n in ("plan", "old", "marked", "new")}
    assert counts == {"plan": 4, "old": 0, "marked": 4, "new": 4}
    assert store.payouts_after("old", "", 9) == []
    assert store.payouts_after("plan", "", 9) != []


def test_a_replaced_plan_loses_its_approval_and_its_troubles(store: Store) -> None:
    assert store.approve(WEEK, make_plan(write_plan(store, 4)).root)
    store.record_failure(WEEK, reason="short", next_attempt_at=LATER, attempts=3, stopped=True)
    plan = make_plan(make_rewards(4, plan_id="adopted"))
    store.install_plan(plan, PlanNotes(), replacing="plan", now=LATER)

    assert store.distribution(WEEK) == installed(plan)


@pytest.mark.parametrize("stage", [Stage.ANCHORED, Stage.PREPARED])
def test_an_anchored_plan_is_never_replaced(store: Store, stage: Stage) -> None:
    write_plan(store, 4)
    store.advance(WEEK, "plan", Stage.PLANNED, Stage.ANCHORED)
    if stage is Stage.PREPARED:
        store.advance(WEEK, "plan", Stage.ANCHORED, Stage.PREPARED)
    other = make_plan(make_rewards(4, plan_id="other"))

    assert not store.install_plan(other, PlanNotes(), replacing="plan", now=LATER)


# --- a week's stages ---------------------------------------------------------------------------


def test_a_week_advances_with_its_facts_and_forgets_its_troubles(store: Store) -> None:
    write_plan(store, 4)
    store.record_failure(WEEK, reason="no funds", next_attempt_at=LATER, attempts=3, stopped=True)

    assert store.advance(WEEK, "plan", Stage.PLANNED, Stage.ANCHORED, signature="sig")

    found = store.distribution(WEEK)
    assert found is not None
    assert (found.stage, found.signature) == (Stage.ANCHORED, "sig")
    assert (found.attempts, found.reason, found.stopped) == (0, None, False)
    assert found.next_attempt_at is None
    assert store.notes(WEEK)["distribution_tx_hash"] == "sig"
    assert store.notes(WEEK)["status"] == "processing"


def test_a_week_completes_and_reopens(store: Store) -> None:
    write_plan(store, 4)
    freeze(store)

    assert store.advance(WEEK, "plan", Stage.PREPARED, Stage.COMPLETED, completed_at=LATER)
    found = store.distribution(WEEK)
    assert found is not None
    assert (found.stage, found.completed_at) == (Stage.COMPLETED, LATER)
    assert store.notes(WEEK)["status"] == "completed"

    assert store.advance(WEEK, "plan", Stage.COMPLETED, Stage.PREPARED)
    assert store.notes(WEEK)["status"] == "processing"


def test_of_two_workers_one_advances_a_week(store: Store) -> None:
    write_plan(store, 4)

    assert store.advance(WEEK, "plan", Stage.PLANNED, Stage.ANCHORED)
    assert not store.advance(WEEK, "plan", Stage.PLANNED, Stage.ANCHORED)
    assert not store.advance(WEEK, "other plan", Stage.ANCHORED, Stage.PREPARED)
    assert not store.advance(WEEK.next(), "plan", Stage.PLANNED, Stage.ANCHORED)


def test_a_step_that_there_is_not_is_an_error(store: Store) -> None:
    write_plan(store, 4)

    with pytest.raises(IllegalTransition, match="completed"):
        store.advance(WEEK, "plan", Stage.PLANNED, Stage.COMPLETED)


@pytest.mark.parametrize(("stopped", "status"), [(False, "processing"), (True, "failed")])
def test_a_failure_is_recorded_and_shown(store: Store, stopped: bool, status: str) -> None:
    write_plan(store, 4)
    freeze(store)
    store.record_failure(
        WEEK, reason="$short of {funds}", next_attempt_at=LATER, attempts=2, stopped=stopped
    )

    found = store.distribution(WEEK)
    assert found is not None
    assert (found.reason, found.attempts, found.stopped) == ("$short of {funds}", 2, stopped)
    assert found.next_attempt_at == LATER
    assert store.notes(WEEK)["status"] == status


def test_a_failure_before_the_anchor_is_pending(store: Store) -> None:
    store.ensure_distribution(WEEK, NOW)
    store.record_failure(WEEK, reason="wait", next_attempt_at=LATER, attempts=1, stopped=False)

    assert store.notes(WEEK)["status"] == "pending"


def test_an_approval_is_recorded_and_makes_the_week_due(store: Store) -> None:
    write_plan(store, 4)
    store.record_failure(WEEK, reason="approval", next_attempt_at=LATER, attempts=0, stopped=False)
    another = bytes(32)
    assert not store.approve(WEEK, another)
    assert store.approve(WEEK, make_plan(make_rewards(4)).root)

    found = store.distribution(WEEK)
    assert found is not None
    assert found.approved
    assert found.next_attempt_at is None


def test_one_worker_of_two_takes_a_week_as_both_have_read_it(store: Store) -> None:
    write_plan(store, 4)
    read = store.distribution(WEEK)
    assert read is not None

    assert [store.reserve(read, LATER), store.reserve(read, LATER)] == [True, False]
    assert store.distribution(WEEK) == replace(read, next_attempt_at=LATER)


def test_a_taken_week_can_be_taken_again_as_it_is_now(store: Store) -> None:
    read = store.ensure_distribution(WEEK, NOW)
    assert store.reserve(read, NOW)
    taken = store.distribution(WEEK)
    assert taken is not None

    assert store.reserve(taken, LATER)
    assert not store.reserve(taken, LATER)


def test_a_week_that_advanced_meanwhile_is_not_taken(store: Store) -> None:
    write_plan(store, 4)
    read = store.distribution(WEEK)
    assert read is not None
    store.advance(WEEK, "plan", Stage.PLANNED, Stage.ANCHORED)

    assert not store.reserve(read, LATER)
    found = store.distribution(WEEK)
    assert found is not None
    assert found.next_attempt_at is None


def test_an_unknown_week_is_not_taken(store: Store) -> None:
    assert not store.reserve(Distribution(WEEK, Stage.DUE), LATER)
    assert store.distribution(WEEK) is None


def test_what_stops_an_unknown_week_is_not_recorded_anywhere(store: Store) -> None:
    store.record_failure(WEEK, reason="x", next_attempt_at=LATER, attempts=1, stopped=True)
    assert not store.approve(WEEK, bytes(32))
    store.record_notes(WEEK, durations={})

    assert store.distribution(WEEK) is None
    assert store.requeue(WEEK) == 0


def test_facts_for_people_are_kept_beside_the_rest(store: Store) -> None:
    store.ensure_distribution(WEEK, NOW)
    store.record_notes(WEEK, durations={"plan": 1.5}, checked_at=NOW)
    store.record_notes(WEEK, reconciliation={"paid": 2**40, "ok": True, "steps": ("a", "b")})

    seen = store.notes(WEEK)
    assert seen["durations"] == {"plan": 1.5}
    assert seen["checked_at"] == NOW
    assert seen["reconciliation"] == {"paid": 2**40, "ok": True, "steps": ["a", "b"]}
    assert seen["stage"] == "due"


# --- requeueing --------------------------------------------------------------------------------


def test_requeueing_makes_a_stopped_week_due(store: Store) -> None:
    store.ensure_distribution(WEEK, NOW)
    store.record_failure(WEEK, reason="x", next_attempt_at=LATER, attempts=12, stopped=True)

    assert store.requeue(WEEK) == 1

    found = store.distribution(WEEK)
    assert found is not None
    assert (found.attempts, found.reason, found.stopped) == (0, None, False)
    assert found.next_attempt_at is None
    assert store.notes(WEEK)["status"] == "pending"


def test_requeueing_makes_open_payouts_and_waiting_rewards_due(store: Store) -> None:
    rewards = write_plan(store, 4, held=2)
    freeze(store)
    first, second = store.claim("plan", range(9), 9, now=NOW, until=LATER)
    store.settle([Settlement(first, PayoutStatus.PAID, "sig", 1, None, True, NOW)], NOW)
    far = NOW + timedelta(days=2)
    store.postpone([Postponement(second, far, "timeout")])
    store.set_aside(rewards[4], Status.FAILED, "frozen", far)

    assert store.requeue(WEEK) == 3  # one batch, two held rewards

    assert [p.id for p in store.claim("plan", range(9), 9, now=NOW, until=LATER)] == [second.id]
    due = store.rewards_to_pay_alone("plan", NOW, 9)
    assert [(r.position, r.status) for r in due] == [(4, Status.PENDING), (5, Status.PENDING)]


def test_requeueing_leaves_what_an_operator_holds(store: Store) -> None:
    rewards = write_plan(store, 0, held=2)
    store.hold(rewards[0], "asked by the user")

    assert store.requeue(WEEK) == 1
    assert [r.position for r in store.rewards_to_pay_alone("plan", NOW, 9)] == [1]


def test_singles_are_written_and_found(store: Store) -> None:
    rewards = write_plan(store, 3, held=1)
    single = make_single(rewards[3])
    store.write_payouts([single], [b""])

    assert store.payout("plan", single.id) == single
    assert store.batch_roots("plan") == [b"root-1"]


# --- switches ----------------------------------------------------------------------------------


def test_a_pause_lasts_until_it_is_lifted(store: Store) -> None:
    assert store.paused() is None
    store.pause("maintenance")
    assert store.paused() == "maintenance"
    store.pause(None)
    store.pause(None)
    assert store.paused() is None


def test_heartbeats_are_kept_by_name(store: Store) -> None:
    assert store.last_beat("sweep") is None
    store.beat("sweep", NOW)
    store.beat("beat", LATER)
    store.beat("sweep", LATER)
    assert store.last_beat("sweep") == LATER


# --- reads of watchers ---------------------------------------------------------------------------


def test_counts_add_up_whoever_counts(store: Store) -> None:
    assert store.counts() == {}
    store.add_counts({"re_signs": 2, "rpc_errors/rpc -32005": 1, "rpc_errors/http 4.9": 0})
    store.add_counts({"re_signs": 2**40})
    store.add_counts({})
    assert store.counts() == {"re_signs": 2**40 + 2, "rpc_errors/rpc -32005": 1}


def test_a_mark_is_made_once_until_it_is_taken_away(store: Store) -> None:
    assert store.mark("closed/2024-12-09", NOW)
    assert not store.mark("closed/2024-12-09", LATER)
    assert store.mark("closed/2024-12-16", NOW)
    assert store.marked_at("closed/2024-12-09") == NOW
    store.unmark("closed/2024-12-09")
    store.unmark("never made")
    assert store.marked_at("closed/2024-12-09") is None
    assert store.mark("closed/2024-12-09", LATER)


def test_figures_are_replaced_as_a_whole(store: Store) -> None:
    assert store.figures("funds") == {}
    store.record_figures("funds", {"at": NOW, "tokens": 2**62, "allowance": None})
    store.record_figures("funds", {"at": LATER, "tokens": 1})
    assert store.figures("funds") == {"at": LATER, "tokens": 1}
