"""What `--json` prints. Amounts are integers in the unit of their name; names never change."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from worker.core.payout.records import Tally
from worker.core.week import Week
from worker.services.payout.reconcile import Reconciliation
from worker.services.plan.funds import FundsReport
from worker.services.plan.preview import Estimate, Preview
from worker.services.week.status import Board, Obstacle
from worker.services.wiki.ingest import IngestReport

Document = dict[str, Any]


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
        "on_their_way": _tally(board.unpaid),
        "held": _tally(board.held),
        "failed": _tally(board.failed),
        "batches": board.batches,
        "payouts": {status.value: count for status, count in board.payouts.items()},
        "fees_lamports": board.fees,
        "root": board.root,
        "signature": board.signature,
        "reason": board.reason,
        "next_attempt_at": board.next_attempt_at,
        "stopped": board.stopped,
        "approved": board.approved,
        "completed_at": board.completed_at,
        "reconciliation": board.notes.get("reconciliation"),
        "unresolved": [
            {"id": o.payout_id, "reason": o.reason, "next_attempt_at": o.next_attempt_at}
            for o in obstacles
        ],
    }


def preview_document(preview: Preview) -> Document:
    header, notes = preview.header, preview.notes
    return week_document(preview.week) | {
        "stage": preview.stage,
        "ratio": float(preview.ratio),
        "contributors": header.rewards,
        "points": header.total_points,
        "late_points": notes.late_points,
        "total_base_units": header.total_amount,
        "batches": header.batches,
        "batch_size": header.batch_size,
        "floor_waived": notes.floor_waived,
        "lifted_to_floor": notes.lifted,
        "held": notes.held,
        "excluded": notes.excluded,
        "excluded_points": notes.excluded_points,
        "malformed_count": notes.malformed_count,
        "malformed": [{"id": m.id, "reason": m.reason} for m in notes.malformed],
        "top": [
            {
                "user_id": reward.user_id,
                "points": reward.points,
                "staking_multiplier": reward.multiplier / 10**6,
                "amount_base_units": reward.amount,
                "wallet": reward.wallet or None,
                "held": reward.hold or None,
            }
            for reward in preview.top
        ],
        "estimate": _estimate(preview.estimate),
        "funds": _funds(preview.funds),
    }


def ingest_document(report: IngestReport) -> Document:
    return {
        "lines": report.lines,
        "added": report.added,
        "already_there": report.known,
        "other_weeks": report.elsewhere,
        "points_differ_from_file": report.repriced,
        "users_added": report.users_added,
        "users_missing": report.users_missing,
        "wallets_given": report.wallets_given,
        "malformed_count": report.malformed_count,
        "malformed": [{"line": m.line, "reason": m.reason} for m in report.malformed],
        "weeks": {week.label: report.weeks[week] for week in sorted(report.weeks)},
    }


def reconciliation_document(result: Reconciliation) -> Document:
    return week_document(result.week) | {
        "exact": result.is_exact,
        "planned_base_units": result.planned,
        "database_paid_base_units": result.database_paid,
        "database_unpaid_base_units": result.database_unpaid,
        "chain_paid_base_units": result.chain_paid,
        "mismatch_base_units": result.mismatch,
        "payouts": result.payouts,
        "unreadable": result.unreadable,
        "fees_lamports": result.fees,
        "differences": result.differences,
        "signatures": result.signatures,
    }


def _tally(tally: Tally) -> Document:
    return {"rewards": tally.count, "base_units": tally.amount}


def _estimate(estimate: Estimate) -> Document:
    return {
        "transactions": estimate.transactions,
        "new_accounts": estimate.new_accounts,
        "receipts_rent_lamports": estimate.receipts_rent,
        "accounts_rent_lamports": estimate.accounts_rent,
        "fees_lamports": estimate.fees,
        "total_lamports": estimate.lamports,
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
