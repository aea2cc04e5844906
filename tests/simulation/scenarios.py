"""Small weeks for the exhaustive test. Together they make every call of the money path."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

from tests.fakes.world import WEEK, World, user_id_of
from tests.simulation import goals
from tests.simulation.happenings import (
    NEXT_WEEK,
    accept_sends,
    another_operator_anchors_first,
    another_worker_plans_meanwhile,
    answer_again,
    ask_for_approval_and_pause,
    close_an_account_before_its_single_is_paid,
    delay_receipts,
    drop_the_new_account,
    fill_the_archive_once,
    find_by_search_only,
    find_file_again,
    find_history_again,
    freeze,
    land_slowly,
    lose_all_and_be_mentioned,
    lose_creations,
    lose_database,
    lose_database_a_week_later,
    lose_database_and_file,
    lose_history,
    make_everyone_payable,
    mark_after_settling,
    misplace_file,
    name_a_wallet,
    pause,
    pay_everyone_without_history,
    read_accounts_late,
    refuse_credits,
    refuse_sends,
    reopen_the_account,
    replace_the_receipt_key,
    resume,
    send_sol,
    shrink_transactions,
    spread_endpoints,
    use_up_sol,
    use_up_sol_of_singles,
    write_a_hold_after_the_anchor,
)
from tests.simulation.player import Act, Scenario
from worker.core.lifecycle import Stage
from worker.services.context import Context, Deadline
from worker.services.payout.override import (
    hold_reward,
    redirect_reward,
    release_reward,
    void_batch,
    wallet_of_today,
)
from worker.services.payout.rebuild import rebuild_week, recover_by_wallet
from worker.services.plan.genesis import make_genesis
from worker.services.plan.plan_week import dry_run, plan_again, plan_week
from worker.services.plan.planned_week import NotPlanned, planned_distribution, planned_week
from worker.services.week.unblock import approve_week, forget_waits, resume_signing, retry_week

# --- actions of operators --------------------------------------------------------------------


def genesis(context: Context) -> None:
    make_genesis(context, WEEK)


def genesis_of_the_next_week(context: Context) -> None:
    make_genesis(context, NEXT_WEEK)


def rebuild(context: Context) -> None:
    rebuild_week(context, WEEK, Deadline(context.clock, 120))


def look_what_was_paid(context: Context) -> None:
    recover_by_wallet(context, WEEK)
    rebuild(context)


def plan_the_next_week(context: Context) -> None:
    dry_run(context, NEXT_WEEK)
    plan_week(context, NEXT_WEEK)


def redirect_and_hold(context: Context) -> None:
    ghost = user_id_of("ghost")
    redirect_reward(context, WEEK, ghost, wallet_of_today(context, ghost))
    hold_reward(context, WEEK, ghost, "asked by mail")


def release(context: Context) -> None:
    release_reward(context, WEEK, user_id_of("ghost"))
    retry_week(context.store, WEEK)


def void(context: Context) -> None:
    ada = context.store.reward(WEEK, user_id_of("ada"))
    assert ada is not None
    void_batch(context, WEEK, int(ada.row.batch[-5:]), "ada refuses the tokens")
    retry_week(context.store, WEEK)


def hold_and_plan_again(context: Context) -> None:
    plan_week(context, WEEK)
    if not goals.holds_ada(context):
        hold_reward(context, WEEK, user_id_of("ada"), "asked by mail")
        plan_week(context, WEEK)


def hold_and_void(context: Context) -> None:
    hold_reward(context, WEEK, user_id_of("ada"), "asked by mail", void_batch=True)


def plan_from_todays_data(context: Context) -> None:
    plan_again(context, WEEK)


def approve_and_resume(context: Context) -> None:
    now = context.clock.now()
    for look in (planned_week, planned_distribution):
        with contextlib.suppress(NotPlanned):
            look(context.store, WEEK.previous())
    # A worker looked a moment ago, and waits.
    later = now + timedelta(minutes=1)
    context.store.record_failure(
        WEEK, reason="waits", next_attempt_at=later, attempts=0, stopped=False
    )
    forget_waits(context.store, WEEK)
    distribution = context.store.distribution(WEEK)
    approve_week(context.store, WEEK, distribution.root if distribution else None)
    resume_signing(context.store)


# --- the scenarios ---------------------------------------------------------------------------

GENESIS = Act("genesis", goals.has_genesis, task=genesis)
PLAN = Act("plan", goals.reached(Stage.PLANNED))
ACCOUNTS = Act("accounts", goals.reached(Stage.PREPARED))
CLOSE = Act("close", goals.reached(Stage.COMPLETED), prepare=freeze)
PAY_EVERYONE = Act("pay everyone", goals.everybody_paid, prepare=make_everyone_payable)
PAY_A_FIRST_ONE = Act("pay a first one", goals.somebody_paid)
A_WEEK_LATER = Act("a week later", lambda _: True, prepare=lose_database_a_week_later)
HOLD = Act("redirect and hold", goals.on_hold, prepare=name_a_wallet, task=redirect_and_hold)


def closing(prepare: Callable[[World], None]) -> Act:
    return replace(CLOSE, prepare=prepare)


SCENARIOS = (
    Scenario("a whole week", (GENESIS, PLAN, CLOSE, PAY_EVERYONE)),
    Scenario(
        "the database is lost in the middle",
        (closing(lose_database), PAY_EVERYONE),
        before=(GENESIS, PLAN, replace(PAY_A_FIRST_ONE, prepare=freeze)),
    ),
    Scenario(
        "the database and the published plan are lost in the middle",
        (closing(lose_database_and_file),),
        before=(GENESIS, PLAN, PAY_A_FIRST_ONE),
    ),
    Scenario(
        "the published plan is missing and comes back",
        (
            Act("look", goals.plan_is_missing, prepare=misplace_file),
            Act("rebuild", goals.plan_is_missing, task=look_what_was_paid),
            closing(find_file_again),
        ),
        before=(GENESIS, PLAN, PAY_A_FIRST_ONE),
    ),
    Scenario(
        "database and file are lost, and strangers mention the anchor",
        (closing(lose_all_and_be_mentioned),),
        before=(GENESIS, PLAN, PAY_A_FIRST_ONE),
    ),
    Scenario(
        "a plan cannot be published at first",
        (replace(PLAN, prepare=fill_the_archive_once),),
        before=(GENESIS,),
        after=(closing(lambda _: None),),
    ),
    Scenario(
        "a new receipt key takes over",
        (
            Act(
                "genesis again",
                goals.begins_with(NEXT_WEEK),
                prepare=replace_the_receipt_key,
                task=genesis_of_the_next_week,
            ),
            Act("close", goals.reached(Stage.COMPLETED, NEXT_WEEK)),
        ),
        before=(GENESIS, PLAN, closing(lambda _: None)),
    ),
    Scenario(
        "the database is lost after the end",
        (Act("pay everyone", goals.everybody_paid, prepare=lose_database),),
        before=(GENESIS, PLAN, CLOSE, PAY_EVERYONE),
    ),
    Scenario(
        "another operator anchors another plan first",
        (closing(another_operator_anchors_first),),
        before=(GENESIS, PLAN),
    ),
    Scenario(
        "another worker plans the week at the same time",
        (replace(PLAN, prepare=another_worker_plans_meanwhile),),
        before=(GENESIS,),
    ),
    Scenario(
        "the plan's batches have become too large, and it is made again",
        (closing(shrink_transactions),),
        before=(GENESIS, PLAN),
    ),
    Scenario(
        "the nodes of all endpoints are blocks apart, and one endpoint of three is dead",
        (replace(PLAN, prepare=spread_endpoints), CLOSE, PAY_EVERYONE),
        before=(GENESIS,),
    ),
    Scenario(
        "the only endpoint reads accounts late, after the anchor was seen",
        (closing(read_accounts_late),),
        before=(GENESIS, PLAN, Act("anchor", goals.reached(Stage.ANCHORED))),
    ),
    Scenario(
        "the endpoints do not show the receipts for a while",
        (
            Act("anchor unknown", goals.anchored_or_has_a_reason, prepare=delay_receipts),
            closing(answer_again),
        ),
        before=(GENESIS, PLAN),
    ),
    Scenario(
        "a created token account is gone again before the payment",
        (closing(drop_the_new_account),),
        before=(GENESIS, PLAN, ACCOUNTS),
    ),
    Scenario(
        "the genesis is found by a search only",
        (replace(GENESIS, prepare=find_by_search_only),),
        after=(PLAN, closing(lambda _: None)),
    ),
    Scenario(
        "creations of token accounts expire",
        (replace(ACCOUNTS, prepare=lose_creations),),
        before=(GENESIS, PLAN, Act("anchor", goals.reached(Stage.ANCHORED))),
        after=(closing(lambda _: None),),
    ),
    Scenario(
        "a second week lands slowly",
        (Act("close", goals.reached(Stage.COMPLETED, NEXT_WEEK), prepare=land_slowly),),
        before=(GENESIS, PLAN, CLOSE),
    ),
    Scenario(
        "the second week is planned with an empty database",
        (Act("plan", goals.reached(Stage.PLANNED, NEXT_WEEK), task=plan_the_next_week),),
        before=(GENESIS, PLAN, CLOSE, A_WEEK_LATER),
        after=(Act("close", goals.reached(Stage.COMPLETED, NEXT_WEEK)),),
    ),
    Scenario(
        "signing is paused and resumed, and nodes refuse for a while",
        (
            Act("paused", goals.has_a_reason, prepare=pause),
            Act("refused for the last time", goals.is_stopped, prepare=resume),
            closing(accept_sends),
        ),
        before=(
            GENESIS,
            PLAN,
            ACCOUNTS,
            Act("refused", goals.almost_out_of_tries, prepare=refuse_sends),
        ),
    ),
    Scenario(
        "a person approves the plan and ends a pause",
        (
            Act("plan again", goals.reached(Stage.PLANNED), task=plan_from_todays_data),
            Act("approve", goals.approved_and_resumed, task=approve_and_resume),
            closing(freeze),
        ),
        before=(
            GENESIS,
            PLAN,
            Act("wait for approval", goals.has_a_reason, prepare=ask_for_approval_and_pause),
        ),
    ),
    Scenario(
        "a wallet's owner closes and opens the account of a single",
        (
            Act(
                "close",
                goals.a_single_waits_or_is_paid,
                prepare=close_an_account_before_its_single_is_paid,
            ),
            Act("pay everyone", goals.everybody_paid, prepare=reopen_the_account),
        ),
        before=(GENESIS, PLAN, closing(lambda _: None)),
    ),
    Scenario(
        "rewards are marked as under way after they were settled",
        (closing(mark_after_settling),),
        before=(GENESIS, PLAN, ACCOUNTS, Act("pay", goals.all_is_settled)),
    ),
    Scenario(
        "transactions are not readable for a while",
        (
            Act("pay", goals.waits_for_transactions, prepare=lose_history),
            closing(find_history_again),
        ),
        before=(GENESIS, PLAN),
    ),
    Scenario(
        "singles of a completed week are not readable for a while",
        (
            Act("pay", goals.everybody_paid_unread, prepare=pay_everyone_without_history),
            Act("read", goals.everything_read, prepare=find_history_again),
        ),
        before=(GENESIS, PLAN, CLOSE),
    ),
    Scenario(
        "a batch that nobody can pay is made void",
        (Act("void", goals.ordered_void, task=void), closing(lambda _: None)),
        before=(
            GENESIS,
            PLAN,
            Act("refused", goals.almost_out_of_tries, prepare=refuse_credits),
        ),
    ),
    Scenario(
        "a planned reward is held",
        (Act("hold", goals.holds_ada, task=hold_and_plan_again), closing(lambda _: None)),
        before=(GENESIS, PLAN),
    ),
    Scenario(
        "a hold comes too late for the plan",
        (closing(write_a_hold_after_the_anchor),),
        before=(GENESIS, PLAN, Act("anchor", goals.reached(Stage.ANCHORED))),
    ),
    Scenario(
        "a reward of an unpaid batch is held",
        (Act("hold", goals.ordered_void, task=hold_and_void), closing(lambda _: None)),
        before=(GENESIS, PLAN, ACCOUNTS),
    ),
    Scenario(
        "SOL is used up before accounts, before batches and before singles",
        (
            Act("no accounts", goals.waits_for_funds, prepare=use_up_sol),
            Act("accounts", goals.reached(Stage.PREPARED), prepare=send_sol),
            Act("no payments", goals.waits_for_funds, prepare=use_up_sol),
            closing(send_sol),
            Act("no singles", goals.waits_for_funds, prepare=use_up_sol_of_singles),
            replace(PAY_EVERYONE, prepare=send_sol),
        ),
        before=(GENESIS, PLAN, Act("anchor", goals.reached(Stage.ANCHORED))),
    ),
    Scenario(
        "an operator redirects, holds and rebuilds",
        (
            HOLD,
            Act("rebuild", goals.rebuilt_and_on_hold, task=rebuild),
            Act("release", goals.released, task=release),
            PAY_EVERYONE,
        ),
        before=(GENESIS, PLAN, CLOSE),
    ),
)
