"""The facts in the sentences of errors: times, figures and the values that were found."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

import pytest

from tests.core.strategies import A_WEEK
from worker.core.lifecycle import Stage, Status
from worker.core.money import BaseUnits, Lamports
from worker.core.payout.chain import Treasury
from worker.core.payout.historic import HistoricWeek
from worker.core.payout.records import Distribution
from worker.services.plan.anchored.read_anchor import AnchorUnreadable
from worker.services.plan.cluster.clock import ClockComparison, CutoffBeforeLast
from worker.services.plan.funds import FundsReport, FundsShort, Need
from worker.services.plan.genesis import AnotherCutoff, DistributedBefore

NOW = datetime(2024, 12, 16, tzinfo=UTC)


@pytest.mark.parametrize(
    ("ahead", "said"),
    [
        (1, "1 s ahead of the"),
        (0, "0 s ahead of the"),
        (0.4, "0 s ahead of the"),
        (-2, "2 s behind the"),
    ],
)
def test_a_clock_is_ahead_of_the_cluster_or_behind_it(ahead: float, said: str) -> None:
    comparison = ClockComparison(NOW + timedelta(seconds=ahead), NOW)

    assert comparison.sentence() == f"{said} newest finalized block of 2024-12-16 00:00:00 UTC"


@pytest.mark.parametrize("zone", ["UTC", "Pacific/Kiritimati"])
def test_a_cut_off_before_the_last_one_says_until_when_the_week_waits(
    monkeypatch: pytest.MonkeyPatch, zone: str
) -> None:
    last = int(NOW.timestamp())

    monkeypatch.setenv("TZ", zone)
    time.tzset()
    try:
        error = CutoffBeforeLast(A_WEEK, last - 90, last)
    finally:
        monkeypatch.undo()
        time.tzset()

    assert "waits until 2024-12-16 00:00:00 UTC, in 0:01:30:" in str(error)


@pytest.mark.parametrize(("known", "said"), [(None, "is none."), (7, "is 7.")])
def test_another_cut_off_is_named_beside_the_known_one(known: int | None, said: str) -> None:
    assert f"by its plan the last cut-off of the receipt key before {said}" in str(
        AnotherCutoff(9, known, "its plan")
    )


def test_a_distributed_week_is_named_with_its_figures_if_they_are_known() -> None:
    historic = HistoricWeek(Status.COMPLETED, 45, 100, BaseUnits(10**13))
    week = Distribution(A_WEEK, Stage.COMPLETED, historic=historic)

    assert str(DistributedBefore(A_WEEK, week)).endswith(f" {historic.blocks(A_WEEK)}")
    assert str(DistributedBefore(A_WEEK, Distribution(A_WEEK, Stage.DUE))).endswith("or later. ")


def test_funds_that_are_short_are_named_with_address_and_amount() -> None:
    treasury = Treasury(BaseUnits(2 * 10**9), BaseUnits(10**9), Lamports(5), "SOURCE", "PAYER")
    report = FundsReport(Need(BaseUnits(5 * 10**9), Lamports(1_000_000_005)), treasury)

    assert str(FundsShort("The plan", report)) == (
        "The plan: short of 3 KONTRIB in the source account SOURCE and of 4 KONTRIB of delegated "
        "allowance of the source account SOURCE and of 1 SOL (1,000,000,000 lamports) at the fee "
        "payer PAYER, all open weeks summed. Send the funds; the sweeper then continues by itself."
    )
    assert not report.is_enough
    assert FundsReport(Need(BaseUnits(1), Lamports(5)), treasury).is_enough


@pytest.mark.parametrize(
    ("goes_on", "said"), [(True, "many transactions mention"), (False, "no endpoint")]
)
def test_an_unreadable_anchor_says_whether_the_search_goes_on(goes_on: bool, said: str) -> None:
    assert f"anchored on chain, but {said}" in str(AnchorUnreadable(A_WEEK, goes_on=goes_on))
    assert "no endpoint returns the transaction" in str(AnchorUnreadable(A_WEEK))
