"""The contract of both stores about payouts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from bson import ObjectId

from tests.contracts.store_worlds import (
    LATER,
    NOW,
    WEEK,
    StoreWorld,
    freeze,
    make_attempt,
    make_single,
    write_plan,
)
from tests.fakes.documents import user_document
from worker.core.lifecycle import IllegalTransition, PayoutStatus, Stage, Status
from worker.core.money import ONE_TOKEN, BaseUnits, Lamports
from worker.core.payout.backoff import NEVER
from worker.core.payout.records import Payout, PayoutKind, Postponement, Reward, Settlement, Tally
from worker.core.plan.receipts import BatchId
from worker.ports.payout import Store

VOID_REASON = "batch void: paid alone"
EVERYTHING = range(10_000)


@pytest.fixture
def store(store_world: StoreWorld) -> Store:
    return store_world.store


def claim_all(store: Store, *, now: datetime = NOW) -> list[Payout]:
    return store.claim("plan", EVERYTHING, 1000, now=now, until=now + timedelta(minutes=5))


def paid(payout: Payout, signature: str | None = "sig", slot: int | None = 77) -> Settlement:
    return Settlement(payout, PayoutStatus.PAID, signature, slot, Lamports(5000), True, NOW)


def void(payout: Payout) -> Settlement:
    return Settlement(payout, PayoutStatus.VOID, "void-sig", 78, Lamports(5000), True)


def statuses(store: Store, plan_id: str = "plan") -> list[Status]:
    return [reward.status for reward in store.rewards(plan_id, EVERYTHING)]


# --- claims ------------------------------------------------------------------------------------


def test_batches_are_claimed_in_order_and_the_anchor_never(store: Store) -> None:
    write_plan(store, 7)

    claimed = claim_all(store)

    assert [p.id for p in claimed] == [str(BatchId(WEEK, i)) for i in range(3)]
    assert {p.kind for p in claimed} == {PayoutKind.BATCH}


def test_a_leased_payout_is_not_claimed_twice(store: Store) -> None:
    write_plan(store, 7)
    first = store.claim("plan", EVERYTHING, 2, now=NOW, until=LATER)
    second = store.claim("plan", EVERYTHING, 2, now=NOW, until=LATER)

    assert [p.index for p in first] == [0, 1]
    assert [p.index for p in second] == [2]
    assert claim_all(store) == []


def test_a_lease_runs_out(store: Store) -> None:
    write_plan(store, 3)
    store.claim("plan", EVERYTHING, 9, now=NOW, until=LATER)

    assert claim_all(store, now=LATER - timedelta(milliseconds=1)) == []
    assert len(claim_all(store, now=LATER)) == 1


def test_a_released_payout_can_be_claimed_at_once(store: Store) -> None:
    write_plan(store, 7)
    claimed = claim_all(store)
    store.release(claimed[1:])

    assert [p.index for p in claim_all(store)] == [1, 2]


def test_a_claim_keeps_to_its_range_plan_and_limit(store: Store) -> None:
    write_plan(store, 12)

    assert [p.index for p in store.claim("plan", range(1, 3), 9, now=NOW, until=LATER)] == [1, 2]
    assert store.claim("other", EVERYTHING, 9, now=NOW, until=LATER) == []
    assert store.claim("plan", EVERYTHING, 0, now=NOW, until=LATER) == []


def test_a_postponed_payout_waits_and_counts_its_attempt(store: Store) -> None:
    write_plan(store, 3)
    (payout,) = claim_all(store)
    store.postpone([Postponement(payout, LATER, "timeout")])

    found = store.payout("plan", payout.id)
    assert found is not None
    assert (found.attempts, found.reason, found.next_attempt_at) == (1, "timeout", LATER)
    assert claim_all(store) == []
    (again,) = claim_all(store, now=LATER)
    assert again == found


def test_a_single_is_claimed_by_its_position(store: Store) -> None:
    rewards = write_plan(store, 3, held=2)
    single = make_single(rewards[4])
    store.write_payouts([single], [b""])

    assert store.claim("plan", range(4, 5), 9, now=NOW, until=LATER) == [single]
    assert [p.kind for p in claim_all(store)] == [PayoutKind.BATCH]


def test_open_ranges_hold_what_can_be_claimed(store: Store) -> None:
    rewards = write_plan(store, 12, held=30)
    store.write_payouts([make_single(rewards[41])], [b""])

    assert store.open_ranges("plan", 2, NOW) == [range(2), range(2, 4), range(40, 42)]
    store.claim("plan", range(2), 9, now=NOW, until=LATER)
    assert store.open_ranges("plan", 2, NOW) == [range(2, 4), range(40, 42)]
    assert store.open_ranges("plan", 100, LATER) == [range(100)]
    assert store.open_ranges("other", 2, NOW) == []


def test_resolved_payouts_are_not_open(store: Store) -> None:
    write_plan(store, 6)
    first, second = claim_all(store)
    store.settle([paid(first), void(second)], NOW)

    assert store.open_ranges("plan", 10, LATER) == []
    assert claim_all(store, now=LATER) == []
    store.release([first, second])
    store.postpone([Postponement(first, LATER, "late answer")])
    found = store.payout("plan", first.id)
    assert found is not None
    assert (found.status, found.attempts) == (PayoutStatus.PAID, 0)


# --- attempts ----------------------------------------------------------------------------------


def test_an_attempt_is_durable_and_its_rewards_are_processing(store: Store) -> None:
    write_plan(store, 5)
    first, _ = claim_all(store)
    attempt = make_attempt(at=NOW.replace(microsecond=5000))
    store.record_attempts([(first, attempt)])
    assert statuses(store) == [Status.PENDING] * 5
    store.mark_processing([first])

    found = store.payout("plan", first.id)
    assert found is not None
    assert found.attempt == attempt
    assert found.status is PayoutStatus.PROCESSING
    assert statuses(store) == [Status.PROCESSING] * 3 + [Status.PENDING] * 2


def test_the_newest_attempt_counts(store: Store) -> None:
    write_plan(store, 3)
    (payout,) = claim_all(store)
    for number in range(25):
        store.record_attempts([(payout, make_attempt(f"sig-{number}"))])

    found = store.payout("plan", payout.id)
    assert found is not None
    assert found.attempt is not None
    assert found.attempt.signature == "sig-24"


def test_the_last_batch_may_be_smaller(store: Store) -> None:
    write_plan(store, 4, held=2)
    _, last = claim_all(store)
    store.record_attempts([(last, make_attempt())])
    store.mark_processing([last])

    assert statuses(store) == [*[Status.PENDING] * 3, Status.PROCESSING, *[Status.PENDING] * 2]


def test_an_anchor_has_attempts_but_no_rewards(store: Store) -> None:
    write_plan(store, 3)
    anchor = store.payout("plan", f"{WEEK.id}/anchor")
    assert anchor is not None
    store.record_attempts([(anchor, make_attempt())])
    store.settle([paid(anchor)], NOW)

    found = store.payout("plan", anchor.id)
    assert found is not None
    assert (found.status, found.signature) == (PayoutStatus.PAID, "sig")
    assert statuses(store) == [Status.PENDING] * 3


def test_an_attempt_after_the_end_changes_nothing(store: Store) -> None:
    write_plan(store, 3)
    (payout,) = claim_all(store)
    store.settle([paid(payout)], NOW)
    store.record_attempts([(payout, make_attempt("too late"))])

    found = store.payout("plan", payout.id)
    assert found is not None
    assert (found.status, found.attempt) == (PayoutStatus.PAID, None)
    assert statuses(store) == [Status.COMPLETED] * 3


# --- settlements -------------------------------------------------------------------------------


def test_a_paid_batch_completes_its_rewards_and_no_others(store: Store) -> None:
    write_plan(store, 5, held=1)
    first, _ = claim_all(store)
    store.settle([paid(first)], NOW)

    found = store.payout("plan", first.id)
    assert found is not None
    assert (found.status, found.signature, found.slot) == (PayoutStatus.PAID, "sig", 77)
    rewards = store.rewards("plan", EVERYTHING)
    assert [r.status for r in rewards] == [Status.COMPLETED] * 3 + [Status.PENDING] * 3
    assert [r.signature for r in rewards] == ["sig"] * 3 + [None] * 3
    assert rewards[5].reason == "no wallet address"


def test_settling_again_changes_nothing(store: Store) -> None:
    write_plan(store, 6)
    first, second = claim_all(store)
    store.settle([paid(first), void(second)], NOW)
    before = (store.rewards("plan", EVERYTHING), store.payouts_after("plan", "", 9))
    store.settle([paid(first), void(second)], LATER)

    assert (store.rewards("plan", EVERYTHING), store.payouts_after("plan", "", 9)) == before


def test_a_signature_that_could_not_be_read_is_added_later(store: Store) -> None:
    write_plan(store, 3)
    (payout,) = claim_all(store)
    store.settle([Settlement(payout, PayoutStatus.PAID, None, None, None, False)], NOW)
    assert statuses(store) == [Status.COMPLETED] * 3
    assert store.rewards("plan", range(1))[0].signature is None

    store.settle([paid(payout)], LATER)
    store.settle([Settlement(payout, PayoutStatus.PAID, None, None, None, False)], LATER)

    found = store.payout("plan", payout.id)
    assert found is not None
    assert (found.signature, found.slot) == ("sig", 77)
    assert store.rewards("plan", range(1))[0].signature == "sig"


def test_the_rewards_of_a_void_batch_wait_to_be_paid_alone(store: Store) -> None:
    write_plan(store, 5)
    first, _ = claim_all(store)
    store.record_attempts([(first, make_attempt())])
    store.settle([void(first)], NOW)

    found = store.payout("plan", first.id)
    assert found is not None
    assert (found.status, found.signature) == (PayoutStatus.VOID, "void-sig")
    waiting = store.rewards_to_pay_alone("plan", NOW, 10)
    assert [(r.position, r.status, r.reason) for r in waiting] == [
        (position, Status.PENDING, VOID_REASON) for position in range(3)
    ]
    assert [r.signature for r in waiting] == [None] * 3


def test_a_void_that_is_settled_again_does_not_disturb_a_single(store: Store) -> None:
    rewards = write_plan(store, 3)
    (batch,) = claim_all(store)
    store.settle([void(batch)], NOW)
    store.write_payouts([make_single(rewards[0]), make_single(rewards[1])], [b"", b""])
    first, second = claim_all(store)
    store.settle([paid(first, "single-sig")], NOW)
    store.record_attempts([(second, make_attempt())])
    store.mark_processing([batch, second])
    store.settle([void(batch)], LATER)

    assert statuses(store) == [Status.COMPLETED, Status.PROCESSING, Status.PENDING]
    assert [r.position for r in store.rewards_to_pay_alone("plan", LATER, 9)] == [2]


def test_a_paid_single_completes_its_reward(store: Store) -> None:
    rewards = write_plan(store, 0, held=2)
    store.write_payouts([make_single(rewards[1])], [b""])
    (single,) = claim_all(store)
    store.record_attempts([(single, make_attempt())])
    store.mark_processing([single])
    assert statuses(store) == [Status.PENDING, Status.PROCESSING]
    store.settle([paid(single, "single-sig")], NOW)

    found = store.reward(WEEK, rewards[1].user_id)
    assert found is not None
    assert (found.status, found.signature, found.reason) == (Status.COMPLETED, "single-sig", None)


def test_a_single_that_somebody_voided_fails_its_reward_visibly(store: Store) -> None:
    rewards = write_plan(store, 0, held=1)
    store.write_payouts([make_single(rewards[0])], [b""])
    (single,) = claim_all(store)
    store.settle([void(single)], NOW)

    (reward,) = store.rewards("plan", EVERYTHING)
    assert reward.status is Status.FAILED
    assert reward.reason == "its receipt is void: it can never be paid"
    assert store.rewards_to_pay_alone("plan", LATER, 9) == []


@pytest.mark.parametrize("first", [paid, void])
def test_the_chain_never_says_two_things(
    store: Store, first: Callable[[Payout], Settlement]
) -> None:
    write_plan(store, 6)
    one, two = claim_all(store)
    store.settle([first(one)], NOW)
    second = void if first is paid else paid

    with pytest.raises(IllegalTransition, match=one.id):
        store.settle([second(one), paid(two)], NOW)

    kept, settled = store.payout("plan", one.id), store.payout("plan", two.id)
    assert kept is not None
    assert settled is not None
    assert kept.status is first(one).status
    assert settled.status is PayoutStatus.PAID


WRITES: dict[str, Callable[[Store, Payout], None]] = {
    "record_attempts": lambda store, p: store.record_attempts([(p, make_attempt("new"))]),
    "mark_processing": lambda store, p: store.mark_processing([p]),
    "postpone": lambda store, p: store.postpone([Postponement(p, LATER, "timeout")]),
    "release": lambda store, p: store.release([p]),
    "settle as paid": lambda store, p: store.settle([paid(p)], NOW),
    "settle as void": lambda store, p: store.settle([void(p)], NOW),
}
S = PayoutStatus
MOVES = {
    "record_attempts": {S.PENDING: S.PROCESSING},
    "settle as paid": {S.PENDING: S.PAID, S.PROCESSING: S.PAID},
    "settle as void": {S.PENDING: S.VOID, S.PROCESSING: S.VOID},
}
"""All changes of a payout's status by a write. Every other status stays the same."""
CONTRADICTIONS = {("settle as paid", S.VOID), ("settle as void", S.PAID)}


def payout_that_is(store: Store, status: PayoutStatus) -> Payout:
    write_plan(store, 3)
    (payout,) = claim_all(store)
    if status is S.PROCESSING:
        store.record_attempts([(payout, make_attempt("old"))])
    elif status.is_resolved:
        store.settle([paid(payout) if status is S.PAID else void(payout)], NOW)
    found = store.payout("plan", payout.id)
    assert found is not None
    assert found.status is status
    return found


@pytest.mark.parametrize("status", PayoutStatus)
@pytest.mark.parametrize("write", WRITES)
def test_a_resolved_payout_never_changes_and_a_signed_one_never_forgets_it(
    store: Store, write: str, status: PayoutStatus
) -> None:
    before = payout_that_is(store, status)
    if (write, status) in CONTRADICTIONS:
        with pytest.raises(IllegalTransition, match=f"is {status} and cannot become"):
            WRITES[write](store, before)
    else:
        WRITES[write](store, before)

    after = store.payout("plan", before.id)
    assert after is not None
    assert after.status is MOVES.get(write, {}).get(status, status)
    assert after == before or not status.is_resolved


def test_settling_what_is_not_there_is_harmless(store: Store) -> None:
    write_plan(store, 3)
    (payout,) = claim_all(store)
    store.settle([paid(replace(payout, id="2024-12-09/00042", index=42))], NOW)
    store.settle([], NOW)
    store.record_attempts([])
    store.postpone([])

    assert statuses(store) == [Status.PENDING] * 3


# --- rewards paid alone ------------------------------------------------------------------------


def test_held_rewards_wait_and_those_in_batches_do_not(store: Store) -> None:
    write_plan(store, 3, held=2)

    assert [r.position for r in store.rewards_to_pay_alone("plan", NOW, 9)] == [3, 4]
    assert [r.position for r in store.rewards_to_pay_alone("plan", NOW, 1)] == [3]
    assert store.rewards_to_pay_alone("plan", NOW, 0) == []


def test_a_reward_with_a_single_waits_no_more(store: Store) -> None:
    rewards = write_plan(store, 0, held=2)
    store.write_payouts([make_single(rewards[0])], [b""])
    store.write_payouts([make_single(rewards[0])], [b""])

    assert [r.position for r in store.rewards_to_pay_alone("plan", NOW, 9)] == [1]


def test_a_reward_set_aside_comes_back_oldest_try_first(store: Store) -> None:
    rewards = write_plan(store, 0, held=4)
    minute = timedelta(minutes=1)
    store.set_aside(rewards[0], Status.PENDING, "wallet is not an address", NOW + 2 * minute)
    store.set_aside(rewards[1], Status.FAILED, "token account is frozen", NOW + minute)
    store.set_aside(rewards[2], Status.PENDING, "later", NOW + 9 * minute)

    due = store.rewards_to_pay_alone("plan", NOW + 2 * minute, 9)
    assert [(r.position, r.reason) for r in due] == [
        (3, "no wallet address"),
        (1, "token account is frozen"),
        (0, "wallet is not an address"),
    ]
    assert due[1].status is Status.FAILED


def test_a_paid_reward_is_not_set_aside_redirected_or_held(store: Store) -> None:
    write_plan(store, 3)
    store.settle([paid(p) for p in claim_all(store)], NOW)
    (reward, *_) = store.rewards("plan", EVERYTHING)
    store.set_aside(reward, Status.FAILED, "too late", LATER)
    store.redirect(reward, "elsewhere")
    store.hold(reward, "too late")

    assert store.rewards("plan", range(1)) == [reward]


def test_a_redirect_reaches_the_reward_and_its_open_single(store: Store) -> None:
    rewards = write_plan(store, 0, held=1)
    store.write_payouts([make_single(rewards[0])], [b""])
    (single,) = claim_all(store)
    store.postpone([Postponement(single, LATER + timedelta(days=1), "frozen")])
    store.redirect(rewards[0], "a new wallet")

    (reward,) = store.rewards("plan", EVERYTHING)
    assert reward.redirected_to == "a new wallet"
    (again,) = claim_all(store, now=LATER)
    assert again.wallet == "a new wallet"
    assert (single.attempts, again.attempts) == (0, 0)  # those were tries of the old wallet


def test_a_release_begins_the_tries_anew(store: Store) -> None:
    rewards = write_plan(store, 0, held=1)
    store.write_payouts([make_single(rewards[0])], [b""])
    (single,) = claim_all(store)
    store.postpone([Postponement(single, LATER + timedelta(days=1), "frozen")])
    store.hold(rewards[0], "a doubt")
    held = store.payout("plan", single.id)
    store.hold(rewards[0], None)
    again = store.payout("plan", single.id)
    assert held is not None
    assert again is not None
    assert (held.attempts, again.attempts) == (1, 0)


def test_a_reward_in_an_open_batch_is_not_redirected(store: Store) -> None:
    rewards = write_plan(store, 3)
    store.redirect(rewards[0], "elsewhere")
    assert store.rewards("plan", range(1))[0].redirected_to is None

    store.settle([void(p) for p in claim_all(store)], NOW)
    store.redirect(rewards[0], "elsewhere")
    assert store.rewards("plan", range(1))[0].redirected_to == "elsewhere"


def test_a_hold_keeps_a_waiting_reward_until_it_is_lifted(store: Store) -> None:
    rewards = write_plan(store, 0, held=1)
    store.hold(rewards[0], "asked by the user")

    assert store.rewards_to_pay_alone("plan", LATER, 9) == []
    (held,) = store.rewards("plan", EVERYTHING)
    assert held.operator_hold == "asked by the user"

    store.hold(held, None)
    assert len(store.rewards_to_pay_alone("plan", LATER, 9)) == 1


def test_a_hold_keeps_a_single_that_was_never_signed(store: Store) -> None:
    rewards = write_plan(store, 0, held=1)
    store.write_payouts([make_single(rewards[0])], [b""])
    store.hold(rewards[0], "asked by the user")

    assert claim_all(store) == []
    assert store.open_ranges("plan", 10, NOW) == []
    store.hold(rewards[0], None)
    assert len(claim_all(store)) == 1


def test_a_released_reward_and_its_single_are_due_at_once(store: Store) -> None:
    rewards = write_plan(store, 0, held=2)
    store.write_payouts([make_single(rewards[0])], [b""])
    (single,) = claim_all(store)
    store.postpone([Postponement(single, NEVER, "held")])
    for reward in rewards:
        store.hold(reward, "asked by the user")
        store.set_aside(reward, Status.PENDING, "later", NEVER)
        store.hold(reward, None)

    assert [p.id for p in claim_all(store)] == [single.id]
    assert [r.position for r in store.rewards_to_pay_alone("plan", NOW, 9)] == [1]


def test_a_hold_that_is_older_than_the_single_keeps_it(store: Store) -> None:
    rewards = write_plan(store, 0, held=1)
    store.hold(rewards[0], "asked by the user")
    store.write_payouts([make_single(rewards[0])], [b""])

    assert claim_all(store) == []


def test_a_held_single_that_was_signed_is_claimed_to_be_settled(store: Store) -> None:
    rewards = write_plan(store, 0, held=1)
    store.write_payouts([make_single(rewards[0])], [b""])
    (single,) = claim_all(store)
    store.record_attempts([(single, make_attempt())])
    store.hold(rewards[0], "too late for what is under way")

    assert [p.id for p in claim_all(store, now=LATER)] == [single.id]


def test_a_hold_of_a_reward_in_a_batch_counts_once_the_batch_is_void(store: Store) -> None:
    rewards = write_plan(store, 3)
    store.hold(rewards[1], "asked by the user")
    (batch,) = claim_all(store)
    store.settle([void(batch)], NOW)

    assert [r.position for r in store.rewards_to_pay_alone("plan", NOW, 9)] == [0, 2]


def test_a_reward_is_found_by_its_user_in_the_plan_only(store: Store) -> None:
    rewards = write_plan(store, 3)
    draft = [replace(r, plan_id="draft", late_points=99) for r in rewards]
    store.write_rewards(draft, WEEK, NOW)

    assert store.reward(WEEK, "user-00001") == rewards[1]
    assert store.reward(WEEK, "nobody") is None
    assert store.reward(WEEK.next(), "user-00001") is None


def test_a_reward_is_found_by_any_form_of_the_id(store: Store) -> None:
    reward = replace(write_plan(store, 1)[0], plan_id="other", user_id="507f1f77bcf86cd799439011")
    store.write_rewards([replace(reward, plan_id="plan", position=1)], WEEK, NOW)

    found = store.reward(WEEK, "507F1F77BCF86CD799439011")
    assert found is not None
    assert found.position == 1


# --- token accounts ----------------------------------------------------------------------------


def test_rewards_that_need_an_account_are_listed_by_position(store: Store) -> None:
    rewards = [replace(r, needs_account=r.position % 2 == 0) for r in write_plan(store, 1)]
    more = [
        replace(rewards[0], position=i, user_id=f"u{i}", needs_account=i % 2 == 0)
        for i in range(1, 9)
    ]
    store.write_rewards(more, WEEK, NOW)

    assert [r.position for r in store.rewards_needing_account("plan")] == [2, 4, 6, 8]
    assert list(store.rewards_needing_account("other")) == []
    assert store.count_needing_account("plan") == 4
    assert store.count_needing_account("other") == 0


def test_an_account_is_made_once_and_counted_by_its_time(store_world: StoreWorld) -> None:
    store = store_world.store
    hex_id = "507f1f77bcf86cd799439011"
    store_world.add_user(user_document(ObjectId(hex_id), "w1"))
    store_world.add_user(user_document("plain", "w2"))
    store.mark_accounts_made([(hex_id, "w1"), ("unknown", "w3")], NOW)
    store.mark_accounts_made([(hex_id, "w1"), ("plain", "w2")], LATER)

    assert store.accounts_made_since(NOW) == 2
    assert store.accounts_made_since(LATER) == 1
    assert store.accounts_made_since(LATER + timedelta(seconds=1)) == 0
    accounts = store.accounts([hex_id, "plain"], [])
    assert [account.had_token_account for account in accounts.values()] == [True, True]
    assert (accounts[hex_id].account_wallets, accounts["plain"].account_wallets) == (
        ("w1",),
        ("w2",),
    )


def test_another_wallet_has_an_account_of_its_own(store_world: StoreWorld) -> None:
    store = store_world.store
    store_world.add_user(user_document("mover", "w1"))
    store_world.add_user(user_document("older", "w3", had_token_account=True))
    store.mark_accounts_made([("mover", "w1")], NOW)
    store.mark_accounts_made([("mover", "w2"), ("mover", "w1")], LATER)

    accounts = store.accounts(["mover", "older"], [])
    assert accounts["mover"].account_wallets == ("w1", "w2")
    assert (accounts["older"].had_token_account, accounts["older"].account_wallets) == (True, ())
    assert store.accounts_made_since(LATER) == 1


# --- sums --------------------------------------------------------------------------------------


def tokens(amount: int) -> BaseUnits:
    return BaseUnits(amount * ONE_TOKEN)


def test_progress_of_an_unknown_plan_is_all_zero(store: Store) -> None:
    progress = store.progress("unknown")

    assert progress.rewards == dict.fromkeys(Status, Tally(0, BaseUnits(0)))
    assert progress.payouts == dict.fromkeys(PayoutStatus, 0)
    assert (progress.held, progress.next_attempt_at) == (Tally(0, BaseUnits(0)), None)
    assert (progress.fees, progress.signatures) == (0, 0)


def test_progress_sums_rewards_batches_fees_and_signatures(store: Store) -> None:
    rewards = write_plan(store, 9, held=2)  # 1 to 11 tokens
    anchor = store.payout("plan", f"{WEEK.id}/anchor")
    assert anchor is not None
    first, second, third = claim_all(store)
    store.settle([paid(anchor), paid(first), void(second)], NOW)
    store.record_attempts([(third, make_attempt())])
    store.mark_processing([third])
    store.postpone([Postponement(third, LATER, "timeout")])
    store.set_aside(rewards[10], Status.FAILED, "frozen", LATER + timedelta(hours=1))

    progress = store.progress("plan")

    assert progress.rewards == {
        Status.COMPLETED: Tally(3, tokens(1 + 2 + 3)),
        Status.PENDING: Tally(4, tokens(4 + 5 + 6 + 10)),
        Status.PROCESSING: Tally(3, tokens(7 + 8 + 9)),
        Status.FAILED: Tally(1, tokens(11)),
    }
    assert progress.payouts == {
        PayoutStatus.PAID: 1,
        PayoutStatus.VOID: 1,
        PayoutStatus.PROCESSING: 1,
        PayoutStatus.PENDING: 0,
    }
    assert progress.held == Tally(5, tokens(4 + 5 + 6 + 10 + 11))
    assert progress.next_attempt_at == LATER
    assert progress.fees == 15_000
    assert progress.signatures == 3
    assert store.batch_counts("plan") == progress.payouts


def test_the_next_attempt_of_what_an_operator_holds_does_not_count(store: Store) -> None:
    rewards = write_plan(store, 0, held=1)
    store.set_aside(rewards[0], Status.PENDING, "x", LATER)
    assert store.progress("plan").next_attempt_at == LATER
    store.hold(rewards[0], "asked by the user")
    assert store.progress("plan").next_attempt_at is None


def test_nothing_is_owed_before_the_anchor(store: Store) -> None:
    assert store.outstanding() == (0, 0)
    write_plan(store, 3, held=1)
    assert store.outstanding() == (0, 0)


def test_what_anchored_plans_owe_holds_batches_singles_and_held_rewards(store: Store) -> None:
    rewards = write_plan(store, 6, held=2)  # 1 to 8 tokens
    store.write_rewards([replace(r, plan_id="draft") for r in rewards], WEEK, NOW)
    store.advance(WEEK, "plan", Stage.PLANNED, Stage.ANCHORED)
    assert store.outstanding() == (tokens(36), 4)

    first, second = claim_all(store)
    store.settle([paid(first), void(second)], NOW)
    assert store.outstanding() == (tokens(4 + 5 + 6 + 7 + 8), 5)

    store.write_payouts([make_single(rewards[7])], [b""])
    assert store.outstanding() == (tokens(4 + 5 + 6 + 7 + 8), 5)
    store.settle([paid(p) for p in claim_all(store)], NOW)
    assert store.outstanding() == (tokens(4 + 5 + 6 + 7), 4)


def test_archived_weeks_still_owe_what_they_hold(store_world: StoreWorld) -> None:
    store = store_world.store
    write_plan(store, 3, held=1)
    freeze(store)
    store.settle([paid(p) for p in claim_all(store)], NOW)
    store.advance(WEEK, "plan", Stage.PREPARED, Stage.COMPLETED, completed_at=NOW)
    store_world.archive_week(WEEK)

    assert store.outstanding() == (tokens(4), 1)


def test_other_plans_are_not_touched(store: Store) -> None:
    rewards = write_plan(store, 3)
    other: list[Reward] = [replace(r, plan_id="other") for r in rewards]
    store.write_rewards(other, WEEK, NOW)
    store.settle([paid(p) for p in claim_all(store)], NOW)

    assert statuses(store, "other") == [Status.PENDING] * 3
