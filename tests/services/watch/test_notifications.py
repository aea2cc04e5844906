"""People get one notification of each event: a week closed, a week stuck, funds short."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from tests.fakes.world import WEEK, World, chain_of, store_of
from worker.core.errors import Unreachable
from worker.core.lifecycle import Stage
from worker.core.money import ONE_TOKEN
from worker.core.watch.news import Event
from worker.services.plan.approval import ApprovalMissing
from worker.services.plan.funds import FundsShort
from worker.services.plan.plan_week import plan_again
from worker.services.watch.metrics import FUNDS
from worker.services.watch.notifications import (
    MAIL,
    WEBHOOK,
    announce,
    find_events,
    note_stage,
    recently_completed,
    reconcile_week,
    record_funds,
)
from worker.services.week.due import find_work

GRACE, STUCK_AFTER = timedelta(minutes=10), timedelta(hours=6)


class People:
    """Implements `worker.ports.payout.Notifier`."""

    def __init__(self) -> None:
        self.told: list[str] = []
        self.are_away = False

    def notify(self, text: str) -> None:
        if self.are_away:
            raise Unreachable("nobody there")
        self.told.append(text)


@pytest.fixture
def people() -> People:
    return People()


def events_of(world: World, now: datetime | None = None) -> list[Event]:
    return find_events(
        world.first.store, now or world.clock.now(), grace=GRACE, stuck_after=STUCK_AFTER
    )


def tell(world: World, people: People, now: datetime | None = None) -> int:
    now = now or world.clock.now()
    return announce(world.first.store, {WEBHOOK: people}, events_of(world, now), now)


def test_a_closed_week_is_told_once_with_its_numbers(world: World, people: People) -> None:
    world.populate(5)
    world.add_user("grace", wallet=None)
    world.contribute("grace", 100)
    world.genesis()
    world.run()
    assert tell(world, people) == 1
    assert tell(world, people) == 0
    (text,) = people.told
    assert text.startswith("2024-W50 is closed: ")
    assert "KONTRIB paid to 5 contributors, 1 held" in text


def test_a_week_that_was_closed_long_ago_is_no_news(world: World, people: People) -> None:
    world.populate(2)
    world.genesis()
    world.run()
    assert tell(world, people, world.clock.now() + timedelta(days=3)) == 0


def test_a_week_that_nobody_begins_with_is_told_as_stuck(world: World, people: People) -> None:
    world.genesis()
    seen = WEEK.end + timedelta(days=2)  # the system was away until then
    assert tell(world, people, seen) == 0
    assert tell(world, people, seen + timedelta(hours=5)) == 0
    late = seen + timedelta(hours=6)
    assert tell(world, people, late) == 1
    assert tell(world, people, late + timedelta(hours=1)) == 0
    assert people.told == [
        "2024-W50 is stuck (due): no worker has planned it. Look with `kontrib status 2024-W50`."
    ]


def test_the_time_of_a_pause_and_of_an_earlier_week_does_not_count(
    world: World, people: People
) -> None:
    world.genesis()
    seen = WEEK.end + timedelta(days=9)  # two weeks are over
    assert tell(world, people, seen) == 0
    world.first.store.pause("the treasury moves")
    assert tell(world, people, seen + timedelta(hours=5)) == 0
    world.first.store.pause(None)
    assert tell(world, people, seen + timedelta(hours=7)) == 0
    assert tell(world, people, seen + timedelta(hours=13)) == 1
    assert "2024-W50 is stuck" in people.told[0]  # 2024-W51 waits for it, and is not named


def test_a_plan_that_waits_for_approval_is_news_and_is_not_stuck(
    world: World, people: People
) -> None:
    world.populate(2)
    store_of(world.first).set_rules(require_approval=True)
    world.genesis()
    with pytest.raises(ApprovalMissing):
        world.run()
    assert tell(world, people) == 1
    assert "waits for approval" in people.told[0]
    assert "kontrib approve 2024-W50" in people.told[0]
    assert tell(world, people, world.clock.now() + timedelta(days=1)) == 0

    # Another plan has another root, so the first message's command no longer approves it.
    world.contribute("user 0", 50)
    plan_again(world.first, WEEK)
    with pytest.raises(ApprovalMissing):
        world.run()
    assert tell(world, people) == 1
    assert (world.distribution().root or b"").hex() in people.told.pop()

    assert world.first.store.approve(WEEK, world.distribution().root or b"")
    world.clock.sleep(600)
    world.run()
    assert tell(world, people) == 1
    assert "is closed" in people.told[1]


def test_books_that_disagree_are_news_until_they_agree(world: World, people: People) -> None:
    world.populate(2)
    world.genesis()
    world.run()
    assert tell(world, people) == 1
    note = dict(world.first.store.notes(WEEK)["reconciliation"])
    wrong = note | {"mismatch": 7, "differences": ["batch 0: paid 7 base units more"]}
    world.first.store.record_notes(WEEK, reconciliation=wrong)
    assert tell(world, people) == 1
    assert people.told[1] == (
        "2024-W50 is closed, but plan, database and chain disagree: 1 difference. The first: batch "
        "0: paid 7 base units more. Look with `kontrib reconcile 2024-W50`."
    )
    world.first.store.record_notes(WEEK, reconciliation=note)
    assert tell(world, people) == 0
    world.first.store.record_notes(WEEK, reconciliation=wrong)
    assert tell(world, people) == 1


def test_a_channel_that_is_away_gets_its_message_later_and_the_other_one_once(
    world: World, people: People
) -> None:
    world.populate(2)
    world.genesis()
    world.run()
    mail, store, now = People(), world.first.store, world.clock.now()
    mail.are_away = True
    with pytest.raises(Unreachable):
        announce(store, {WEBHOOK: people, MAIL: mail}, events_of(world), now)
    mail.are_away = False
    assert announce(store, {WEBHOOK: people, MAIL: mail}, events_of(world), now) == 1
    assert len(people.told) == len(mail.told) == 1


def test_a_week_that_stopped_is_told_at_once_with_its_reason(world: World, people: People) -> None:
    world.populate(2)
    world.genesis()
    world.do(world.first, find_work(world.first)[0])
    record_failure(world, stopped=True)
    assert tell(world, people) == 1
    assert "2024-W50 stopped: a batch ran out of tries." in people.told[0]


def test_a_week_that_stops_again_after_it_went_on_is_news_again(
    world: World, people: People
) -> None:
    world.populate(2)
    world.genesis()
    world.do(world.first, find_work(world.first)[0])
    for _ in range(2):
        record_failure(world, stopped=True)
        assert tell(world, people) == 1
        world.first.store.requeue(WEEK)
        assert tell(world, people) == 0


def test_short_funds_are_told_once_until_they_are_there(world: World, people: People) -> None:
    world.populate(2)
    world.genesis()
    fund(world, -995_000)
    while work := find_work(world.first):
        try:
            world.do(world.first, work[0])
        except FundsShort:
            break
    assert tell(world, people) == 1
    assert tell(world, people) == 0
    assert "5,000 KONTRIB in the source account" in people.told[0]
    fund(world, 995_000)
    world.first.store.requeue(WEEK)
    world.run()
    assert tell(world, people) == 1
    assert people.told[1].startswith("2024-W50 is closed")


def test_funds_are_told_before_a_week_needs_them(world: World, people: People) -> None:
    world.genesis()
    fund(world, -995_000)
    assert not record_funds(world.first).is_enough
    assert tell(world, people) == 1
    assert "5,000 KONTRIB of 10,000 needed" in people.told[0]
    fund(world, 995_000)
    record_funds(world.first)
    assert tell(world, people) == 0


def test_a_too_small_allowance_is_short_funds(world: World, people: People) -> None:
    world.genesis()
    seen = record_funds(world.first)
    assert seen.is_enough
    figures = world.first.store.figures(FUNDS) | {"allowance_base_units": 5 * ONE_TOKEN}
    world.first.store.record_figures(FUNDS, figures)
    assert tell(world, people) == 1
    assert "the allowance is 5 KONTRIB" in people.told[0]


def test_what_did_not_arrive_is_told_the_next_time(world: World, people: People) -> None:
    world.populate(2)
    world.genesis()
    world.run()
    people.are_away = True
    with pytest.raises(Unreachable):
        tell(world, people)
    people.are_away = False
    assert tell(world, people) == 1


def test_nobody_to_tell_stops_no_payment(world: World, people: People) -> None:
    names = world.populate(3)
    world.genesis()
    people.are_away = True
    world.run()
    with pytest.raises(Unreachable):
        tell(world, people)
    assert sum(world.balances(names).values()) == 10_000 * ONE_TOKEN


def test_the_last_four_closed_weeks_are_compared_with_the_chain(world: World) -> None:
    world.populate(2)
    world.genesis()
    world.clock.sleep(5 * 7 * 24 * 3600)
    world.run()
    weeks = recently_completed(world.first.store)
    assert len(weeks) == 4
    before = world.first.store.notes(weeks[-1])["reconciliation"]["at"]
    world.clock.sleep(3600)
    result = reconcile_week(world.first, weeks[-1])
    assert result is not None
    assert result.is_exact
    assert world.first.store.notes(weeks[-1])["reconciliation"]["at"] > before


def test_an_open_week_is_not_compared(world: World) -> None:
    world.genesis()
    assert reconcile_week(world.first, WEEK) is None


def test_nothing_is_noted_of_a_week_that_has_no_plan(world: World) -> None:
    note_stage(world.first.store, WEEK, world.clock.now())
    assert world.first.store.distribution(WEEK) is None
    world.first.store.ensure_distribution(WEEK, world.clock.now())
    note_stage(world.first.store, WEEK, world.clock.now())
    assert "reached" not in world.first.store.notes(WEEK)
    assert world.distribution().stage is Stage.DUE


def fund(world: World, tokens: int) -> None:
    """Change the source account's balance, and wait until the change is confirmed."""
    chain_of(world.first).fund(tokens=tokens * ONE_TOKEN)
    world.clock.sleep(5)


def record_failure(world: World, *, stopped: bool) -> None:
    world.first.store.record_failure(
        WEEK,
        reason="a batch ran out of tries.",
        next_attempt_at=world.clock.now(),
        attempts=12,
        stopped=stopped,
    )
