"""Figures for watchers, from the database alone."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from tests.fakes.world import WEEK, World, store_of
from worker.adapters.exporter import FiguresCollector
from worker.core.errors import Unreachable
from worker.core.lifecycle import PayoutStatus, Stage, Status
from worker.core.money import ONE_TOKEN
from worker.core.watch.figures import RE_SIGNS, BrokerFigures, Figures
from worker.services.payout.close import record_reconciliation
from worker.services.payout.reconcile import reconcile
from worker.services.watch.metrics import collect_figures
from worker.services.watch.notifications import note_stage, record_funds
from worker.services.watch.running_counts import CountKeeper
from worker.services.week.due import find_work
from worker.services.week.run import do_work

GRACE = timedelta(minutes=10)
POOL = 10_000 * ONE_TOKEN


def figures_of(world: World) -> Figures:
    return collect_figures(world.first.store, world.clock.now(), GRACE)


def broker_figures() -> BrokerFigures:
    return BrokerFigures({"control": 2, "week": 0}, oldest_sent_at=1700.5, workers=1)


def text_of(world: World) -> dict[str, float]:
    """Every sample as Prometheus would read it, by name and labels."""
    found = {}
    for family in FiguresCollector(lambda: figures_of(world), broker_figures).collect():
        for sample in family.samples:
            labels = ",".join(f'{k}="{v}"' for k, v in sample.labels.items())
            found[sample.name + (f"{{{labels}}}" if labels else "")] = sample.value
    return found


def run_until(world: World, stage: Stage) -> None:
    """Do one piece of work after another until the week reaches a stage."""
    for _ in range(20):
        known = world.first.store.distribution(WEEK)
        if known is not None and known.stage is stage:
            return
        world.do(world.first, find_work(world.first)[0])
    raise AssertionError(f"{WEEK} never was {stage}")


def test_before_genesis_nothing_is_open_and_nothing_ever_happened(world: World) -> None:
    figures = figures_of(world)
    assert (figures.weeks_open, figures.weeks_stopped) == (0, 0)
    assert figures.last_success is figures.beat_at is figures.canary_at is figures.funds is None


def test_a_week_that_nobody_touched_is_open(world: World) -> None:
    world.genesis()
    assert figures_of(world).weeks_open == 1


def test_a_week_within_its_grace_is_not_open_yet(world: World) -> None:
    world.genesis()
    now = WEEK.end + timedelta(minutes=5)
    assert collect_figures(world.first.store, now, GRACE).weeks_open == 0


def test_three_weeks_without_any_worker_are_three_open_weeks(world: World) -> None:
    world.genesis()
    world.clock.sleep(14 * 24 * 3600)
    assert figures_of(world).weeks_open == 3


def test_a_closed_week_is_told_with_its_amounts(world: World) -> None:
    world.populate(7)
    world.genesis()
    world.run()
    figures = figures_of(world)
    assert figures.weeks_open == 0
    assert figures.last_success == world.distribution().completed_at
    (week,) = figures.weeks
    assert week.rewards[Status.COMPLETED] == 7
    assert week.payouts[PayoutStatus.PAID] == 3
    assert week.amounts == {"planned": POOL, "paid": POOL, "open": 0, "held": 0, "failed": 0}
    assert week.reconciliation is not None
    assert (week.reconciliation.mismatch, week.reconciliation.differences) == (0, 0)


def test_a_mismatch_is_told_in_base_units(world: World) -> None:
    world.populate(3)
    world.genesis()
    world.run()
    result = reconcile(world.first, world.distribution())
    result.chain_paid -= 5
    record_reconciliation(world.first, result)
    name = f'kontrib_reconciliation_mismatch_base_units{{week="{WEEK.label}"}}'
    assert text_of(world)[name] == 5


def test_a_stage_lasts_from_the_one_before_it(world: World) -> None:
    world.populate(3)
    world.genesis()
    store = world.first.store
    for stage in list(Stage)[1:]:
        run_until(world, stage)
        note_stage(store, WEEK, world.clock.now())
        world.clock.sleep(60)
        note_stage(store, WEEK, world.clock.now())  # only the first look is recorded
    (week,) = figures_of(world).weeks
    assert list(week.stage_seconds) == [*Stage][1:]
    assert week.stage_seconds[Stage.PLANNED] >= 3600  # the world begins an hour after the week
    assert all(60 <= week.stage_seconds[stage] < 200 for stage in list(Stage)[2:])


def test_funds_are_told_as_a_worker_last_saw_them(world: World) -> None:
    world.populate(3)
    world.genesis()
    seen = record_funds(world.first)
    assert seen.is_enough
    milliseconds = seen.at.microsecond // 1000 * 1000  # databases keep no more
    assert figures_of(world).funds == replace(seen, at=seen.at.replace(microsecond=milliseconds))
    assert text_of(world)["kontrib_treasury_base_units"] == seen.base_units


def test_an_expired_attempt_that_is_signed_anew_is_counted(world: World) -> None:
    world.populate(3)
    world.genesis()
    run_until(world, Stage.PREPARED)
    world.ledger.holds_sends = True
    (work,) = find_work(world.first)
    do_work(world.first, work, seconds=40)
    assert world.first.counted[RE_SIGNS] == 0
    world.ledger.expire()
    world.clock.sleep(300)
    do_work(world.first, work, seconds=10)
    assert world.first.counted[RE_SIGNS] == 1


def test_counts_survive_the_process_and_a_database_that_is_away(world: World) -> None:
    counted = {"429": 2}
    keeper = CountKeeper({"rpc_errors/": counted, "rpc_calls/": {"getSlot": 4}})
    store = store_of(world.first)
    keeper.flush(store)
    counted["429"] += 1
    keeper.flush(AwayStore())  # type: ignore[arg-type]
    keeper.flush(store)
    CountKeeper({"rpc_errors/": {"429": 5}}).flush(store)
    assert text_of(world)['kontrib_rpc_errors_total{kind="429"}'] == 8
    assert text_of(world)['kontrib_rpc_calls_total{method="getSlot"}'] == 4


def test_a_database_that_does_not_answer_is_a_figure() -> None:
    def fail() -> Figures:
        raise Unreachable("MongoDB is away")

    found = {f.name: f.samples[0].value for f in FiguresCollector(fail, fail).collect()}
    assert found == {"kontrib_redis_up": 0, "kontrib_database_up": 0}


def test_redis_and_its_queues_are_figures(world: World) -> None:
    found = text_of(world)
    assert found["kontrib_redis_up"] == 1
    assert found['kontrib_queue_messages{queue="control"}'] == 2
    assert found["kontrib_queue_oldest_timestamp_seconds"] == 1700.5
    assert found["kontrib_workers"] == 1


def test_many_scrapes_collect_once(world: World) -> None:
    calls = []

    def collect() -> Figures:
        calls.append(1)
        return figures_of(world)

    collector = FiguresCollector(collect, broker_figures, kept_seconds=60)
    for _ in range(3):
        list(collector.collect())
    assert calls == [1]


class AwayStore:
    def add_counts(self, counts: object) -> None:
        raise Unreachable("MongoDB is away")


@pytest.mark.parametrize("happened", ["beat", "canary"])
def test_what_never_beat_is_older_than_any_alert(world: World, happened: str) -> None:
    name = f"kontrib_{happened}_timestamp_seconds"
    assert text_of(world)[name] == 0
    world.first.store.beat(happened, world.clock.now())
    assert text_of(world)[name] == world.clock.now().timestamp()
