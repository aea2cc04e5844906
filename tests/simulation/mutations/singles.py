"""Safeguards of rewards that are paid alone, and of what operators change."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

from bson import ObjectId

from tests.fakes.chain.chain import wallet_named
from tests.fakes.chain.transactions import TokenAccount, token_address
from tests.fakes.world import WEEK, World, chain_of, store_of, user_id_of
from tests.simulation.faults import traps
from tests.simulation.faults.sweeping import sweep, sweep_until_closed
from tests.simulation.faults.traps import do, rival_of
from tests.simulation.mutations.happen import hide_receipts, refuses
from tests.simulation.mutations.safeguard import Safeguard, edit, promise
from worker.core.errors import KontribError
from worker.core.lifecycle import Status
from worker.core.money import BaseUnits
from worker.core.payout import single
from worker.core.payout.records import PayoutKind
from worker.services.context import Context
from worker.services.payout import anchored_rows, override, prepare, release_singles
from worker.services.week.story import Job

A_DAY = timedelta(days=1).total_seconds()
USER = "user 0"


def set_wallet(context: Context, wallet: str | None) -> None:
    store_of(context).set_user_fields(ObjectId(user_id_of(USER)), wallet_address=wallet)


def closed_with_a_held_reward(world: World) -> World:
    """The user has no wallet at planning, and names one after the end."""
    set_wallet(world.first, None)
    sweep_until_closed(world)
    set_wallet(world.first, wallet_named(USER))
    world.clock.sleep(A_DAY)
    return world


def position_of(world: World) -> int:
    reward = world.first.store.reward(WEEK, user_id_of(USER))
    assert reward is not None
    return reward.position


def change_amount(world: World, numerator: int = 2, denominator: int = 1) -> None:
    state = store_of(world.first).state
    stored = state.rewards[world.distribution().plan_id or ""][position_of(world)]
    amount = BaseUnits(stored.reward.row.amount * numerator // denominator)
    state.put_reward(stored, row=replace(stored.reward.row, amount=amount))


def balance(world: World, name: str = USER) -> int:
    return world.ledger.balance(wallet_named(name))


def when_the_single_is_claimed(world: World, act: Callable[[], None]) -> None:
    """Do something between the proof of a single's row and its signature."""
    chain, done = chain_of(world.first), []

    def before(method: str) -> None:
        payouts = store_of(world.first).state.payouts[world.distribution().plan_id or ""]
        singles = [s for s in payouts.values() if s.payout.kind is PayoutKind.SINGLE]
        if method == "recipients" and any(s.leased_until for s in singles):
            done.append(method)  # the recipients of batches first, then those of singles
            if len(done) == 2:
                act()

    chain.before = before


# --- scenarios -----------------------------------------------------------------------------------


def a_held_row_is_changed(world: World) -> None:
    closed_with_a_held_reward(world)
    change_amount(world)
    sweep(world.first)
    change_amount(world, 1, 2)


def a_row_changes_after_its_proof(world: World) -> None:
    closed_with_a_held_reward(world)
    when_the_single_is_claimed(world, lambda: change_amount(world))
    sweep(world.first)
    change_amount(world, 1, 2)


def a_reward_is_held_after_its_claim(world: World) -> None:
    closed_with_a_held_reward(world)
    reward = world.first.store.reward(WEEK, user_id_of(USER))
    assert reward is not None
    hold = lambda: world.first.store.hold(reward, "asked by mail")  # noqa: E731 - a callback
    when_the_single_is_claimed(world, hold)
    sweep(world.first)
    promise(balance(world) == 0, "paid in spite of a hold")


def the_account_of_a_single_gets_a_new_owner(world: World) -> None:
    closed_with_a_held_reward(world)
    address = token_address(wallet_named(USER))
    do(world.first, Job.SINGLES)
    world.ledger.change_token_account(address, owner="a thief")
    world.clock.sleep(20)
    do(world.first, Job.PAY)
    promise(balance(world) == 0, "paid to a new owner")


def singles_are_released_during_a_pause(world: World) -> None:
    closed_with_a_held_reward(world)
    world.first.store.pause("the auditor calls")
    do(world.first, Job.SINGLES)
    counts = store_of(world.first).state.payouts[world.distribution().plan_id or ""]
    promise(not any("/u/" in each for each in counts), "released during a pause")


def a_single_stands_beside_an_unknown_batch(world: World) -> None:
    """The database routed a reward of a batch to be paid alone, and nobody sees the batch."""
    do(world.first, Job.PLAN, Job.ANCHOR, Job.ACCOUNTS)
    stored = store_of(world.first).state.rewards[world.distribution().plan_id or ""]
    position = position_of(world)
    payout = single.single_payout(WEEK, stored[position].reward, wallet_named(USER))
    world.first.store.write_payouts([payout], [b""])
    show = hide_receipts(world.first, lambda each: each[-5:].isdigit() and each.count("/") == 1)
    do(world.first, Job.PAY, seconds=20)
    show()
    do(world.first, Job.PAY)


def a_wallet_changes_after_a_void(world: World) -> None:
    """A batch is void. Its rewards are paid to the wallets of the plan."""
    do(world.first, Job.PLAN, Job.ANCHOR, Job.ACCOUNTS)
    address = token_address(wallet_named(USER))
    world.ledger.change_token_account(address, frozen=True)
    world.clock.sleep(20)
    do(world.first, Job.PAY)
    wallet = wallet_named("another")
    world.ledger.put_token_account(token_address(wallet), TokenAccount(wallet))
    set_wallet(world.first, wallet)
    world.ledger.change_token_account(address, frozen=False)
    world.clock.sleep(A_DAY)
    sweep_until_closed(world)
    promise(balance(world, "another") == 0, "paid to the wallet of today")


def another_operator_pays_the_single(world: World) -> None:
    closed_with_a_held_reward(world)
    rival = rival_of(world)
    sweep(world.first)
    sweep(rival)
    reward = rival.store.reward(WEEK, user_id_of(USER))
    promise(reward is not None and reward.status is Status.COMPLETED, "paid and not known")


def a_hold_expires(world: World) -> None:
    set_wallet(world.first, None)
    store_of(world.first).set_rules(hold_weeks=1)
    sweep_until_closed(world)
    set_wallet(world.first, wallet_named(USER))
    world.clock.sleep(8 * A_DAY)
    do(world.first, Job.SINGLES, Job.PAY)
    promise(balance(world) == 0, "paid after hold_weeks")


def a_paid_reward_is_redirected(world: World) -> None:
    closed_with_a_held_reward(world)
    rival = rival_of(world)
    sweep(rival)
    act = lambda: override.redirect_reward(  # noqa: E731 - a callback
        world.first, WEEK, user_id_of(USER), wallet_named("user 1")
    )
    promise(refuses(act, override.AlreadyPaid), "redirected after its payment")
    sweep(world.first)


def a_reward_of_a_batch_is_redirected(world: World) -> None:
    do(world.first, Job.PLAN, Job.ANCHOR, Job.ACCOUNTS)
    show = hide_receipts(world.first, lambda each: "/u/" not in each)
    act = lambda: override.redirect_reward(  # noqa: E731 - a callback
        world.first, WEEK, user_id_of(USER), wallet_named("user 1")
    )
    promise(refuses(act, override.PaidWithItsBatch), "redirected beside its batch")
    show()


def a_reward_is_redirected_to_a_frozen_account(world: World) -> None:
    closed_with_a_held_reward(world)
    world.ledger.change_token_account(token_address(wallet_named("user 1")), frozen=True)
    world.clock.sleep(20)
    act = lambda: override.redirect_reward(  # noqa: E731 - a callback
        world.first, WEEK, user_id_of(USER), wallet_named("user 1")
    )
    promise(refuses(act, override.WalletNotUsable), "redirected to a wallet with a problem")


def the_wallet_of_two_documents_is_asked(world: World) -> None:
    store_of(world.first).add_user(
        {"_id": user_id_of(USER), "wallet_address": wallet_named("another")}
    )
    act = lambda: override.wallet_of_today(world.first, user_id_of(USER))  # noqa: E731
    promise(refuses(act, KontribError), "one of two wallets")


SAFEGUARDS = [
    Safeguard(
        "held rows have their root",
        edit(
            anchored_rows.AnchoredRows._proven_held_leaves,
            ("self.seal.check_held(remembered())", "list(remembered())"),
        ),
        a_held_row_is_changed,
        "is not what the plan says",
    ),
    Safeguard(
        "a row is read again before it is signed",
        edit(anchored_rows.AnchoredRows.reward, ("found != [leaf]", "False")),
        a_row_changes_after_its_proof,
        "is not what the plan says",
    ),
    Safeguard(
        "a hold stops a claimed single",
        edit(prepare._prepare_singles, ("or reward.operator_hold is not None", "")),
        a_reward_is_held_after_its_claim,
        "paid in spite of a hold",
    ),
    Safeguard(
        "a single does not pay a new owner",
        edit(single.can_receive, ("recipient.problem is None and", "")),
        the_account_of_a_single_gets_a_new_owner,
        "paid to a new owner",
    ),
    Safeguard(
        "no single is made during a pause",
        edit(release_singles.release_singles, ("context.refuse_if_paused()", "pass")),
        singles_are_released_during_a_pause,
        "released during a pause",
    ),
    Safeguard(
        "an unknown batch is not void",
        edit(
            prepare._of_void_batches,
            (
                "if state is ReceiptState.VOID:",
                "if state in (ReceiptState.VOID, ReceiptState.UNKNOWN):",
            ),
        ),
        a_single_stands_beside_an_unknown_batch,
        "is not void|paid twice",
    ),
    Safeguard(
        "a free batch is not void",
        edit(
            prepare._of_void_batches,
            (
                "if state is ReceiptState.VOID:",
                "if state in (ReceiptState.VOID, ReceiptState.FREE):",
            ),
        ),
        traps.a_wallet_is_removed_and_added_again,
        "is not void|paid twice",
    ),
    Safeguard(
        "the plan's wallet counts",
        edit(single.wallet_of, ("if reward.row.wallet", "if False")),
        a_wallet_changes_after_a_void,
        "paid to the wallet of today",
    ),
    Safeguard(
        "a single that somebody else paid is found",
        edit(
            release_singles.Release._without_paid,
            ("if state is ReceiptState.PAID", "if False"),
        ),
        another_operator_pays_the_single,
        "paid and not known",
    ),
    Safeguard(
        "hold_weeks",
        edit(
            single.is_hold_expired,
            ("return now > planned.week.end + timedelta(weeks=weeks)", "return False"),
        ),
        a_hold_expires,
        "paid after hold_weeks",
    ),
    Safeguard(
        "a paid reward is not redirected",
        edit(
            override.reward_to_change,
            ("reward.status is Status.COMPLETED or states[alone] is ReceiptState.PAID", "False"),
        ),
        a_paid_reward_is_redirected,
        "redirected after its payment",
    ),
    Safeguard(
        "a reward of an unknown batch is not redirected",
        edit(
            override.reward_to_change,
            ("states[batch] is not ReceiptState.VOID", "states[batch] is ReceiptState.PAID"),
        ),
        a_reward_of_a_batch_is_redirected,
        "redirected beside its batch",
    ),
    Safeguard(
        "a redirect goes to a wallet that can be paid",
        edit(override.redirect_reward, ("problem := problem_text(recipient)", "problem := ''")),
        a_reward_is_redirected_to_a_frozen_account,
        "redirected to a wallet with a problem",
    ),
    Safeguard(
        "two documents have no wallet of today",
        edit(override.wallet_of_today, ("account is not None and account.is_twice", "False")),
        the_wallet_of_two_documents_is_asked,
        "one of two wallets",
    ),
]
