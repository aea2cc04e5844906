"""Who is not paid, why, and what an operator does: status, plan, retry, run, doctor."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from tests.cli.conftest import Command
from tests.fakes.chain.chain import wallet_named
from tests.fakes.chain.transactions import token_address
from tests.fakes.world import WEEK, World, chain_of, user_id_of
from worker.core.money import ONE_TOKEN
from worker.core.payout.records import Payout, PayoutKind, Postponement
from worker.services.context import Deadline
from worker.services.payout.release_singles import release_singles
from worker.services.plan.plan_week import plan_week
from worker.services.week.outcome import verdict
from worker.services.week.unpaid import LISTED_MAX

FROZEN = "user 0"


@pytest.fixture
def frozen(world: World, kontrib: Command) -> Command:
    """A closed week: one account is frozen, another user has no wallet, the others are paid."""
    world.populate(6)
    world.add_user("nobody", wallet=None)
    world.contribute("nobody", 50)
    world.genesis()
    plan_week(world.first, WEEK)
    world.ledger.change_token_account(token_address(wallet_named(FROZEN)), frozen=True)
    world.clock.sleep(20)
    world.run()
    return kontrib


def thaw(world: World) -> None:
    world.ledger.change_token_account(token_address(wallet_named(FROZEN)), frozen=False)
    world.clock.sleep(20)


def lines_about(kontrib: Command, name: str) -> str:
    """The line of a user's reward, and the next step below it."""
    lines = kontrib.out.splitlines()
    number = next(i for i, line in enumerate(lines) if user_id_of(name) in line)
    return " ".join(lines[number : number + 2])


def test_status_names_each_waiting_reward_with_its_reason_and_the_next_step(
    frozen: Command, world: World
) -> None:
    assert frozen("status", "2024-W50") == 0
    failed, held = lines_about(frozen, FROZEN), lines_about(frozen, "nobody")
    assert "KONTRIB, failed: token account is frozen; next try 2024-12-16" in failed
    assert "must thaw the token account" in failed
    assert "KONTRIB, held: no wallet address" in held
    assert "Ask the user to enter a wallet" in held

    waiting = frozen.json("status", "2024-W50")["waiting_rewards"]
    assert waiting["count"] == 2
    assert [each["user_id"] for each in waiting["first"]] == [
        user_id_of(FROZEN),
        user_id_of("nobody"),
    ]
    reward = world.first.store.reward(WEEK, user_id_of(FROZEN))
    assert reward is not None
    assert waiting["first"][0]["amount_base_units"] == reward.row.amount
    assert waiting["first"][0]["next_attempt_at"].startswith("2024-12-16")


def test_status_shows_the_command_that_ends_an_operators_hold(frozen: Command) -> None:
    user = user_id_of("nobody")
    assert frozen("hold", user, "2024-W50", "--reason", "identity in doubt") == 0
    assert frozen("status", "2024-W50") == 0
    assert "kept back by an operator: identity in doubt" in lines_about(frozen, "nobody")
    assert f"kontrib release {user} 2024-W50" in lines_about(frozen, "nobody")


def test_status_lists_the_first_rewards_and_counts_the_others(
    world: World, kontrib: Command
) -> None:
    world.populate(1)
    for number in range(LISTED_MAX + 3):
        world.add_user(f"poor {number}", wallet=None)
        world.contribute(f"poor {number}", 50)
    world.genesis()
    assert kontrib("plan", "2024-W50") == 0
    assert kontrib.out.count("held: no wallet address") == LISTED_MAX
    assert "and 3 more rewards" in kontrib.out
    shown = kontrib.json("status", "2024-W50")["waiting_rewards"]
    assert (shown["count"], len(shown["first"])) == (LISTED_MAX + 3, LISTED_MAX)


def test_a_dry_run_names_the_users_whose_rewards_it_would_hold(
    world: World, kontrib: Command
) -> None:
    world.populate(12)
    world.add_user("nobody", wallet=None)
    world.contribute("nobody", 11)
    world.genesis()
    assert kontrib("plan", "2024-W50", "--dry-run") == 0
    assert "held: no wallet address" in lines_about(kontrib, "nobody")
    [held] = kontrib.json("plan", "2024-W50", "--dry-run")["held_rewards"]
    assert (held["user_id"], held["reason"]) == (user_id_of("nobody"), "no wallet address")
    assert held["amount_base_units"] > 0


def test_nothing_is_on_its_way_while_signing_is_paused(world: World, kontrib: Command) -> None:
    world.populate(3)
    world.genesis()
    plan_week(world.first, WEEK)
    assert kontrib("pause", "--reason", "the treasury moves") == 0
    assert kontrib("status", "2024-W50") == 0
    assert "on their way" not in kontrib.out
    assert "Signing is paused: the treasury moves. Continue with `kontrib resume`." in kontrib.out
    shown = kontrib.json("status", "2024-W50")
    assert shown["paused"] == "the treasury moves"
    assert shown["on_their_way"]["rewards"] == 0
    assert shown["waiting_for_resume"]["rewards"] == 3
    assert kontrib("run", "2024-W50", "--inline") == 3
    assert "paused (the treasury moves)" in kontrib.err


def test_a_retry_waits_for_what_it_started_and_says_what_it_paid(
    frozen: Command, world: World
) -> None:
    thaw(world)
    assert frozen("retry", "2024-W50") == 0
    assert "This retry paid 1 reward, " in frozen.err
    assert "completed: 6 of 7 rewards paid, 1 held" in frozen.err
    assert frozen("retry", "2024-W50") == 0
    assert "This retry paid 0 rewards, 0 KONTRIB." in frozen.err


def test_a_redirect_ends_well_only_if_the_reward_is_paid(frozen: Command, world: World) -> None:
    user, new = user_id_of(FROZEN), wallet_named("a new wallet")
    assert frozen("retry", "2024-W50", "--rewallet", user, "--wallet", new) == 0
    assert f"{user}'s reward is paid: " in frozen.err
    assert world.ledger.balance(new) > 0


def test_without_waiting_a_retry_returns_at_once(frozen: Command, world: World) -> None:
    thaw(world)
    woken = len(frozen.session.woken)
    shown = frozen.json("retry", "2024-W50", "--no-wait")
    assert frozen.code == 0
    assert frozen.session.woken[woken:] == [("tasks.retry", {"week": WEEK.id})]
    assert shown["week"] == "2024-W50"
    assert "kontrib status 2024-W50 --watch" in frozen.err
    assert "This retry paid" not in frozen.err
    assert frozen("retry", "2024-W50", "--no-wait", "--inline") == 2


def test_a_retry_without_a_chain_is_not_done(frozen: Command, world: World) -> None:
    thaw(world)
    for endpoint in chain_of(world.first).endpoints:
        endpoint.down = True
    assert frozen("retry", "2024-W50", "--inline") == 3
    assert "completed" not in frozen.err


def test_a_retry_is_not_done_while_a_payment_is_under_way(frozen: Command, world: World) -> None:
    thaw(world)
    world.first.store.requeue(WEEK)
    single = make_single(world)
    later = world.clock.now() + timedelta(minutes=10)
    world.first.store.postpone([Postponement(single, later, "no endpoint answers")])
    found = verdict(world.first.store, WEEK, world.clock.now())
    assert found is not None
    assert found.exit_code == 3
    assert f"2024-W50 is closed, and 1 payment waits: {single.id}: no endpoint answers" in (
        found.sentence
    )
    assert verdict(world.first.store, WEEK, later) is None


def make_single(world: World) -> Payout:
    """Let the reward of the frozen account get a payment of its own."""
    planned = world.distribution().planned
    assert planned is not None
    release_singles(world.first, planned, Deadline(world.clock, 60))
    payouts = world.first.store.payouts_after(planned.plan_id, "", 100)
    [single] = [p for p in payouts if p.kind is PayoutKind.SINGLE and not p.status.is_resolved]
    return single


def test_a_run_after_the_funds_came_reports_todays_state(world: World, kontrib: Command) -> None:
    world.populate(3)
    world.genesis()
    chain = chain_of(world.first)
    world.ledger.change_token_account(chain.source, amount=0)
    world.clock.sleep(20)
    assert kontrib("run", "2024-W50", "--inline") == 3
    assert "short of 10,000 KONTRIB" in kontrib.err
    chain.fund(tokens=10_000 * ONE_TOKEN)
    world.clock.sleep(20)
    assert kontrib("run", "2024-W50", "--inline") == 0
    assert "short of" not in kontrib.err


def test_a_run_does_not_end_a_stop(world: World, kontrib: Command) -> None:
    world.populate(3)
    world.genesis()
    plan_week(world.first, WEEK)
    later = world.clock.now() + timedelta(hours=1)
    world.first.store.record_failure(
        WEEK, reason="a fault", next_attempt_at=later, attempts=12, stopped=True
    )
    assert kontrib("run", "2024-W50", "--inline") == 1
    assert "stopped after too many tries: a fault" in kontrib.err


def test_the_doctor_shows_the_addresses_to_fund(world: World, kontrib: Command) -> None:
    world.genesis()
    chain = chain_of(world.first)
    shown: dict[str, Any] = {each["name"]: each for each in kontrib.json("doctor")["addresses"]}
    assert set(shown) == {"fee payer", "source account", "mint"}
    assert shown["fee payer"]["address"] == chain.fee_payer
    assert shown["source account"]["address"] == chain.source
    assert shown["source account"]["needed_base_units"] == 10_000 * ONE_TOKEN
    assert shown["fee payer"]["available_lamports"] == chain.treasury().lamports
    assert shown["mint"] == {
        "name": "mint",
        "address": chain.mint,
        "explorer": shown["mint"]["explorer"],
    }
    assert all("explorer.solana.com/address/" in each["explorer"] for each in shown.values())
    kontrib("doctor")
    assert chain.fee_payer in kontrib.out
    assert "10,000 KONTRIB needed" in kontrib.out


def test_without_a_chain_the_doctor_still_names_the_mint(world: World, kontrib: Command) -> None:
    for endpoint in chain_of(world.first).endpoints:
        endpoint.down = True
    [mint] = kontrib.json("doctor")["addresses"]
    assert mint["address"] == chain_of(world.first).mint
    assert "available_lamports" not in mint


def test_commands_that_change_something_report_it_as_json(frozen: Command, world: World) -> None:
    user = user_id_of("nobody")
    held = frozen.json("hold", user, "2024-W50", "--reason", "why")
    assert (held["user_id"], held["held"], held["week"]) == (user, "why", "2024-W50")
    assert frozen.json("release", user, "2024-W50")["held"] is None
    assert frozen.json("pause", "--reason", "a move") == {"paused": "a move"}
    assert frozen.json("resume") == {"paused": None}
    root = world.distribution().root
    assert root is not None
    approved = frozen.json("approve", "2024-W50", "--root", root.hex())
    assert (approved["root"], approved["already_anchored"]) == (root.hex(), True)


def test_a_week_before_the_first_one_is_named_so(world: World, kontrib: Command) -> None:
    assert kontrib("status", "2024-W49") == 0
    assert "there is no genesis yet" in kontrib.out
    world.genesis()
    assert kontrib("status", "2024-W49") == 0
    assert "it lies before the first week, 2024-W50, and is never paid" in kontrib.out
    for command in (["retry"], ["reconcile"], ["run", "--inline"], ["plan"]):
        assert kontrib(command[0], "2024-W49", *command[1:]) in (2, 3)
        assert "2024-W49 lies before the first week, 2024-W50" in kontrib.err
