"""Endpoints that are dead, late or limited are named: by the doctor, figures and reasons."""

from __future__ import annotations

import pytest

from tests.fakes.chain.chain import FakeEndpoint
from tests.fakes.world import WEEK, World, chain_of, restarted
from worker.adapters.exporter import FiguresCollector
from worker.adapters.solana.errors import SampleRefused
from worker.core.errors import NotReady, Unreachable
from worker.core.findings import Check
from worker.core.lifecycle import Stage
from worker.services.context import Deadline
from worker.services.payout.pay import pay
from worker.services.plan.genesis import first_week, make_genesis
from worker.services.plan.plan_week import plan_week
from worker.services.plan.planned_week import planned_week
from worker.services.plan.send_until_resolved import ReceiptUnknown
from worker.services.watch.doctor import ask, payout_questions
from worker.services.watch.endpoints import endpoint_figures, record_endpoints
from worker.services.watch.metrics import collect_figures
from worker.services.week.run import do_work
from worker.services.week.status import obstacles
from worker.services.week.story import Job, Work

DEAD = FakeEndpoint(down=True)
LATE = FakeEndpoint(late={"receipts": 400})


def with_endpoints(world: World, *endpoints: FakeEndpoint) -> None:
    chain_of(world.first).endpoints = list(endpoints)


def doctor(world: World) -> dict[str, Check]:
    return {
        check.name: check
        for check in ask(payout_questions(lambda: world.first, lambda: world.first.store))
    }


@pytest.fixture
def world() -> World:
    made = World()
    made.genesis()
    made.clock.sleep(400)
    return made


def test_one_dead_endpoint_of_three_is_named_and_stops_no_other_question(world: World) -> None:
    with_endpoints(world, FakeEndpoint(), DEAD, FakeEndpoint())

    checks = doctor(world)

    assert [name for name, check in checks.items() if not check.ok] == ["endpoints"]
    assert checks["endpoints"].findings[0].found == (
        "2 of 3 can be used; endpoint 2: it does not answer"
    )


def test_lags_and_limits_are_named(world: World) -> None:
    with_endpoints(world, FakeEndpoint(), FakeEndpoint(lag_slots=5))
    assert doctor(world)["endpoints"].detail == (
        "2 answer in all sizes; endpoint 2: 5 slots behind"
    )
    with_endpoints(world, FakeEndpoint(), FakeEndpoint(lag_slots=200))
    assert "200 slots behind" in doctor(world)["endpoints"].findings[0].found


def test_an_endpoint_that_refuses_large_transactions_lets_nothing_be_planned(world: World) -> None:
    with_endpoints(world, FakeEndpoint(), FakeEndpoint(refuses_samples="3,366 bytes: too large"))

    with pytest.raises(SampleRefused, match="endpoint 2 refuses 3,366 bytes"):
        plan_week(world.first, WEEK)

    assert world.distribution().plan_id is None
    assert "too large" in doctor(world)["endpoints"].findings[0].found


def test_silence_about_funds_is_no_advice_to_send_funds(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unknown_blockhash() -> None:
        raise Unreachable("the node does not know the blockhash yet")

    monkeypatch.setattr(world.first.chain, "costs", unknown_blockhash)

    checks = doctor(world)

    for name in ("treasury", "SOL"):
        (finding,) = checks[name].findings
        assert "does not know the blockhash yet" in finding.found
        assert "Send" not in finding.advice
        assert "Ask again" in finding.advice


def test_the_doctor_shows_the_most_that_a_priority_fee_may_cost(world: World) -> None:
    assert "priority fees of at most 0 SOL a transaction" in doctor(world)["SOL"].detail


def test_watchers_see_the_endpoints_as_a_worker_last_saw_them(world: World) -> None:
    assert endpoint_figures(world.first.store) == []
    with_endpoints(world, FakeEndpoint(lag_slots=3), DEAD, FakeEndpoint())

    seen = record_endpoints(world.first)

    figures = collect_figures(world.first.store, world.clock.now(), world.first.limits.plan_grace)
    assert figures.endpoints == seen
    assert [(it.host, it.problem, it.slots_behind) for it in seen] == [
        ("endpoint 1", "", 3),
        ("endpoint 2", "it does not answer", 0),
        ("endpoint 3", "", 0),
    ]
    samples = {
        (sample.name, sample.labels.get("endpoint")): sample.value
        for metric in FiguresCollector(lambda: figures, lambda: None).collect()
        for sample in metric.samples
    }
    assert samples["kontrib_endpoint_usable", "endpoint 2"] == 0
    assert samples["kontrib_endpoint_usable", "endpoint 1"] == 1
    assert samples["kontrib_endpoint_slots_behind", "endpoint 1"] == 3


# --- reasons -----------------------------------------------------------------------------------


def test_a_genesis_that_the_endpoints_do_not_show_ends_with_the_reason() -> None:
    world = World()
    with_endpoints(world, FakeEndpoint(), LATE, FakeEndpoint(late={"receipts": 500}))

    with pytest.raises(ReceiptUnknown, match="endpoint 2 is behind; endpoint 3 is behind"):
        make_genesis(world.first, WEEK)


def test_a_genesis_that_one_endpoint_does_not_show_yet_is_not_missing() -> None:
    world = World()
    world.genesis()
    with_endpoints(world, FakeEndpoint(), FakeEndpoint(late={"receipts": 100}))

    with pytest.raises(ReceiptUnknown, match="endpoint 2 is behind"):
        first_week(restarted(world.first))


def test_an_anchor_that_the_endpoints_do_not_show_gives_the_week_a_reason(world: World) -> None:
    world.populate(3)
    world.do(world.first, Work(Job.PLAN, WEEK))
    with_endpoints(world, FakeEndpoint(), DEAD, DEAD)

    with pytest.raises(NotReady):
        do_work(world.first, Work(Job.ANCHOR, WEEK), seconds=600)

    distribution = world.distribution()
    assert "endpoint 2 does not answer" in (distribution.reason or "")
    assert (distribution.attempts, distribution.stopped) == (0, False)
    with_endpoints(world, FakeEndpoint())
    world.clock.sleep(600)
    world.run()
    assert world.distribution().stage is Stage.COMPLETED


def test_payouts_whose_receipts_stay_unknown_get_a_reason(world: World) -> None:
    world.populate(7)
    for job in (Job.PLAN, Job.ANCHOR, Job.ACCOUNTS):
        world.do(world.first, Work(job, WEEK))
    chain = chain_of(world.first)

    def fall_silent(method: str) -> None:
        if method == "send":
            chain.endpoints = [FakeEndpoint(), DEAD, DEAD]

    chain.after = fall_silent
    deadline = Deadline(world.clock, 330)
    report = pay(world.first, planned_week(world.first.store, WEEK), range(9), deadline)

    # One endpoint of three expires no attempt, so each is sent again and its receipt is not read.
    assert (report.paid, report.later) == (0, 3)
    listed = obstacles(world.first.store, WEEK, 9)
    why = "neither final nor expired yet; endpoint 2 does not answer; endpoint 3 does not answer"
    assert len(listed) == 3
    assert all(why in it.reason for it in listed)
    chain.after = lambda method: None
    with_endpoints(world, FakeEndpoint())
    world.clock.sleep(600)
    world.run()
    assert world.distribution().stage is Stage.COMPLETED
    assert obstacles(world.first.store, WEEK, 9) == []


def test_a_week_closes_through_late_nodes_and_one_dead_endpoint(world: World) -> None:
    names = world.populate(9)
    with_endpoints(
        world,
        DEAD,
        FakeEndpoint(late={"receipts": 8, "executions": 5, "accounts": 3}),
        FakeEndpoint(late={"finalized_height": 2, "statuses": 6, "latest_blockhash": 8}),
    )

    for _ in range(10):
        world.run()
        world.clock.sleep(60)

    assert world.distribution().stage is Stage.COMPLETED
    assert len({name for name, paid in world.balances(names).items() if paid}) == 9


def test_a_late_node_does_not_fail_the_payments_of_a_fresh_anchor(world: World) -> None:
    world.populate(3)
    for job in (Job.PLAN, Job.ANCHOR, Job.ACCOUNTS):
        world.do(world.first, Work(job, WEEK))
    with_endpoints(world, FakeEndpoint(late={"receipts": 12}))

    world.do(world.first, Work(Job.PAY, WEEK, 0, 9))

    assert world.distribution().attempts == 0


def test_a_retry_is_marked_for_the_highest_limits(world: World) -> None:
    world.populate(3)
    for job in (Job.PLAN, Job.ANCHOR, Job.ACCOUNTS):
        world.do(world.first, Work(job, WEEK))
    chain, marks = chain_of(world.first), []
    sign = chain.sign
    chain.sign = lambda intents, blockhash: (  # type: ignore[method-assign]
        marks.extend(intent.is_retry for intent in intents) or sign(intents, blockhash)
    )
    world.ledger.holds_sends = True

    def lose_the_first(method: str) -> None:
        if method == "send" and world.ledger.holds_sends:
            world.ledger.holds_sends = False
            world.ledger.in_flight.clear()
            world.ledger.expire()

    chain.after = lose_the_first
    world.do(world.first, Work(Job.PAY, WEEK, 0, 9))

    assert marks == [False, True]
