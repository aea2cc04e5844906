"""The layout of a plan's preview, and of the notes that planning leaves."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict
from decimal import Decimal
from typing import Any

from rich.console import Console
from rich.table import Table

from config.visible_text import visible_line
from worker.cli.board_view import Document, week_document
from worker.cli.console import escaped, facts, table
from worker.core.money import sol_text, tokens_text
from worker.core.payout.records import (
    ExcludedUser,
    MalformedContribution,
    PlanNotes,
    UnusableStake,
)
from worker.core.plan.allocation import MULTIPLIER_SCALE
from worker.core.plan.fates import Fates
from worker.core.wording import counted
from worker.core.year_cost import TRANSFERS_TOGETHER, WEEKS, YearCost
from worker.services.plan.funds import Estimate, FundsReport
from worker.services.plan.preview import Preview
from worker.services.week.status import Board

LISTED_MAX = 10


def preview_document(preview: Preview) -> Document:
    header = preview.header
    return week_document(preview.week) | {
        "stage": preview.stage,
        "ratio": float(preview.ratio),
        "contributors": header.rewards,
        "points": header.total_points,
        "total_base_units": header.total_amount,
        "batches": header.batches,
        "batch_size": header.batch_size,
        **notes_document(preview.notes),
        "top": [
            {
                "user_id": reward.user_id,
                "points": reward.points,
                "staking_multiplier": reward.multiplier / MULTIPLIER_SCALE,
                "amount_base_units": amount,
                "wallet": reward.wallet or None,
                "held": reward.hold or None,
            }
            for reward, amount in preview.top
        ],
        "held_rewards": [
            {"user_id": e.user_id, "amount_base_units": amount, "reason": e.hold}
            for e, amount in preview.held
        ],
        "estimate": _estimate(preview.estimate),
        "funds": _funds(preview.funds),
        "years": [_year(now, last) for now, last in preview.years],
    }


def notes_document(notes: PlanNotes) -> Document:
    return {
        "late_points": notes.late_points,
        "floor_waived": notes.floor_waived,
        "lifted_to_floor": notes.lifted,
        "held": notes.held,
        "excluded": notes.excluded,
        "excluded_points": notes.excluded_points,
        "excluded_users": notes.excluded_users,
        "malformed_count": notes.malformed_count,
        "malformed": [{"id": m.id, "reason": m.reason} for m in notes.malformed],
        "unusable_stakes_count": notes.unusable_stakes_count,
        "unusable_stakes": list(notes.unusable_stakes),
        "contributions": None if notes.contributions is None else asdict(notes.contributions),
        "after_cutoff": list(notes.after_cutoff),
    }


def _estimate(estimate: Estimate) -> Document:
    return {
        "transactions": estimate.transactions,
        "new_accounts": estimate.new_accounts,
        "receipts_rent_lamports": estimate.receipts_rent,
        "accounts_rent_lamports": estimate.accounts_rent,
        "fees_lamports": estimate.fees,
        "priority_fees_max_lamports": estimate.priority_fees_max,
        "total_lamports": estimate.lamports,
    }


def _year(now: YearCost, last: YearCost) -> Document:
    return {
        "contributors": now.contributors,
        "weeks": WEEKS,
        "lamports": asdict(now),
        "lamports_at_last_step": asdict(last),
    }


def _funds(funds: FundsReport) -> Document:
    return {
        "enough": funds.is_enough,
        "tokens_base_units": funds.treasury.tokens,
        "allowance_base_units": funds.treasury.allowance,
        "lamports": funds.treasury.lamports,
        "needed_base_units": funds.needed.tokens,
        "needed_lamports": funds.needed.lamports,
        "tokens_short_base_units": funds.tokens_short,
        "allowance_short_base_units": funds.allowance_short,
        "lamports_short": funds.lamports_short,
    }


def show_preview(console: Console, preview: Preview) -> None:
    header, notes = preview.header, preview.notes
    console.print(
        f"[bold]{preview.week.label}[/]  {counted(header.rewards, 'contributor')}, "
        f"{header.total_points:,} points, {tokens_text(header.total_amount)} KONTRIB, "
        f"ratio {float(preview.ratio):.6g}"
    )
    made = table("contributor", ">points", ">multiplier", ">KONTRIB", "wallet")
    for reward, amount in preview.top:
        made.add_row(
            escaped(reward.user_id),
            f"{reward.points:,}",
            f"{reward.multiplier / MULTIPLIER_SCALE:g}",
            tokens_text(amount),
            escaped(f"held: {reward.hold}" if reward.hold else reward.wallet),
        )
    if preview.top:
        console.print(made)
    show_notes(console, notes)
    for entrant, amount in preview.held:
        line = f"{entrant.user_id}, {tokens_text(amount)} KONTRIB, held: {entrant.hold}"
        console.print(f"  {visible_line(line)}", markup=False)
    if hidden := header.held - len(preview.held):
        console.print(f"  and {counted(hidden, 'more held reward')}")
    console.print(facts(_cost_facts(preview)))
    console.print(_years_table(preview))


def show_notes(console: Console, notes: PlanNotes) -> None:
    """Print the counts of rewards and contributions that planning left out or changed."""
    waived = "waived: the pool cannot give everyone the minimum"
    rows = {
        "late points": f"{notes.late_points:,}" if notes.late_points else None,
        "floor": waived if notes.floor_waived else None,
        "lifted to floor": notes.lifted or None,
        "held": _counted(notes.held),
        "excluded": _counted(notes.excluded),
        "malformed": notes.malformed_count or None,
        "unusable stakes": notes.unusable_stakes_count or None,
        "contributions": None if notes.contributions is None else notes.contributions.equation(),
    }
    console.print(facts(rows))
    _show_excluded(console, notes)
    for malformed in notes.malformed[:LISTED_MAX]:
        line = visible_line(f"{malformed.id}: {malformed.reason}")
        console.print(f"  {line}", markup=False, soft_wrap=True)
    for stake in notes.unusable_stakes[:LISTED_MAX]:
        line = visible_line(f"stake {stake.id} of user {stake.user_id}: {stake.reason}")
        console.print(f"  {line}", markup=False, soft_wrap=True)
    for contribution_id in notes.after_cutoff[:LISTED_MAX]:
        line = visible_line(f"{contribution_id}: recorded after the cut-off")
        console.print(f"  {line}", markup=False, soft_wrap=True)


def _show_excluded(console: Console, notes: PlanNotes) -> None:
    if not notes.excluded_users:
        return
    made = table("left out", ">points", "reason")
    listed: Counter[str] = Counter()
    for user in notes.excluded_users:
        alike = f"; looks like {user.looks_like}: {user.difference}" if user.looks_like else ""
        made.add_row(escaped(user.user_id), f"{user.points:,}", escaped(user.reason + alike))
        listed[user.reason] += 1
    for reason, count in sorted(notes.excluded.items()):
        if hidden := count - listed[reason]:
            made.add_row(f"and {hidden:,} more", "", escaped(reason))
    console.print(made)


def notes_of(board: Board) -> PlanNotes:
    """The notes that planning left on the week's distribution."""
    document: Mapping[str, Any] = board.notes.get("notes") or {}
    malformed = document.get("malformed") or []
    return PlanNotes(
        excluded=document.get("excluded") or {},
        excluded_points=document.get("excluded_points") or 0,
        held=document.get("held") or {},
        malformed_count=document.get("malformed_count") or 0,
        malformed=tuple(MalformedContribution(m["_id"], m["reason"]) for m in malformed),
        unusable_stakes_count=document.get("unusable_stakes_count") or 0,
        unusable_stakes=tuple(UnusableStake(**s) for s in document.get("unusable_stakes") or ()),
        late_points=document.get("late_points") or 0,
        floor_waived=bool(document.get("floor_waived")),
        lifted=document.get("lifted") or 0,
        excluded_users=tuple(ExcludedUser(**u) for u in document.get("excluded_users") or ()),
        contributions=Fates.read(document.get("contributions")),
        after_cutoff=tuple(document.get("after_cutoff") or ()),
    )


def _counted(reasons: dict[str, int]) -> str:
    return "; ".join(f"{count:,} {reason}" for reason, count in sorted(reasons.items()))


def _years_table(preview: Preview) -> Table:
    made = table(
        ">contributors",
        ">kontrib",
        ">last step",
        ">by 1",
        f">by {TRANSFERS_TOGETHER}",
        ">claims",
        ">accounts",
        title="SOL for a year of this many contributors a week. Last step: kontrib, at the rent of "
        "SIMD-0437's last step. By 1 and 20: fees of so many transfers a transaction. Claims: paid "
        "by the contributors. Accounts: token accounts for everyone, once, whoever pays.",
    )
    for now, last in preview.years:
        figures = (now.total, last.total, now.transfer_each, now.transfers_together)
        sols = map(_sol, (*figures, now.claims, now.accounts))
        made.add_row(f"{now.contributors:,}", *sols)
    return made


def _sol(lamports: int) -> str:
    """Lamports in SOL, short."""
    sol = Decimal(lamports).scaleb(-9)
    return f"{sol:,.3f}" if sol < 10 else f"{sol:,.1f}"


def _cost_facts(preview: Preview) -> dict[str, object]:
    estimate, funds = preview.estimate, preview.funds
    parts = f"1 anchor, {counted(estimate.batches, 'batch', 'batches')}, {estimate.singles} singles"
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
        "fees": f"{estimate.fees:,} lamports, of which {estimate.priority_fees_max:,} are the most "
        "that priority fees may cost",
        "needed": f"{tokens_text(funds.needed.tokens)} KONTRIB, "
        f"{sol_text(funds.needed.lamports)} SOL, for all open weeks together",
        "available": f"{tokens_text(funds.treasury.tokens)} KONTRIB, "
        f"{sol_text(funds.treasury.lamports)} SOL",
        "short": ", ".join(filter(None, short)) or "nothing",
    }
