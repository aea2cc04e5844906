"""A small history in memory with every case of a report."""

from __future__ import annotations

from datetime import timedelta

from tests.fakes.check.reporting import FakeReporting
from tests.fakes.wiki.wiki import wiki_in_memory
from tests.fakes.world import WEEK, World, store_of, user_id_of
from worker.core.week import Week
from worker.services.report.week import WeekReport, week_report

WEEKS = 12
PEOPLE = 40
TYPES = ("creation", "major_edit", "translation")
HOSTILE = '<script src="https://example.org/x.js"></script>'


def busy_world(weeks: int = WEEKS, people: int = PEOPLE) -> tuple[World, Week]:
    """Consecutive closed weeks with growing numbers of contributors, some of them unpayable."""
    first = WEEK.back(weeks - 1)
    world = World(batch_size=6, now=first.end + timedelta(hours=1))
    names = [f"u{i:02}" for i in range(people)]
    for name in names:
        world.add_user(name)
    world.add_user("nobody", wallet=None)
    world.add_user("typo", wallet=HOSTILE)
    world.genesis(first)
    for number, week in enumerate(first.until(WEEK)):
        there = names[: max(3, people * (number + 4) // (weeks + 3))]
        for place, name in enumerate(there):
            points = 60 + (place * place * 7 + number * 13) % 440
            _contribute(world, name, points, week, TYPES[place % len(TYPES)])
        if week == WEEK:
            world.contribute("nobody", 300, week=week)
            world.contribute("typo", 120, week=week)
        world.run()
        world.clock.sleep(7 * 24 * 3600)
    return world, WEEK


def _contribute(world: World, name: str, points: int, week: Week, kind: str) -> None:
    """Like `World.contribute`, for any type."""
    contributions = store_of(world.first).state.contributions
    before = set(contributions)
    world.contribute(name, points, week=week)
    for new in set(contributions) - before:
        contributions[new]["type"] = kind


def report_of(world: World, week: Week = WEEK, cluster: str | None = "mainnet-beta") -> WeekReport:
    store = store_of(world.first)
    costs = world.first.chain.costs() if cluster else None
    wiki = wiki_in_memory(store, world.clock)
    return week_report(
        wiki, FakeReporting(store), week, cluster=cluster, costs=costs, name_field="username"
    )


__all__ = ["HOSTILE", "WEEK", "WEEKS", "busy_world", "report_of", "user_id_of"]
