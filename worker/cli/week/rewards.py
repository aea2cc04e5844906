"""Commands on single rewards, batches and a week's records: hold, release, void, rebuild."""

from __future__ import annotations

from typing import Annotated, Any

import typer
from rich.console import Console

from worker.cli.arguments import (
    EXAMPLE_USER,
    AsJson,
    UserArgument,
    WeekArgument,
    session_of,
    whole_number,
)
from worker.cli.command import command
from worker.cli.console import emit, facts, say, table, waiting
from worker.cli.session import Session
from worker.core.errors import UsageError
from worker.core.money import Lamports, sol_text, tokens_text
from worker.core.payout.records import Reward
from worker.core.week import Week
from worker.core.wording import counted
from worker.services.context import Deadline
from worker.services.payout.override import hold_reward, release_reward, void_batch
from worker.services.payout.rebuild import rebuild_week, recover_by_wallet
from worker.services.plan.adopt import AnchoredPlanMissing
from worker.services.plan.funds import payout_cost

REBUILD_SECONDS = 3600.0
commands = typer.Typer()


@command(commands, f'kontrib hold {EXAMPLE_USER} 2024-W50 --reason "identity in doubt"')
def hold(
    context: typer.Context,
    user: UserArgument,
    week: WeekArgument,
    reason: Annotated[str, typer.Option("--reason", help="The reason for the hold.")],
    void_batch_too: Annotated[
        bool,
        typer.Option(
            "--void-batch", help="Make the reward's unpaid batch void, so that it can be held."
        ),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Hold back an unpaid reward until it is released.

    Before the anchor, the plan is made again with the reward held. After it, a reward that is paid
    alone can be held, and with --void-batch a reward of an unpaid batch.
    """
    session = session_of(context)
    held = hold_reward(session.context, week, user, reason, void_batch=void_batch_too)
    data = _reward_document(week, held.reward)
    data |= {"held": reason, "consequence": held.consequence}
    emit(data, as_json=as_json)
    say(f"{held.reward.user_id}'s reward of {week.label} is held: {reason}. {held.consequence}")
    session.broker.wake_if_possible("tasks.retry", week)


@command(commands, 'kontrib void 2024-W50 7 --reason "a recipient refuses the tokens"')
def void(
    context: typer.Context,
    week: WeekArgument,
    batch: Annotated[
        int,
        typer.Argument(
            parser=whole_number(), metavar="BATCH", help="The batch's number.", show_default=False
        ),
    ],
    reason: Annotated[str, typer.Option("--reason", help="Why the batch cannot be paid.")],
    as_json: AsJson = False,
) -> None:
    """Make an unpaid batch void, so that each of its rewards is paid alone.

    The batch is paid or void, never both: a payment under way may still land first.
    """
    session = session_of(context)
    payout = void_batch(session.context, week, batch, reason)
    cost = payout_cost(session.context.chain.costs()) * (payout.rewards + 1)
    data = {
        "week": week.label,
        "batch": batch,
        "id": payout.id,
        "reason": reason,
        "rewards": payout.rewards,
        "amount_base_units": payout.amount,
        "cost_max_lamports": cost,
    }
    emit(data, as_json=as_json)
    say(
        f"Batch {payout.id} becomes void: {reason}. Then each of its rewards is paid "
        f"alone ({counted(payout.rewards, 'reward')}), for "
        f"{sol_text(Lamports(cost))} SOL at most. If a payment under way lands first, "
        "they are paid with the batch."
    )
    session.broker.wake_if_possible("tasks.retry", week)


@command(commands, f"kontrib release {EXAMPLE_USER} 2024-W50")
def release(
    context: typer.Context, user: UserArgument, week: WeekArgument, as_json: AsJson = False
) -> None:
    """End the hold on a reward."""
    session = session_of(context)
    reward = release_reward(session.context, week, user)
    emit(_reward_document(week, reward) | {"held": None}, as_json=as_json)
    say(f"{reward.user_id}'s reward of {week.label} is released.")
    session.broker.wake_if_possible("tasks.retry", week)


def _reward_document(week: Week, reward: Reward) -> dict[str, Any]:
    return {
        "week": week.label,
        "user_id": reward.user_id,
        "amount_base_units": reward.row.amount,
        "status": reward.status,
    }


@command(commands, "kontrib rebuild 2024-W50 --from-chain")
def rebuild(
    context: typer.Context,
    week: WeekArgument,
    from_chain: Annotated[
        bool,
        typer.Option("--from-chain", help="Confirm the replacement of the database's records."),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Rebuild a week's records from the chain and the published plan. Signs nothing.

    Without the published plan, list the payments by wallet and change nothing.
    """
    if not from_chain:
        raise UsageError(
            f"This replaces the database's records of {week.label}. Confirm it with --from-chain."
        )
    session = session_of(context)
    try:
        _rebuild(session, week, as_json=as_json)
    except AnchoredPlanMissing as error:
        _show_recovered(session, week, as_json=as_json)
        raise error from None


def _rebuild(session: Session, week: Week, *, as_json: bool) -> None:
    with waiting(f"Rebuilding {week.label} from the chain"):
        deadline = Deadline(session.clock, REBUILD_SECONDS)
        rebuilt = rebuild_week(session.context, week, deadline)

    def render(screen: Console) -> None:
        rows = {
            "week": week.label,
            "root": rebuilt.root.hex(),
            "payouts": f"{rebuilt.paid} paid, {rebuilt.void} void, {rebuilt.open} open",
            "paid": f"{tokens_text(rebuilt.amount)} KONTRIB",
        }
        screen.print(facts(rows))

    emit(rebuilt, as_json=as_json, render=render)
    session.broker.wake_if_possible("tasks.retry", week)


def _show_recovered(session: Session, week: Week, *, as_json: bool) -> None:
    found = recover_by_wallet(session.context, week)
    data: dict[str, Any] = {
        "week": week.label,
        "root": found.memo.root,
        "paid": found.paid,
        "missing_base_units": found.missing,
        "open_batches": found.open_batches,
        "void_batches": found.void_batches,
        "unreadable_batches": found.unreadable_batches,
    }

    def render(screen: Console) -> None:
        paid = table("wallet", ">KONTRIB", "batch", "signature", title=f"Paid in {week.label}")
        for entry in found.paid:
            amount = tokens_text(entry.transfer.amount)
            paid.add_row(entry.transfer.wallet, amount, entry.batch, entry.signature)
        screen.print(paid)
        screen.print(
            f"{tokens_text(found.missing)} KONTRIB of the plan are not accounted for: "
            f"{counted(found.open_batches, 'batch', 'batches')} open, {found.void_batches} void, "
            f"{found.unreadable_batches} paid but not readable now, the rest held."
        )

    emit(data, as_json=as_json, render=render)
