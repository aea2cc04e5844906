"""A draft: its order, the cap on new accounts, and its small memory."""

from __future__ import annotations

import tracemalloc
from collections import Counter
from dataclasses import replace

import pytest

from tests.fakes.world import WEEK, World, store_of
from worker.core.payout.hold import NO_WALLET
from worker.core.plan.entrant import OVER_ACCOUNT_CAP
from worker.core.plan.receipts import BatchId
from worker.services.plan import draft
from worker.services.plan.draft import Draft
from worker.services.plan.plan_week import dry_run
from worker.services.plan.roster import Roster


def drafted(world: World, users: int = 12) -> Draft:
    """A draft in which every third user has no wallet, and half of the others no token account."""
    for i in range(users):
        world.add_user(f"u{i}", wallet=None if i % 3 == 0 else "own", account=i % 2 == 0)
        world.contribute(f"u{i}", 100 + i)
    world.genesis()
    return dry_run(world.first, WEEK)


def test_batched_rewards_come_first_and_each_part_ascends(world: World) -> None:
    rewards = list(drafted(world).rewards("plan"))

    batches = [reward.row.batch for reward in rewards]
    assert batches == [str(BatchId(WEEK, i // 3)) for i in range(8)] + [""] * 4
    assert [reward.position for reward in rewards] == list(range(12))
    users = [reward.row.user for reward in rewards]
    assert (users[:8], users[8:]) == (sorted(users[:8]), sorted(users[8:]))


def test_the_header_and_notes_say_what_the_rewards_are(world: World) -> None:
    found = drafted(world)

    rewards, header = list(found.rewards("plan")), found.header
    assert header.rewards == len(rewards)
    assert header.held == sum(reward.reason is not None for reward in rewards)
    assert found.notes.held == Counter(r.reason for r in rewards if r.reason is not None)
    assert header.total_points == sum(reward.row.points for reward in rewards)
    assert header.total_weight == sum(reward.row.weight for reward in rewards)
    assert header.total_amount == sum(reward.row.amount for reward in rewards)
    assert found.notes.late_points == sum(reward.late_points for reward in rewards)
    assert found.new_accounts == sum(reward.needs_account for reward in rewards)


@pytest.mark.parametrize("limit", [1, 3, 4])
def test_who_is_beyond_the_weeks_new_accounts_is_held(world: World, limit: int) -> None:
    store_of(world.first).set_rules(max_new_accounts_per_week=limit)

    found = drafted(world)

    over = [r for r in found.rewards("plan") if r.reason == OVER_ACCOUNT_CAP]
    needing = [r for r in found.rewards("plan") if r.needs_account]
    assert (len(needing), len(over)) == (limit, 4 - limit)
    assert all(a.row.user < b.row.user for a in needing for b in over)
    assert not any(reward.row.wallet or reward.row.batch for reward in over)
    assert found.new_accounts == limit
    assert found.notes.held == {NO_WALLET: 4} | ({OVER_ACCOUNT_CAP: 4 - limit} if over else {})


def test_the_first_held_rewards_are_listed_by_user(world: World) -> None:
    found = drafted(world)

    rewards = [r for r in found.rewards("plan") if not r.row.batch]
    assert [(e.user_id, amount) for e, amount in found.held(9)] == [
        (r.user_id, r.row.amount) for r in rewards
    ]
    assert len(found.held(2)) == 2


def test_no_reward_is_paired_with_another_ones_amount(world: World) -> None:
    found = drafted(world)
    amounts = found.allocation.amounts[:-1]
    short = replace(found, allocation=replace(found.allocation, amounts=amounts))

    for read in (
        lambda: short.top(99),
        lambda: short.held(99),
        lambda: list(short.rewards("plan")),
    ):
        with pytest.raises(ValueError, match="shorter"):
            read()


def test_the_top_are_the_largest_and_ties_go_by_user(world: World) -> None:
    found = drafted(world)
    found = replace(found, allocation=replace(found.allocation, amounts=[7, 9, 8, 9] * 3))

    top = found.top(7)

    pairs = zip(found.roster, found.allocation.amounts, strict=True)
    assert top == sorted(pairs, key=lambda pair: (-pair[1], pair[0].user_id))[:7]


def test_a_roster_on_disk_gives_the_same_plan(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    store_of(world.first).set_rules(max_new_accounts_per_week=2)
    in_memory = drafted(world)

    monkeypatch.setattr(draft, "Roster", lambda entrants: Roster(entrants, 3))
    on_disk = dry_run(world.first, WEEK)

    assert on_disk.header == replace(in_memory.header, cutoff=on_disk.header.cutoff)
    assert list(on_disk.rewards("plan")) == list(in_memory.rewards("plan"))


def test_rewards_and_their_top_take_no_memory_of_their_own(world: World) -> None:
    found = drafted(world, users=600)
    tracemalloc.start()

    assert sum(1 for _ in found.rewards("plan")) == 600
    assert len(found.top(3)) == 3

    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 60_000  # the entrants alone would take 300,000 bytes
