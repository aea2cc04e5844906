"""An operator's commands on rewards and on a week's records."""

from __future__ import annotations

import contextlib

import pytest

from tests.cli.conftest import Command
from tests.fakes.chain.chain import wallet_named
from tests.fakes.chain.transactions import token_address
from tests.fakes.world import WEEK, World, chain_of, store_of, user_id_of
from worker.core.errors import NotReady
from worker.core.lifecycle import Stage
from worker.core.money import ONE_TOKEN
from worker.services.plan.plan_week import plan_week
from worker.services.week.story import Job, Work

POOL = 10_000 * ONE_TOKEN
FROZEN = "user 0"


@pytest.fixture
def voided(world: World, kontrib: Command) -> Command:
    """A week in which the batch of `FROZEN` was voided and everybody else was paid."""
    world.populate(6)
    world.genesis()
    plan_week(world.first, WEEK)
    world.ledger.change_token_account(token_address(wallet_named(FROZEN)), frozen=True)
    world.clock.sleep(20)
    world.run()
    return kontrib


def test_a_voided_reward_is_redirected_to_another_wallet(voided: Command, world: World) -> None:
    new = wallet_named("a new wallet")
    user = user_id_of(FROZEN)
    assert voided("retry", "2024-W50", "--rewallet", user, "--wallet", new, "--inline") == 0
    assert f"{user}'s reward of 2024-W50 goes to {new}." in voided.err
    reward = world.first.store.reward(WEEK, user)
    assert reward is not None
    assert world.ledger.balance(new) == reward.row.amount


def test_a_redirect_without_a_wallet_tries_the_one_of_today(voided: Command) -> None:
    assert voided("retry", "2024-W50", "--rewallet", user_id_of(FROZEN), "--inline") == 2
    assert f"{wallet_named(FROZEN)} cannot be paid: token account is frozen" in voided.err


def test_a_reward_is_held_and_released(voided: Command, world: World) -> None:
    user = user_id_of(FROZEN)
    assert voided("hold", user, "2024-W50", "--reason", "identity in doubt") == 0
    held = world.first.store.reward(WEEK, user)
    assert held is not None
    assert held.operator_hold == "identity in doubt"
    assert voided("release", user, "2024-W50") == 0
    released = world.first.store.reward(WEEK, user)
    assert released is not None
    assert released.operator_hold is None


def test_what_was_paid_cannot_be_held(voided: Command) -> None:
    assert voided("hold", user_id_of("user 1"), "2024-W50", "--reason", "too late") == 1
    assert "was paid already" in voided.err


def test_a_rebuild_asks_for_confirmation(voided: Command) -> None:
    assert voided("rebuild", "2024-W50") == 2
    assert "--from-chain" in voided.err


def test_a_lost_database_is_rebuilt(world: World, kontrib: Command) -> None:
    names = world.populate(7)
    world.genesis()
    empty = store_of(world.first).snapshot()
    world.run()
    store_of(world.first).restore(empty)
    shown = kontrib.json("rebuild", "2024-W50", "--from-chain")
    assert (kontrib.code, shown["amount"], shown["open"]) == (0, POOL, 0)
    assert sum(world.balances(names).values()) == POOL


def test_without_the_published_plan_a_rebuild_shows_what_was_paid(
    world: World, kontrib: Command
) -> None:
    world.populate(7)
    world.genesis()
    world.run()
    world.archive.files.clear()
    assert kontrib("rebuild", "2024-W50", "--from-chain") == 3
    assert "Paid in 2024-W50" in kontrib.out
    assert wallet_named("user 3") in kontrib.out
    assert "Copy the file there" in kontrib.err


@pytest.fixture
def prepared(world: World, kontrib: Command) -> Command:
    """Two batches of three, ready to be paid."""
    world.populate(6)
    world.genesis()
    plan_week(world.first, WEEK)
    for job in (Job.ANCHOR, Job.ACCOUNTS):
        world.do(world.first, Work(job, WEEK))
    return kontrib


def test_an_unpaid_batch_is_made_void_and_its_rewards_are_paid_alone(
    prepared: Command, world: World
) -> None:
    assert prepared("void", "2024-W50", "1", "--reason", "a recipient refuses the tokens") == 0
    assert "Batch 2024-12-09/00001 becomes void: a recipient refuses the tokens." in prepared.err
    assert (
        "Then each of its rewards is paid alone (3 rewards), for 0.00361136 SOL at most."
        in prepared.err
    )
    world.run()
    world.clock.sleep(600)
    world.run()
    assert world.distribution().stage is Stage.COMPLETED
    assert sum(world.balances([f"user {i}" for i in range(6)]).values()) == POOL
    assert prepared("void", "2024-W50", "1", "--reason", "again") == 1
    assert "is void on chain, so it is not made void" in prepared.err


@pytest.mark.parametrize("batch", ["-1", "1_0", "first", "٣"])
def test_a_batch_is_a_number(prepared: Command, batch: str) -> None:
    assert prepared("void", "2024-W50", "--reason", "a doubt", "--", batch) == 2


def test_a_batch_outside_the_plan_is_named(prepared: Command) -> None:
    assert prepared("void", "2024-W50", "7", "--reason", "a doubt") == 2
    assert "2024-W50 has no batch 7: it has 2 batches, numbered from 0." in prepared.err


def test_a_reward_of_an_unpaid_batch_is_held_with_its_batch_made_void(
    prepared: Command, world: World
) -> None:
    user = user_id_of(FROZEN)
    assert prepared("hold", user, "2024-W50", "--reason", "a doubt") == 1
    assert "--void-batch" in prepared.err
    assert prepared("hold", user, "2024-W50", "--reason", "a doubt", "--void-batch") == 0
    assert "becomes void, and its other rewards are paid alone" in prepared.err
    world.run()
    world.clock.sleep(600)
    world.run()
    assert world.ledger.balance(wallet_named(FROZEN)) == 0


def test_reconcile_writes_back_what_it_reads_and_waits_for_the_rest(
    prepared: Command, world: World
) -> None:
    chain_of(world.first).has_history = False
    for job in (Job.PAY, Job.CLOSE):
        with contextlib.suppress(NotReady):
            world.do(world.first, Work(job, WEEK, 0, 100))
    assert prepared("reconcile", "2024-W50") == 3
    assert "nothing differs, and 2 facts cannot be read from the chain now" in prepared.out

    chain_of(world.first).has_history = True
    assert prepared("reconcile", "2024-W50") == 0
    rewards = world.first.store.rewards(world.distribution().plan_id or "", range(9))
    assert all(reward.signature for reward in rewards)
