"""What commands print for people."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from worker.cli.console import escaped, facts, table
from worker.core.lifecycle import Stage, Status
from worker.core.money import sol_text, tokens_text
from worker.core.payout.records import MalformedContribution, PlanNotes, Tally
from worker.core.plan.allocation import MULTIPLIER_SCALE
from worker.services.payout.reconcile import Reconciliation
from worker.services.plan.preview import Preview
from worker.services.week.status import Board, Obstacle
from worker.services.wiki.ingest import IngestReport

if TYPE_CHECKING:
    from rich.console import Console

COLOURS = {
    Status.PENDING: "yellow",
    Status.PROCESSING: "cyan",
    Status.COMPLETED: "green",
    Status.FAILED: "red",
}
LISTED_MAX = 10
UNTOUCHED_LISTED_MAX = 3


def status_text(status: Status) -> str:
    return f"[{COLOURS[status]}]{status.value}[/]"


def moment_text(moment: datetime | None) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC" if moment else ""


def show_boards(console: Console, boards: Sequence[Board]) -> None:
    made = table(
        *("week", "stage", "status", ">contributors", ">points", ">planned", ">paid"),
        *(">held", ">failed", "next try", "reason"),
    )
    for untouched, run in itertools.groupby(boards, key=_is_untouched):
        listed = list(run)
        if untouched and len(listed) > UNTOUCHED_LISTED_MAX:
            first, last = listed[0].week.label, listed[-1].week.label
            made.add_row(f"{first} to {last}", "due", f"{len(listed)} weeks")
            continue
        for board in listed:
            made.add_row(*_board_row(board))
    console.print(made)


def _is_untouched(board: Board) -> bool:
    return board.stage is Stage.DUE and board.reason is None


def _board_row(board: Board) -> list[str]:
    return [
        board.week.label,
        board.stage.value,
        status_text(board.status),
        f"{board.contributors:,}",
        f"{board.points:,}",
        tokens_text(board.planned),
        tokens_text(board.paid.amount),
        tokens_text(board.held.amount),
        tokens_text(board.failed.amount),
        moment_text(board.next_attempt_at) if board.stage is not Stage.COMPLETED else "",
        escaped(board.reason or ""),
    ]


def show_board(console: Console, board: Board, obstacles: Sequence[Obstacle] = ()) -> None:
    console.print(
        f"[bold]{board.week.label}[/]  {board.week.start:%Y-%m-%d} to {board.week.end:%Y-%m-%d}  "
        f"stage {board.stage.value}, {status_text(board.status)}"
    )
    made = table("rewards", ">count", ">KONTRIB")
    for name, tally in _tallies(board).items():
        if tally.count or name == "paid":
            made.add_row(name, f"{tally.count:,}", tokens_text(tally.amount))
    if board.contributors:
        made.add_row("planned", f"{board.contributors:,}", tokens_text(board.planned))
        console.print(made)
    console.print(facts(_board_facts(board)))
    for obstacle in obstacles:
        again = moment_text(obstacle.next_attempt_at)
        console.print(f"  {obstacle.payout_id}: {obstacle.reason}; next try {again}", markup=False)


def _tallies(board: Board) -> dict[str, Tally]:
    return {
        "paid": board.paid,
        "on their way": board.unpaid,
        "held": board.held,
        "failed": board.failed,
    }


def _board_facts(board: Board) -> dict[str, object]:
    payouts = ", ".join(f"{n} {status.value}" for status, n in board.payouts.items() if n)
    waits = board.stage is not Stage.COMPLETED or board.failed.count
    return {
        "points": f"{board.points:,}" if board.points else None,
        "batches": f"{board.batches} ({payouts})" if payouts else board.batches or None,
        "fees": f"{board.fees:,} lamports" if board.fees else None,
        "root": board.root.hex() if board.root else None,
        "anchor": board.signature,
        "approved": "yes" if board.approved else None,
        "reason": board.reason,
        "stopped": "yes: waits for `kontrib retry`" if board.stopped else None,
        "next try": moment_text(board.next_attempt_at) if waits else None,
        "completed": moment_text(board.completed_at),
    }


def show_preview(console: Console, preview: Preview) -> None:
    header, notes = preview.header, preview.notes
    console.print(
        f"[bold]{preview.week.label}[/]  {header.rewards:,} contributors, "
        f"{header.total_points:,} points, {tokens_text(header.total_amount)} KONTRIB, "
        f"ratio {float(preview.ratio):.6g}"
    )
    made = table("contributor", ">points", ">multiplier", ">KONTRIB", "wallet")
    for reward in preview.top:
        made.add_row(
            escaped(reward.user_id),
            f"{reward.points:,}",
            f"{reward.multiplier / MULTIPLIER_SCALE:g}",
            tokens_text(reward.amount),
            escaped(f"held: {reward.hold}" if reward.hold else reward.wallet),
        )
    if preview.top:
        console.print(made)
    show_notes(console, notes)
    console.print(facts(_cost_facts(preview)))


def show_notes(console: Console, notes: PlanNotes) -> None:
    """What planning left out or set apart."""
    console.print(
        facts(
            {
                "late points": f"{notes.late_points:,}" if notes.late_points else None,
                "floor": "waived: the pool cannot give everyone the minimum"
                if notes.floor_waived
                else None,
                "lifted to floor": notes.lifted or None,
                "held": _counted(notes.held),
                "excluded": _counted(notes.excluded),
                "malformed": notes.malformed_count or None,
            }
        )
    )
    for malformed in notes.malformed[:LISTED_MAX]:
        console.print(f"  {malformed.id}: {malformed.reason}", markup=False)


def notes_of(document: Mapping[str, Any]) -> PlanNotes:
    """The notes that planning wrote onto a distribution."""
    malformed = document.get("malformed") or []
    return PlanNotes(
        excluded=document.get("excluded") or {},
        excluded_points=document.get("excluded_points") or 0,
        held=document.get("held") or {},
        malformed_count=document.get("malformed_count") or 0,
        malformed=tuple(MalformedContribution(m["_id"], m["reason"]) for m in malformed),
        late_points=document.get("late_points") or 0,
        floor_waived=bool(document.get("floor_waived")),
        lifted=document.get("lifted") or 0,
    )


def _counted(reasons: dict[str, int]) -> str:
    return "; ".join(f"{count:,} {reason}" for reason, count in sorted(reasons.items()))


def _cost_facts(preview: Preview) -> dict[str, object]:
    estimate, funds = preview.estimate, preview.funds
    parts = f"1 anchor, {estimate.batches} batches, {estimate.singles} singles"
    short = [
        f"{tokens_text(funds.tokens_short)} KONTRIB" if funds.tokens_short else "",
        f"{tokens_text(funds.allowance_short)} of allowance" if funds.allowance_short else "",
        f"{sol_text(funds.lamports_short)} SOL" if funds.lamports_short else "",
    ]
    return {
        "transactions": f"{estimate.transactions:,} ({parts}, "
        f"{estimate.account_creations} for {estimate.new_accounts:,} new accounts)",
        "receipts' rent": f"{estimate.receipts_rent:,} lamports",
        "accounts' rent": f"{estimate.accounts_rent:,} lamports",
        "fees": f"{estimate.fees:,} lamports",
        "needed": f"{tokens_text(funds.needed.tokens)} KONTRIB, "
        f"{sol_text(funds.needed.lamports)} SOL, all open weeks included",
        "there": f"{tokens_text(funds.treasury.tokens)} KONTRIB, "
        f"{sol_text(funds.treasury.lamports)} SOL",
        "short": ", ".join(filter(None, short)) or "nothing",
    }


def show_ingest(console: Console, report: IngestReport) -> None:
    weeks = sorted(report.weeks)
    span = f" from {weeks[0].label} to {weeks[-1].label}" if weeks else ""
    console.print(f"{report.added:,} contributions added{span}, {report.known:,} already there")
    console.print(
        facts(
            {
                "lines": f"{report.lines:,}",
                "other weeks": f"{report.elsewhere:,}" if report.elsewhere else None,
                "points differ from the file": report.repriced or None,
                "users added": report.users_added or None,
                "users missing": report.users_missing or None,
                "wallets given": report.wallets_given or None,
                "malformed": report.malformed_count or None,
            }
        )
    )
    for malformed in report.malformed[:LISTED_MAX]:
        console.print(f"  line {malformed.line}: {malformed.reason}", markup=False)
    if (hidden := report.malformed_count - LISTED_MAX) > 0:
        console.print(f"  and {hidden:,} more; --json lists the first {len(report.malformed)}")


def show_reconciliation(console: Console, result: Reconciliation) -> None:
    colour = "green" if result.is_exact else "red"
    console.print(f"[{colour}]{escaped(result.sentence())}[/]", soft_wrap=True)
    made = table("", ">base units", ">KONTRIB")
    for name, amount in {
        "planned": result.planned,
        "paid, says the database": result.database_paid,
        "not paid yet": result.database_unpaid,
        "paid, says the chain": result.chain_paid,
        "mismatch": result.mismatch,
    }.items():
        made.add_row(name, f"{amount:,}", tokens_text(amount))
    console.print(made)
    for line in result.differences:
        console.print(f"  {line}", markup=False, soft_wrap=True)
