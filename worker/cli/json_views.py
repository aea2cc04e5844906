"""What `--json` prints. Amounts are integers in the unit of their name; names never change."""

from __future__ import annotations

from collections.abc import Sequence

from worker.cli.board_view import Document, week_document
from worker.services.payout.reconcile import Reconciliation
from worker.services.watch.doctor import Check


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


def checks_document(checks: Sequence[Check]) -> Document:
    return {
        "ready": all(check.ok for check in checks),
        "checks": [
            {"name": c.name, "ok": c.ok, "detail": c.detail, "advice": c.advice or None}
            for c in checks
        ],
    }
