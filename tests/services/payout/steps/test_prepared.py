"""Payouts that wait for funds beside others that are signed."""

from __future__ import annotations

from datetime import UTC, datetime

from tests.core.strategies import A_WEEK
from worker.core.money import BaseUnits, Lamports
from worker.core.payout.backoff import for_a_person, for_an_event, next_look_at
from worker.core.payout.chain import Treasury
from worker.core.payout.records import Payout, PayoutKind
from worker.services.payout.prepare import PreparedPayments
from worker.services.plan.funds import FundsReport, FundsShort, Need

NOW = datetime(2024, 12, 16, tzinfo=UTC)


def a_payout(index: int) -> Payout:
    return Payout(
        id=f"{A_WEEK.id}/{index:05}",
        plan_id="plan",
        week=A_WEEK,
        kind=PayoutKind.BATCH,
        index=index,
        rewards=1,
        amount=BaseUnits(1),
    )


def test_waits_for_funds_are_added_with_the_reason_and_count_as_no_failure() -> None:
    treasury = Treasury(BaseUnits(1), None, Lamports(1))
    error = FundsShort("accounts", FundsReport(Need(BaseUnits(2), Lamports(3)), treasury))
    before = for_a_person(a_payout(0), "changed rows")
    prepared = PreparedPayments(later=[before])

    prepared.wait_for_funds([a_payout(1), a_payout(2)], error, NOW)

    assert prepared.short is error
    assert prepared.later == [
        before,
        *(
            for_an_event(payout, str(error), next_look_at(NOW, payout.id))
            for payout in (a_payout(1), a_payout(2))
        ),
    ]
