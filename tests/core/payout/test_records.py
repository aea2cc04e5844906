"""Stored weeks and recipients."""

from __future__ import annotations

from datetime import date

import pytest

from tests.core.strategies import A_WEEK
from worker.core.lifecycle import Stage, Status
from worker.core.money import BaseUnits
from worker.core.payout.chain import AccountProblem, Recipient, missing_wallets
from worker.core.payout.historic import HistoricWeek
from worker.core.payout.records import Distribution
from worker.core.week import Week

HISTORIC = HistoricWeek(Status.COMPLETED, 45, 100, BaseUnits(10**13))
BEFORE, AFTER = Week(date(2024, 12, 2)), A_WEEK.next()


def distribution(historic: HistoricWeek | None) -> Distribution:
    return Distribution(week=A_WEEK, stage=Stage.COMPLETED, historic=historic)


@pytest.mark.parametrize("first_week", [BEFORE, A_WEEK])
def test_a_week_of_another_system_stops_where_this_one_has_to_plan_it(first_week: Week) -> None:
    stopped = distribution(HISTORIC).since(first_week)

    assert (stopped.week, stopped.historic) == (A_WEEK, HISTORIC)
    assert (stopped.stage, stopped.stopped) == (Stage.DUE, True)
    assert stopped.reason == HISTORIC.blocks(A_WEEK)


@pytest.mark.parametrize(
    ("historic", "first_week"),
    [(None, None), (None, BEFORE), (None, A_WEEK), (HISTORIC, None), (HISTORIC, AFTER)],
)
def test_every_other_week_stays(historic: HistoricWeek | None, first_week: Week | None) -> None:
    assert distribution(historic).since(first_week) == distribution(historic)


def test_an_account_is_missing_if_the_wallet_is_good_and_has_none() -> None:
    known = [
        Recipient("none", None, account_exists=False),
        Recipient("one", None, account_exists=True),
        Recipient("frozen", AccountProblem.FROZEN, account_exists=True),
        Recipient("no wallet", AccountProblem.FROZEN, account_exists=False),
    ]
    assert missing_wallets(known) == {"none"}
