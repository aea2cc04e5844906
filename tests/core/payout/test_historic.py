"""Weeks that another system distributed."""

from __future__ import annotations

from worker.core.lifecycle import Status
from worker.core.money import ONE_TOKEN, BaseUnits
from worker.core.payout.historic import HistoricWeek
from worker.core.week import Week


def test_such_a_week_says_why_it_is_not_planned_and_what_changes_it() -> None:
    historic = HistoricWeek(Status.COMPLETED, 1_045, 5_400, BaseUnits(10_000 * ONE_TOKEN))

    assert historic.blocks(Week.parse("2024-W50")) == (
        "2024-W50 was distributed by another system (completed, 1,045 contributors, "
        "10,000 KONTRIB), so it is neither planned nor paid, and later weeks wait. To plan and pay "
        "the week here all over, move that document away with `kontrib migrate set-aside 2024-W50 "
        '--reason "why"`.'
    )


def test_a_week_of_which_only_rewards_are_left_says_so() -> None:
    historic = HistoricWeek(Status.COMPLETED, 1, 1, BaseUnits(1), has_document=False)

    assert (
        "weeks wait. There are only its rewards. To plan and pay the week here all over"
        in historic.blocks(Week.parse("2024-W50"))
    )
