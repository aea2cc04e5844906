"""The report of a week is exact and complete."""

from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest
from jinja2 import UndefinedError

from tests.fakes.check.report_world import HOSTILE, WEEKS, busy_world, report_of
from tests.fakes.world import WEEK, World, store_of
from worker.bootstrap.without_settings import render_report
from worker.core.lifecycle import PayoutStatus
from worker.core.money import ONE_TOKEN
from worker.core.payout import hold, single
from worker.core.payout.advice import BY_OPERATOR, advice
from worker.core.payout.chain import AccountProblem
from worker.core.plan.entrant import OVER_ACCOUNT_CAP
from worker.core.report.explorer import transaction_url
from worker.ports.report import TypeTally
from worker.services.plan.plan_week import plan_week
from worker.services.plan.planned_week import NotPlanned
from worker.services.report.week import Group, WeekReport

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
    assert sum(each.points for each in report.types.values()) == report.board.points
    assert sum(each.count for each in report.types.values()) == 42
    assert set(report.types) == {"creation", "major_edit", "translation"}
    assert report.points_missing == 0


def test_points_that_vanished_after_planning_are_reported() -> None:
    world, week = busy_world(weeks=1, people=4)
    contributions = store_of(world.first).state.contributions
    gone = contributions.pop(next(iter(contributions)))
    changed = report_of(world, week)
    assert changed.points_missing == gone["total_points"]
    assert "changed or deleted after planning" in render_report("week.html", report=changed)


def test_the_top_is_sorted_by_reward(report: WeekReport) -> None:
    amounts = [reward.row.amount for reward in report.top]
    assert amounts == sorted(amounts, reverse=True)
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
    assert "waits" in render_report("week.html", report=planned)


def test_without_the_chain_nothing_is_linked_and_no_rent_is_guessed() -> None:
    world, week = busy_world(weeks=1, people=4)
    offline = report_of(world, week, cluster=None)
    page = render_report("week.html", report=offline)
    assert offline.cost.total is None
    assert "explorer.solana.com" not in page
    assert str(offline.board.signature) in page


def test_the_page_is_well_formed_and_holds_no_foreign_markup(report: WeekReport) -> None:
    page = render_report("week.html", report=report)
    _Balanced().check(page)
    assert page.startswith("<!doctype html>")
    assert page.count("<script") == 1  # our own, by its hash
    assert HOSTILE not in page
    addresses = re.findall(r"(?:src|href|url)\s*[=(]\s*[\"']?([^\"' )>]+)", page)
    assert all(a.startswith(("https://explorer.solana.com/tx/", "data:,")) for a in addresses)


def test_what_people_wrote_is_text_on_the_page(report: WeekReport) -> None:
    written = Group(HOSTILE, HOSTILE, 1, ONE_TOKEN, [HOSTILE])
    page = render_report(
        "week.html",
        report=replace(
            report,
            board=replace(report.board, reason=HOSTILE, signature=HOSTILE),
            types={HOSTILE: TypeTally(1, 1)},
            excluded={HOSTILE: 1},
            held=[written],
            payouts=[replace(report.payouts[0], id=HOSTILE)],
            rewards=[replace(report.rewards[0], user_id=HOSTILE)],
            names={HOSTILE: HOSTILE},
        ),
    )
    _Balanced().check(page)
    assert page.count("&lt;script") >= 10
    assert page.count("<script") == 1


def test_a_page_without_one_of_its_values_is_an_error(report: WeekReport) -> None:
    with pytest.raises(UndefinedError):
        render_report("week.html", report=report.board)


def test_a_payout_that_waits_says_why(report: WeekReport) -> None:
    waiting = replace(report.payouts[0], status=PayoutStatus.PENDING, reason="no SOL left")
    page = render_report("week.html", report=replace(report, payouts=[waiting]))
    assert "waits<br>no SOL left" in page


def test_a_long_list_of_transactions_is_folded(report: WeekReport) -> None:
    assert "Show all" not in render_report("week.html", report=report)
    long = replace(report, payouts=[report.payouts[0]] * 30)
    assert "<summary>Show all 31</summary>" in render_report("week.html", report=long)


@pytest.mark.parametrize(
    ("cluster", "end"),
    [("mainnet-beta", "/tx/abc"), ("devnet", "/tx/abc?cluster=devnet"), (None, "None")],
)
def test_a_link_names_its_cluster(cluster: str | None, end: str) -> None:
    assert str(transaction_url("abc", cluster)).endswith(end)


def test_every_known_reason_has_advice_of_its_own() -> None:
    unknown = advice("something new", "2024-W50")
    reasons = [problem.value for problem in AccountProblem]
    reasons += [hold.NO_WALLET, hold.CLOSED_ACCOUNT, hold.USER_TWICE, OVER_ACCOUNT_CAP]
    reasons += [single.NOT_MADE_YET, single.UNREADABLE, single.HOLD_EXPIRED]
    reasons.append(BY_OPERATOR + "asked for {week}")
    for reason in reasons:
        found = advice(reason, "2024-W50")
        assert found != unknown
        assert "{" not in found


class _Balanced(HTMLParser):
    """Checks that every opened element is closed, in order."""

    EMPTY = frozenset({"meta", "link", "br", "input", "rect", "line", "polygon", "polyline"})

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
