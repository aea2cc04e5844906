"""The layout of weeks and their progress, for people and as JSON.

JSON amounts are integers in the unit that their name ends with. JSON names never change.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import Any

from rich.console import Console

from config.visible_text import visible_line
from worker.cli.console import facts, moment_text, table
from worker.cli.waiting_view import show_waiting, waiting_document
from worker.core.cost import Cost
from worker.core.lifecycle import Stage, Status
from worker.core.money import tokens_text
from worker.core.payout.records import Tally
from worker.core.week import Week
from worker.core.wording import counted
from worker.ports.payout import Store
from worker.services.week.status import NOTHING, Board, Obstacle
from worker.services.week.status import board as read_board
from worker.services.week.status import obstacles as read_obstacles
from worker.services.week.unpaid import waiting_rewards

Document = dict[str, Any]
COLOURS = {
    Status.PENDING: "yellow",
    Status.PROCESSING: "cyan",
    Status.COMPLETED: "green",
    Status.FAILED: "red",
}
UNTOUCHED_LISTED_MAX = 3
OBSTACLES_SHOWN = 20


def look_at_week(store: Store, week: Week) -> tuple[Document, Callable[[Console], None]]:
    """A week's state as JSON data, and a function that prints it for people."""
    current, listed = read_board(store, week), read_obstacles(store, week, OBSTACLES_SHOWN)
    waiting = waiting_rewards(store, week)

    def render(console: Console) -> None:
        show_board(console, current, listed)
        show_waiting(console, waiting)

    document = board_document(current, listed)
    return document | {"waiting_rewards": waiting_document(waiting)}, render


def week_document(week: Week) -> Document:
    return {"week": week.label, "week_start": week.start, "week_end": week.end}


def board_document(board: Board, obstacles: Sequence[Obstacle] = ()) -> Document:
    return week_document(board.week) | {
        "stage": board.stage,
        "status": board.status,
        "contributors": board.contributors,
        "points": board.points,
        "planned_base_units": board.planned,
        "paid": _tally(board.paid),
        "on_their_way": _tally(NOTHING if board.paused else board.unpaid),
        "paused": board.paused,
        "waiting_for_resume": _tally(board.unpaid if board.paused else NOTHING),
        "held": _tally(board.held),
        "failed": _tally(board.failed),
        "batches": board.batches,
        "payouts": {status.value: count for status, count in board.payouts.items()},
        **cost_document(board.cost(None)),
        "root": board.root,
        "signature": board.signature,
        "reason": board.reason,
        "next_attempt_at": board.next_attempt_at,
        "stopped": board.stopped,
        "approved": board.approved,
        "distributed_by_another_system": board.is_historic,
        "completed_at": board.completed_at,
        "reconciliation": board.notes.get("reconciliation"),
        "unresolved": [
            {"id": o.payout_id, "reason": o.reason, "next_attempt_at": o.next_attempt_at}
            for o in obstacles
        ],
    }


def cost_document(cost: Cost) -> Document:
    """The part of a week's cost that is recorded, in lamports."""
    return {
        "fees_lamports": cost.fees,
        "fees_unread": cost.unread,
        "token_accounts_created": cost.accounts,
        "token_accounts_rent_lamports": cost.accounts_rent,
    }


def fees_text(cost: Cost) -> str | None:
    """The fees, and the transactions that are not in them; None for a week without any."""
    if not (cost.fees or cost.unread or cost.unrecorded):
        return None
    unread = counted(cost.unread, "transaction")
    missing = [f"without {unread} not readable yet"] if cost.unread else []
    if cost.unrecorded:
        accounts = counted(cost.unrecorded, "token account")
        missing.append(f"without those of {accounts}, whose creation is not recorded")
    return f"{cost.fees:,} lamports" + "".join(f", {each}" for each in missing)


def _tally(tally: Tally) -> Document:
    return {"rewards": tally.count, "base_units": tally.amount}


def _status_text(status: Status) -> str:
    return f"[{COLOURS[status]}]{status.value}[/]"


def show_boards(console: Console, boards: Sequence[Board]) -> None:
    made = table(
        *("week", "stage", ">users", ">planned", ">paid", ">held", ">failed"),
    )
    for untouched, run in itertools.groupby(boards, key=_is_untouched):
        listed = list(run)
        if untouched and len(listed) > UNTOUCHED_LISTED_MAX:
            first, last = listed[0].week.label, listed[-1].week.label
            made.add_row(f"{first} to {last}", f"due, {counted(len(listed), 'week')}")
            continue
        for board in listed:
            made.add_row(*_board_row(board))
    console.print(made)
    for board in boards:
        if board.reason:
            again = "" if board.stage is Stage.COMPLETED else moment_text(board.next_attempt_at)
            tail = f"; next try {again}" if again else ""
            line = f"{board.week.label} {board.status.value}: {board.reason}{tail}"
            console.print(visible_line(line), markup=False, soft_wrap=True)


def _is_untouched(board: Board) -> bool:
    return board.stage is Stage.DUE and board.reason is None


def _board_row(board: Board) -> list[str]:
    return [
        board.week.label,
        f"[{COLOURS[board.status]}]{board.stage.value}[/]",
        f"{board.contributors:,}",
        tokens_text(board.planned),
        tokens_text(board.paid.amount),
        tokens_text(board.held.amount),
        tokens_text(board.failed.amount),
    ]


def show_board(console: Console, board: Board, obstacles: Sequence[Obstacle] = ()) -> None:
    console.print(
        f"[bold]{board.week.label}[/]  {board.week.start:%Y-%m-%d} to {board.week.end:%Y-%m-%d}  "
        f"stage {board.stage.value}, {_status_text(board.status)}"
    )
    made = table("rewards", ">count", ">KONTRIB")
    tallies = {
        "paid": board.paid,
        _unpaid_name(board): board.unpaid,
        "held": board.held,
        "failed": board.failed,
    }
    for name, tally in tallies.items():
        if tally.count or (name == "paid" and not board.is_historic):
            made.add_row(name, f"{tally.count:,}", tokens_text(tally.amount))
    if board.is_historic:
        made.add_row("distributed", f"{board.contributors:,}", tokens_text(board.planned))
        console.print(made)
    elif board.contributors:
        made.add_row("planned", f"{board.contributors:,}", tokens_text(board.planned))
        console.print(made)
    console.print(facts(_board_facts(board)))
    for obstacle in (each for each in obstacles if not each.is_single):
        again = moment_text(obstacle.next_attempt_at) or "now"
        console.print(f"  {obstacle.payout_id}: {obstacle.reason}; next try {again}", markup=False)
    if board.paused and board.stage is not Stage.COMPLETED:
        text = f"Signing is paused: {board.paused}. Continue with `kontrib resume`."
        console.print(text, markup=False)


def _unpaid_name(board: Board) -> str:
    if board.paused:
        return "paused"
    return "on their way" if board.stage.is_frozen else "not begun"


def _accounts_text(cost: Cost) -> str | None:
    if not cost.accounts or cost.accounts_rent is None:
        return None
    return f"{cost.accounts_rent:,} lamports for {counted(cost.accounts, 'new token account')}"


def _board_facts(board: Board) -> dict[str, object]:
    payouts = ", ".join(f"{n} {status.value}" for status, n in board.payouts.items() if n)
    waits = board.stage is not Stage.COMPLETED or board.failed.count
    stopped = "yes" if board.is_historic else "yes: waits for `kontrib retry`"
    return {
        "points": f"{board.points:,}" if board.points else None,
        "batches": f"{board.batches} ({payouts})" if payouts else board.batches or None,
        "fees": fees_text(board.cost(None)),
        "accounts' rent": _accounts_text(board.cost(None)),
        "root": board.root.hex() if board.root else None,
        "anchor": board.signature,
        "approved": "yes" if board.approved else None,
        "reason": board.reason,
        "distributed by": "another system" if board.is_historic else None,
        "stopped": stopped if board.stopped else None,
        "next try": moment_text(board.next_attempt_at) if waits else None,
        "completed": moment_text(board.completed_at),
    }
