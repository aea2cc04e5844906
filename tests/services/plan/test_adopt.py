"""Adopting an anchored plan: its rows get their users, in any order and in little memory."""

from __future__ import annotations

import random
import uuid
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace

from bson import ObjectId
from hypothesis import given
from hypothesis import strategies as st

from tests.core.strategies import digests, user_ids
from tests.fakes.world import WEEK, World, store_of, user_id_of
from worker.core.identity import canonical_user_id, user_commitment
from worker.core.lifecycle import Status
from worker.core.money import BaseUnits
from worker.core.payout.records import PlanNotes, Reward
from worker.core.plan.commitment import Row
from worker.services.context import Context, Deadline
from worker.services.plan.adopt import adopt_anchored_plan, with_user_ids
from worker.services.plan.anchor import anchor_week
from worker.services.plan.plan_week import dry_run, plan_week
from worker.services.plan.publish import install_plan, write_and_publish_plan
from worker.services.plan.roster import sorted_outside

Rewrite = Callable[[list[Reward]], Iterable[Reward]]
run_sizes = st.sampled_from([1, 3, 1000])
"""Up to forty names then need many runs, few runs, or only memory."""
few_digests = st.sampled_from([bytes([i]) * 32 for i in range(5)] + [b"\xff" * 32])
"""A small range, so that rows and names often have the same users."""
odd_users = st.binary(max_size=40) | few_digests.map(lambda user: user[:-1])
"""The possible users of a row: a root proves only that somebody wrote the row."""
row_users = few_digests | digests
encodable_ids = user_ids.map(canonical_user_id) | st.just("")


def row_of(user: bytes) -> Row:
    return Row(user, "", 1, 10**6, BaseUnits(1), "")


def user_ids_of(
    users: Iterable[bytes], known: Iterable[tuple[bytes, str]], run: int = 1000
) -> list[str]:
    """The users of the rows, after a check that the rows are otherwise unchanged."""
    rows = [row_of(user) for user in users]
    names = sorted_outside((user + user_id.encode() for user, user_id in known), run)
    named = list(with_user_ids(iter(rows), names))
    assert [row for row, _ in named] == rows
    return [user_id for _, user_id in named]


def expected(users: Iterable[bytes], known: dict[bytes, str]) -> list[str]:
    return [known.get(user, f"commitment:{user.hex()}") for user in users]


# --- users of rows -------------------------------------------------------------------------------


@given(
    st.sets(row_users, max_size=20),
    st.sets(row_users, max_size=20),
    st.dictionaries(row_users, encodable_ids, max_size=20),
    st.data(),
)
def test_rows_are_for_whom_a_dictionary_says(
    batched: set[bytes], held: set[bytes], known: dict[bytes, str], data: st.DataObject
) -> None:
    batched |= {user for user in known if data.draw(st.booleans())}
    users = sorted(batched) + sorted(held)
    in_any_order = data.draw(st.permutations(list(known.items())))

    assert user_ids_of(users, in_any_order, data.draw(run_sizes)) == expected(users, known)


@given(
    st.lists(row_users | odd_users, max_size=20),
    st.dictionaries(row_users, encodable_ids, max_size=20),
    run_sizes,
)
def test_rows_may_be_in_any_order_twice_and_of_odd_users(
    users: list[bytes], known: dict[bytes, str], run: int
) -> None:
    assert user_ids_of(users, known.items(), run) == expected(users, known)


@given(st.dictionaries(row_users, encodable_ids, min_size=1, max_size=20), st.data())
def test_a_user_who_is_stored_in_two_forms_is_one(
    known: dict[bytes, str], data: st.DataObject
) -> None:
    twice = [*known.items(), data.draw(st.sampled_from(list(known.items())))]

    users = sorted(known)
    assert user_ids_of(users, twice, data.draw(run_sizes)) == expected(users, known)


def test_a_plan_without_rows_and_a_wiki_without_users_are_possible() -> None:
    assert user_ids_of([], [(b"a" * 32, "somebody")]) == []
    assert user_ids_of([b"a" * 32], []) == [f"commitment:{'61' * 32}"]


def test_names_are_read_once_for_each_ascending_part() -> None:
    class Counted(list[bytes]):
        passes = 0

        def __iter__(self) -> Iterator[bytes]:
            self.passes += 1
            return super().__iter__()

    users = [bytes([i]) * 32 for i in range(20)]
    names = Counted(user + b"somebody" for user in users)

    assert len(list(with_user_ids(map(row_of, users[::2] + users[1::2]), names))) == 20
    assert names.passes == 2


# --- adopting ------------------------------------------------------------------------------------


def anchored(world: World, rewrite: Rewrite = lambda rewards: rewards) -> Context:
    """Anchor a plan of eight users, two of them held, and return an operator without this plan."""
    for i in range(8):
        world.add_user(f"u{i}", wallet=None if i % 4 == 0 else "own")
        world.contribute(f"u{i}", 100 + i)
    rival = world.add_operator()
    store_of(rival).restore(store_of(world.first).snapshot())
    world.genesis()
    write_anchored(world.first, rewrite)
    # The plan has no record of what it leaves out, so somebody must approve it.
    assert world.first.store.approve(WEEK, world.distribution().root or b"")
    anchor_week(world.first, WEEK, Deadline(world.clock, 600))
    return rival


def write_anchored(context: Context, rewrite: Rewrite) -> None:
    """Install a plan whose rewards were rewritten before it was sealed."""
    draft, plan_id = dry_run(context, WEEK), uuid.uuid4().hex
    rewritten = rewrite(list(draft.rewards(plan_id)))
    rewards = (replace(reward, position=i) for i, reward in enumerate(rewritten))
    context.store.ensure_distribution(WEEK, context.clock.now())
    seal = write_and_publish_plan(context, draft.header, rewards, plan_id)
    install_plan(context, seal, PlanNotes(), plan_id, replacing=None)


def adopted(context: Context) -> list[Reward]:
    seal = adopt_anchored_plan(context, WEEK, WEEK)
    distribution = context.store.distribution(WEEK)
    assert distribution is not None
    assert distribution.root == seal.root
    plan_id = distribution.plan_id or ""
    return list(context.store.rewards(plan_id, range(seal.header.rewards)))


def rows_of(context: Context) -> list[Row]:
    distribution = context.store.distribution(WEEK)
    assert distribution is not None
    return list(context.store.rows(distribution.plan_id or "", range(8)))


def commitment(context: Context, name: str) -> bytes:
    return user_commitment(context.chain.plan_salt(WEEK), user_id_of(name))


def test_an_adopted_plan_has_the_same_rows_and_our_users(world: World) -> None:
    rival = anchored(world)

    rewards = adopted(rival)

    assert [reward.row for reward in rewards] == rows_of(world.first)
    assert {r.user_id: r.row.user for r in rewards} == {
        user_id_of(f"u{i}"): commitment(rival, f"u{i}") for i in range(8)
    }
    assert {reward.status for reward in rewards} == {Status.PENDING}
    held = {user_id_of(name) for name in ("u0", "u4")}
    assert {r.user_id for r in rewards if r.reason == "held by the anchored plan"} == held


def test_a_user_we_do_not_know_is_adopted_under_their_commitment(world: World) -> None:
    rival = anchored(world)
    del store_of(rival).state.users[ObjectId(user_id_of("u3"))]

    rewards = adopted(rival)

    unknown = commitment(rival, "u3")
    names = {reward.row.user: reward.user_id for reward in rewards}
    assert names.pop(unknown) == f"commitment:{unknown.hex()}"
    assert set(names.values()) == {user_id_of(f"u{i}") for i in range(8) if i != 3}
    assert [reward.row for reward in rewards] == rows_of(world.first)


def test_a_user_whom_the_plan_does_not_pay_changes_nothing(world: World) -> None:
    rival = anchored(world)
    store_of(rival).add_user({"_id": "somebody else"})

    assert {r.user_id for r in adopted(rival)} == {user_id_of(f"u{i}") for i in range(8)}


def shuffled(rewards: list[Reward]) -> list[Reward]:
    """Shuffle the rows within each part. The parts and the batch names stay."""
    payable, held = rewards[:6], rewards[6:]
    order = random.Random(7).sample(payable, len(payable))
    moved = [
        replace(reward, row=replace(reward.row, batch=place.row.batch))
        for reward, place in zip(order, payable, strict=True)
    ]
    return moved + held[::-1]


def test_rows_in_another_order_are_adopted_as_they_are(world: World) -> None:
    rival = anchored(world, shuffled)
    known = {commitment(rival, f"u{i}"): user_id_of(f"u{i}") for i in range(8)}

    rewards = adopted(rival)

    users = [reward.row.user for reward in rewards]
    assert users[:6] != sorted(users[:6])
    assert [reward.row for reward in rewards] == rows_of(world.first)
    assert [reward.user_id for reward in rewards] == [known[user] for user in users]


def test_a_hold_after_the_anchor_does_not_change_a_plan_that_is_computed_again(
    world: World,
) -> None:
    world.populate(3)
    world.genesis()
    plan_week(world.first, WEEK)
    anchor_week(world.first, WEEK, Deadline(world.clock, 300))
    anchored = world.distribution().root
    reward = world.first.store.reward(WEEK, user_id_of("user 0"))
    assert reward is not None
    world.first.store.hold(reward, "asked by mail")
    world.archive.files.clear()
    world.first.store.reset_week(WEEK, world.clock.now())

    assert plan_week(world.first, WEEK).root == anchored

    again = world.first.store.reward(WEEK, user_id_of("user 0"))
    assert again is not None
    assert again.operator_hold == "asked by mail"
