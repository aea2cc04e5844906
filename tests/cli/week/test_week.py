"""An operator's commands from genesis to a reconciled week."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from functools import partial

import pytest

from tests.cli.conftest import Command, MemoryBroker
from tests.fakes.documents import contribution_document
from tests.fakes.world import WEEK, World, chain_of, store_of, user_id_of
from worker.core.lifecycle import Stage
from worker.core.money import ONE_TOKEN, BaseUnits
from worker.core.week import Week
from worker.ports.payout import Store
from worker.services.plan.plan_week import plan_week
from worker.services.week.outcome import Verdict, verdict

POOL = 10_000 * ONE_TOKEN


@pytest.fixture
def week(world: World, kontrib: Command) -> list[str]:
    """A week of seven contributors that may be paid."""
    names = world.populate(7)
    assert kontrib("genesis", "--first-week", "2024-W50") == 0
    return names


def test_genesis_is_made_once_and_found_again(kontrib: Command) -> None:
    first = kontrib.json("genesis", "--first-week", "2024-W50")
    again = kontrib.json("genesis", "--first-week", "2024-12-09")
    assert (first["made_now"], again["made_now"]) == (True, False)
    assert first["first_week"] == again["first_week"] == "2024-W50"


def test_another_first_week_is_refused(kontrib: Command) -> None:
    kontrib("genesis", "--first-week", "2024-W50")
    assert kontrib("genesis", "--first-week", "2024-W49") == 1
    assert "first week 2024-W50" in kontrib.err


def test_a_dry_run_shows_everything_and_writes_nothing(
    kontrib: Command, world: World, week: list[str]
) -> None:
    world.add_user("held", wallet=None)
    world.contribute("held", 50)
    world.contribute("stranger", 50)
    shown = kontrib.json("plan", "2024-W50", "--dry-run")
    assert shown["contributors"] == 8
    assert shown["total_base_units"] == POOL
    assert shown["held"] == {"no wallet address": 1}
    assert shown["excluded"] == {"unknown user": 1}
    assert shown["estimate"]["transactions"] == 1 + 3 + 1
    assert shown["funds"]["enough"] is True
    years = shown["years"]
    assert [year["contributors"] for year in years] == [8, 45, 1_000, 100_000]
    assert all(
        year["lamports"]["receipts_rent"] >= year["lamports_at_last_step"]["receipts_rent"] > 0
        for year in years
    )
    assert world.first.store.distribution(WEEK) is None
    assert kontrib("plan", "2024-W50", "--dry-run") == 0
    assert "8 contributors" in kontrib.out
    assert "1 no wallet address" in kontrib.out
    assert "of which 0 are the most that priority fees may cost" in " ".join(kontrib.out.split())
    assert "100,000" in kontrib.out


def test_a_plan_is_written_published_and_not_paid(
    kontrib: Command, world: World, week: list[str]
) -> None:
    assert kontrib("plan", "2024-W50") == 0
    assert world.distribution().stage is Stage.PLANNED
    assert "published at memory://" in kontrib.err
    assert "Nothing is paid yet" in kontrib.err
    assert sum(world.balances(week).values()) == 0


def test_a_plan_shows_what_planning_held_back_and_left_out(
    kontrib: Command, world: World, week: list[str]
) -> None:
    world.add_user("held", wallet=None)
    world.contribute("held", 50)
    world.contribute("stranger", 50)
    notes = kontrib.json("plan", "2024-W50")["notes"]
    assert notes["held"] == {"no wallet address": 1}
    assert notes["excluded"] == {"unknown user": 1}
    assert notes["excluded_points"] == 50
    assert kontrib("plan", "2024-W50") == 0
    assert "1 no wallet address" in kontrib.out
    assert "1 unknown user" in kontrib.out


def test_excluded_users_are_named_with_what_tells_them_from_a_user_who_looks_the_same(
    kontrib: Command, world: World, week: list[str]
) -> None:
    store = store_of(world.first)
    for name in ("Jos\u00e9", "ann", "bob"):
        store.add_user({"_id": name})
    for number, name in enumerate(["Jose\u0301", "Ann", "bob ", "bob\n", "b\u200bob", "nobody"]):
        document = contribution_document(name, WEEK.start, points=20 + number)
        store.add_contribution(document)
    world.add_user("small")
    world.contribute("small", 1)

    notes = kontrib.json("plan", "2024-W50")["notes"]

    assert notes["excluded"] == {"below 10 points": 1, "unknown user": 6}
    listed = {each["user_id"]: each for each in notes["excluded_users"]}
    assert {name: (each["looks_like"], each["difference"]) for name, each in listed.items()} == {
        user_id_of("small"): ("", ""),
        "Jose\u0301": ("Jos\u00e9", "it is NFD, the other NFC"),
        "Ann": ("ann", "it has other capitals"),
        "bob ": ("bob", "it has a blank"),
        "bob\n": ("bob", "it has a line break"),
        "b\u200bob": ("bob", "it has an invisible character U+200B"),
        "nobody": ("", ""),
    }
    assert (listed["Ann"]["points"], listed["Ann"]["reason"]) == (21, "unknown user")
    assert kontrib("plan", "2024-W50") == 0
    assert "looks like bob: it has a line break" in kontrib.out
    assert r"b\u200bob" in kontrib.out


def test_the_first_twenty_excluded_users_of_a_reason_are_named(
    kontrib: Command, world: World, week: list[str]
) -> None:
    for number in range(25):
        world.contribute(f"stranger {number:02}", 50)
    world.contribute("weak", 1)
    shown = kontrib.json("plan", "2024-W50", "--dry-run")
    strangers = sorted(user_id_of(f"stranger {number:02}") for number in range(25))
    assert [each["user_id"] for each in shown["excluded_users"]] == [
        user_id_of("weak"),
        *strangers[:20],
    ]
    assert kontrib("plan", "2024-W50", "--dry-run") == 0
    assert "and 5 more" in kontrib.out


def test_a_week_that_is_not_over_is_refused_by_name(kontrib: Command, week: list[str]) -> None:
    assert kontrib("plan", "2024-W51", "--dry-run") == 2
    assert "2024-W51 is not over" in kontrib.err
    assert kontrib("run", "2024-W49", "--inline") == 2
    assert "2024-W49 lies before the first week" in kontrib.err


def test_a_week_is_paid_in_this_process(kontrib: Command, world: World, week: list[str]) -> None:
    shown = kontrib.json("run", "2024-W50", "--inline")
    assert kontrib.code == 0
    assert shown["paid"] == {"rewards": 7, "base_units": POOL}
    assert sum(world.balances(week).values()) == POOL
    assert kontrib.session.woken == []


def test_a_week_is_paid_by_workers(kontrib: Command, world: World, week: list[str]) -> None:
    assert kontrib("run", "2024-W50") == 0
    assert kontrib.session.woken == [("tasks.distribute", {"week": "2024-12-09", "at_once": False})]
    assert "2024-W50 is completed: 7 of 7 rewards paid, 10,000 KONTRIB." in kontrib.err
    assert sum(world.balances(week).values()) == POOL


def test_the_week_that_ended_last_is_the_default(kontrib: Command, week: list[str]) -> None:
    assert kontrib("run", "--inline") == 0
    assert "2024-W50" in kontrib.out


def test_without_workers_a_run_says_so(kontrib: Command, week: list[str]) -> None:
    kontrib.session.has_workers = False
    assert kontrib("run", "2024-W50") == 3
    assert "No Celery worker answers" in kontrib.err


def test_the_grace_is_kept_unless_now_is_asked_for(
    capsys: pytest.CaptureFixture[str],
) -> None:
    world = World(now=WEEK.end)
    kontrib = Command(world, capsys)
    world.populate(3)
    kontrib("genesis", "--first-week", "2024-W50")
    assert kontrib("run", "2024-W50", "--inline") == 2
    assert kontrib("run", "2024-W50", "--inline", "--now") == 0
    assert world.distribution().stage is Stage.COMPLETED


def test_a_run_again_pays_nobody_twice(kontrib: Command, world: World, week: list[str]) -> None:
    for _ in range(3):
        assert kontrib("run", "2024-W50", "--inline") == 0
        assert kontrib("retry", "2024-W50", "--inline") == 0
    assert sum(world.balances(week).values()) == POOL


def test_too_few_funds_stop_a_run_with_the_shortfall(
    kontrib: Command, world: World, week: list[str]
) -> None:
    world.fund(tokens=-(1_000_000 - 9_990) * ONE_TOKEN)
    world.clock.sleep(30)
    assert kontrib("run", "2024-W50", "--inline") == 3
    assert "short of 10 KONTRIB" in kontrib.err
    assert "short of 10 KONTRIB" in kontrib.json("status", "2024-W50")["reason"]
    world.fund(tokens=10 * ONE_TOKEN)
    world.clock.sleep(30)
    assert kontrib("retry", "2024-W50", "--inline") == 0
    assert sum(world.balances(week).values()) == POOL


def test_an_approval_lets_a_plan_be_anchored(
    kontrib: Command, world: World, week: list[str]
) -> None:
    store_of(world.first).set_rules(require_approval=True)
    kontrib.session.has_workers = False
    assert kontrib("approve", "2024-W50") == 3
    kontrib("plan", "2024-W50")
    assert "kontrib approve 2024-W50" in kontrib.err
    assert kontrib("run", "2024-W50", "--inline") == 3
    assert "waits for approval" in kontrib.err
    root = kontrib.json("status", "2024-W50")["root"]
    assert kontrib("approve", "2024-W50") == 1
    assert f"kontrib approve 2024-W50 --root {root}" in kontrib.err
    assert kontrib("approve", "2024-W50", "--root", "ab" * 32) == 1
    assert kontrib("approve", "2024-W50", "--root", root[:16]) == 2
    assert kontrib("approve", "2024-W50", "--root", root) == 0
    assert kontrib("run", "2024-W50", "--inline") == 0
    assert kontrib("approve", "2024-W50") == 0
    assert "nothing to approve" in kontrib.err


def test_a_plan_that_leaves_most_out_says_why_it_waits_and_can_be_made_again(
    kontrib: Command, world: World, week: list[str]
) -> None:
    store_of(world.first).set_rules(min_points=10_000)
    assert kontrib.json("plan", "2024-W50", "--dry-run")["contributions"]["excluded"] == 7
    assert kontrib("plan", "2024-W50") == 0
    assert "7 seen, 0 counted, 0 late, 7 excluded" in " ".join(kontrib.out.split())
    assert "100.0% of its contributions or points cannot count" in kontrib.err
    assert kontrib("run", "2024-W50", "--inline") == 3
    assert "max_left_out" in kontrib.json("status", "2024-W50")["reason"]
    store_of(world.first).set_rules(min_points=10)
    assert kontrib.json("plan", "2024-W50", "--again")["notes"]["contributions"]["counted"] == 7
    assert kontrib("run", "2024-W50", "--inline") == 0
    report = kontrib.json("report", "2024-W50")
    assert report["contributions"]["seen"] == 7


def test_all_weeks_are_shown_in_one_table(kontrib: Command, world: World, week: list[str]) -> None:
    kontrib("run", "--inline")
    world.clock.sleep(8 * 7 * 24 * 3600)
    assert kontrib("status") == 0
    assert "2024-W50" in kontrib.out
    assert "2024-W51 to 2025-W06" in kontrib.out
    assert len(kontrib.json("status")["weeks"]) == 9


class WatchersClock:
    """A clock for `--watch`: each sleep lets one event happen, and the last one ends in Ctrl-C."""

    def __init__(self, world: World, *happenings: Callable[[], object]) -> None:
        self._clock, self._happenings = world.clock, iter(happenings)

    def now(self) -> datetime:
        return self._clock.now()

    def sleep(self, seconds: float) -> None:
        happening = next(self._happenings, None)
        if happening is None:
            raise KeyboardInterrupt
        happening()


def test_a_watched_status_as_json_is_a_line_for_each_change(
    kontrib: Command, world: World, week: list[str]
) -> None:
    pause = partial(world.first.store.pause, "the treasury moves")
    world.clock = WatchersClock(world, lambda: None, pause)  # type: ignore[assignment]
    assert kontrib("status", "--watch", "--json") == 130
    first, paused = map(json.loads, kontrib.out.splitlines())
    assert (first["paused"], paused["paused"]) == (None, "the treasury moves")


def test_a_watched_week_is_drawn_again_when_it_changes(
    kontrib: Command, world: World, week: list[str]
) -> None:
    plan = partial(plan_week, world.first, WEEK)
    world.clock = WatchersClock(world, lambda: None, plan)  # type: ignore[assignment]
    assert kontrib("status", "2024-W50", "--watch") == 130
    assert kontrib.out.count("2024-W50") == 2
    assert "stage due" in kontrib.out
    assert "stage planned" in kontrib.out


def test_status_before_anything_says_how_to_begin(kontrib: Command) -> None:
    assert kontrib("status") == 0
    assert "kontrib genesis" in kontrib.out
    assert kontrib("status", "2024-W50") == 0
    assert "stage due" in kontrib.out


def test_plan_database_and_chain_are_compared(kontrib: Command, week: list[str]) -> None:
    assert kontrib("reconcile", "2024-W50") == 3
    kontrib("run", "--inline")
    shown = kontrib.json("reconcile", "2024-W50")
    assert kontrib.code == 0
    assert (shown["exact"], shown["mismatch_base_units"]) == (True, 0)
    assert shown["chain_paid_base_units"] == POOL


def test_a_difference_makes_a_reconciliation_fail(
    kontrib: Command, world: World, week: list[str]
) -> None:
    kontrib("run", "--inline")
    state = store_of(world.first).state
    stored = next(iter(state.rewards_of(world.distribution().plan_id or "").values()))
    amount = BaseUnits(stored.reward.row.amount + 1)
    state.put_reward(stored, row=replace(stored.reward.row, amount=amount))
    assert kontrib("reconcile", "2024-W50") == 1
    assert "MISMATCH" in kontrib.out


def test_a_pause_stops_all_signing_until_it_is_lifted(
    kontrib: Command, world: World, week: list[str]
) -> None:
    assert kontrib("pause", "--reason", "the treasury moves") == 0
    assert kontrib("run", "2024-W50", "--inline") == 3
    assert "the treasury moves" in kontrib.err
    assert sum(world.balances(week).values()) == 0
    assert kontrib("resume") == 0
    assert ("tasks.sweep", {}) in kontrib.session.woken
    assert kontrib("run", "2024-W50", "--inline") == 0
    assert sum(world.balances(week).values()) == POOL


def test_a_doctor_lists_what_is_missing(kontrib: Command, world: World) -> None:
    world.clock.sleep(30)
    kontrib.session.has_workers = False
    shown = kontrib.json("doctor")
    assert kontrib.code == 3
    failed = {check["name"] for check in shown["checks"] if not check["ok"]}
    assert failed == {"Celery workers", "Celery beat", "genesis"}
    assert all(check["advice"] for check in shown["checks"] if not check["ok"])
    assert kontrib("doctor") == 3
    assert "WRONG" in kontrib.out


def test_a_doctor_is_content_with_a_system_that_is_ready(
    kontrib: Command, world: World, week: list[str]
) -> None:
    world.first.store.beat("beat", world.clock.now())
    assert kontrib("doctor") == 0
    assert "WRONG" not in kontrib.out
    assert "not proven" not in kontrib.out
    assert "secret" not in kontrib.out


def test_a_run_that_is_interrupted_says_how_to_go_on(
    kontrib: Command, world: World, week: list[str]
) -> None:
    def interrupt(method: str) -> None:
        if method == "send":
            raise KeyboardInterrupt

    chain_of(world.first).before = interrupt
    assert kontrib("run", "2024-W50", "--inline") == 130
    assert "Interrupted. 2024-W50: anchoring." in kontrib.err
    assert "`kontrib run 2024-W50` continues" in kontrib.err
    chain_of(world.first).before = lambda method: None
    assert kontrib("run", "2024-W50", "--inline") == 0
    assert sum(world.balances(week).values()) == POOL


def test_a_malformed_condition_is_named_by_plan_doctor_and_check(
    kontrib: Command, world: World, week: list[str]
) -> None:
    store_of(world.first).set_rules(eligibility=[{"field": "groups", "nin": ["bot"]}])
    named = "condition 1 has the unknown operator 'nin', write 'not_in'"
    assert kontrib("plan", "2024-W50") == 3
    assert named in kontrib.err
    assert world.distribution().plan_id is None
    for command in ("doctor", "check"):
        assert kontrib(command) in (1, 3)
        assert named in kontrib.out + kontrib.err


def test_the_last_line_shows_the_week_as_it_ended(
    kontrib: Command, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.populate(3)
    world.genesis()

    def closed_since_the_look(store: Store, week: Week, now: datetime) -> Verdict | None:
        world.run()
        return verdict(store, week, now)

    monkeypatch.setattr(MemoryBroker, "wake", lambda *_, **__: None)
    monkeypatch.setattr("worker.cli.week.progress.verdict", closed_since_the_look)
    assert kontrib("run", "2024-W50") == 0
    assert "2024-W50: closed, 3 of 3 rewards paid, 10,000 KONTRIB" in kontrib.err
