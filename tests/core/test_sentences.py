"""Sentences of results: one plural, and numbers with separators."""

from __future__ import annotations

from worker.core.check.report import CheckReport
from worker.core.week import Week
from worker.services.payout.reconcile import Reconciliation


def test_a_check_names_one_thing_in_the_singular() -> None:
    report = CheckReport()
    report.looked_at.update({"weeks on chain": 1, "users with stakes": 1, "votes": 1, "plans": 2})
    report.looked_at["voting powers"] += 1_000
    assert report.sentence() == (
        "no difference in 1 week on chain, 1 user with stakes, 1 vote, 2 plans, 1,000 voting powers"
    )


def test_base_units_have_separators() -> None:
    found = Reconciliation(Week.parse("2024-W50"), planned=10**13, payouts=2)
    assert "MISMATCH of 10,000,000,000,000 base units" in found.sentence()
    found.database_paid = found.chain_paid = 10**13
    assert "10,000,000,000,000 base units planned, 10,000,000,000,000 paid in 2" in found.sentence()
