"""What a report says of a week is exact, and complete."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fakes.check.report_world import HOSTILE, WEEKS, busy_world, report_of
from tests.fakes.world import WEEK, World, store_of
from worker.core.money import ONE_TOKEN
from worker.core.payout.records import AccountProblem
from worker.core.plan.new_account_cap import OVER_ACCOUNT_CAP
from worker.core.report.explorer import transaction_url
from worker.core.report.spread import BINS_MAX, WHOLE, spread
from worker.services.payout import singles
from worker.services.plan import eligibility
from worker.services.plan.plan_week import plan_week
from worker.services.plan.planned_week import NotPlanned
from worker.services.report.advice import BY_OPERATOR, advice
from worker.services.report.page import report_page
from worker.services.report.week import WeekReport

POOL = 10_000 * ONE_TOKEN


@pytest.fixture(scope="module")
def report() -> WeekReport:
    world, week = busy_world()
    return report_of(world, week)


def test_every_base_unit_is_paid_or_held_or_failed(report: WeekReport) -> None:
    unpaid = sum(group.amount for group in (*report.held, *report.failed))
    assert report.board.paid.amount + unpaid == report.board.planned == POOL
    assert sum(group.amount for group in report.held) == report.board.held.amount
    assert sum(payout.amount for payout in report.payouts) == report.board.paid.amount


def test_contributions_by_type_sum_to_the_plan(report: WeekReport) -> None:
    assert sum(each.points for each in report.types.values()) == report.header.total_points
    assert sum(each.count for each in report.types.values()) == 42
    assert set(report.types) == {"creation", "major_edit", "translation"}
    assert report.points_missing == 0


def test_points_that_vanished_after_planning_are_told() -> None:
    world, week = busy_world(weeks=1, people=4)
    contributions = store_of(world.first).state.contributions
    gone = contributions.pop(next(iter(contributions)))
    changed = report_of(world, week)
    assert changed.points_missing == gone["total_points"]
    assert "changed or deleted after planning" in report_page(changed)


def test_the_top_is_sorted_by_reward(report: WeekReport) -> None:
    amounts = [reward.row.amount for reward in report.top]
    assert amounts == sorted(amounts, reverse=True)
    assert report.spread is not None
    assert amounts[0] == report.spread.largest


def test_the_trend_is_the_last_twelve_weeks(report: WeekReport) -> None:
    assert [each.board.week for each in report.trend] == WEEK.back(WEEKS - 1).until(WEEK)
    assert all(each.ratio for each in report.trend)


def test_a_planned_week_has_a_report_and_a_due_one_has_none(world: World) -> None:
    world.populate(5)
    world.genesis()
    with pytest.raises(NotPlanned):
        report_of(world)
    plan_week(world.first, WEEK)
    planned = report_of(world)
    assert planned.board.paid.amount == 0
    assert planned.cost.receipts == 0
    assert "waits" in report_page(planned)


def test_without_the_chain_nothing_is_linked_and_no_rent_is_guessed() -> None:
    world, week = busy_world(weeks=1, people=4)
    offline = report_of(world, week, cluster=None)
    page = report_page(offline)
    assert offline.cost.total is None
    assert "explorer.solana.com" not in page
    assert str(offline.board.signature) in page


def test_the_page_is_well_formed_and_holds_no_foreign_markup(report: WeekReport) -> None:
    page = report_page(report)
    _Balanced().check(page)
    assert "<script" not in page
    assert HOSTILE not in page
    addresses = re.findall(r"(?:src|href|url)\s*[=(]\s*[\"']?([^\"' )>]+)", page)
    assert all(a.startswith(("https://explorer.solana.com/tx/", "data:,")) for a in addresses)


@pytest.mark.parametrize(
    ("cluster", "end"),
    [("mainnet-beta", "/tx/abc"), ("devnet", "/tx/abc?cluster=devnet"), (None, "None")],
)
def test_a_link_names_its_cluster(cluster: str | None, end: str) -> None:
    assert str(transaction_url("abc", cluster)).endswith(end)


def test_every_known_reason_has_advice_of_its_own() -> None:
    unknown = advice("something new", "2024-W50")
    reasons = [problem.value for problem in AccountProblem]
    reasons += [eligibility.NO_WALLET, eligibility.CLOSED_ACCOUNT, OVER_ACCOUNT_CAP]
    reasons += [singles.NOT_MADE_YET, singles.UNREADABLE, singles.HOLD_EXPIRED]
    reasons.append(BY_OPERATOR + "asked for {week}")
    for reason in reasons:
        found = advice(reason, "2024-W50")
        assert found != unknown
        assert "{" not in found


@given(st.lists(st.integers(0, 2**63 - 1), max_size=60))
def test_every_amount_is_in_exactly_one_bin(amounts: list[int]) -> None:
    found = spread(amounts)
    if found is None:
        assert sum(amounts) == 0
        return
    assert sum(each.count for each in found.bins) == len(amounts)
    for each in found.bins:
        assert each.count == sum(each.low <= amount < each.high for amount in amounts)
    assert len(found.bins) <= 2 * BINS_MAX
    assert list(found.lorenz) == sorted(found.lorenz)
    assert (found.lorenz[0], found.lorenz[-1]) == (0, WHOLE)


class _Balanced(HTMLParser):
    """Every element that is opened is closed, in order."""

    EMPTY = frozenset({"meta", "link", "br", "rect", "line", "polygon", "polyline"})

    def check(self, page: str) -> None:
        self.open: list[str] = []
        self.feed(page)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: object) -> None:
        if tag not in self.EMPTY:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: object) -> None:
        assert tag in self.EMPTY

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag
