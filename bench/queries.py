"""`python -m bench.queries`: the wiki's pages and a week's points, at a million contributions.

One client on the local engine. Limits are ratios within one run: a page and a dashboard to the bare
query of 20 contributions, which takes turns with them, and the week's sum to the bare aggregation.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

from bench.calculation import bare_aggregation
from bench.machine import describe_machine
from bench.wiki_of_a_million import MOMENT, WEEK, busiest_user, busy_user, populate, sample_users
from deploy.local.errors import LocalStackError
from deploy.local.stack import LocalStack
from tests.contracts.wiki.wiki_worlds import ManualClock
from worker.adapters.mongo.connection import connect
from worker.adapters.mongo.payout.contributions import BY_USER
from worker.adapters.mongo.payout.store import MongoStore
from worker.adapters.mongo.wiki.contribute import MongoContributions
from worker.adapters.mongo.wiki.dashboard import BY_USER_AND_WEEK, MongoViews
from worker.adapters.mongo.wiki.governance import MongoGovernance
from worker.adapters.mongo.wiki.reward_counters import MongoCounters
from worker.adapters.mongo.wiki.staking_records import MongoStaking
from worker.core.plan.counted_contributions import PointsWindow
from worker.ports.check import Cursor
from worker.services.wiki.dashboard import contributions, dashboard, history, record_running_week
from worker.services.wiki_context import WikiContext

PAGE = 20
WARM_UP, ROUNDS, LOOKS_AT_ONE = 20, 3, 25
PAGE_RATIO, DASHBOARD_RATIO, SUM_RATIO = 5.0, 30.0, 2.0
"""Without its index, each of these queries takes hundreds of times the bare one."""


@dataclass(frozen=True)
class Line:
    """One measured figure and its limit."""

    what: str
    value: str
    limit: str
    holds: bool


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--contributions", type=int, default=1_000_000)
    parser.add_argument("--users", type=int, default=100_000)
    parser.add_argument("--looks", type=int, default=500, help="how often each query is asked")
    options = parser.parse_args()
    print("\n".join(f"{name:<12}{value}" for name, value in describe_machine().items()))
    with tempfile.TemporaryDirectory(prefix="kontrib-bench-") as folder:
        stack = LocalStack(Path(folder), print, services=[])
        try:
            stack.up()
            database = connect(stack.settings()["MONGO_URI"], "bench_queries")
            lines = measure(database, options.users, options.contributions, options.looks)
        except LocalStackError as error:
            print(error, file=sys.stderr)
            return 3
        finally:
            stack.down(purge=True)
    for line in lines:
        mark = "ok" if line.holds else "ABOVE"
        print(f"{line.what:<52}{line.value:>32}{line.limit:>14}  {mark}")
    return 0 if all(line.holds for line in lines) else 1


def measure(database: Any, users: int, count: int, looks: int) -> list[Line]:
    began = time.monotonic()
    populate(database, users, count)
    print(f"populated in {time.monotonic() - began:.0f} s")
    wiki, views = wiki_of(database), MongoViews(database)
    began = time.monotonic()
    record_running_week(wiki)
    print(f"running week added up in {time.monotonic() - began:.1f} s")
    people = sample_users(users, looks)

    def timed(what: str, ratio_max: float, ask: Callable[[str], Any]) -> Line:
        return compared(what, ratio_max, people, ask, lambda user: bare_page(database, user))

    lines = list(explained(database, people[0]))
    lines.append(timed("contributions, first page", PAGE_RATIO,
                       lambda user: contributions(views, user, None, PAGE)))  # fmt: skip
    middle = Cursor(WEEK.start + timedelta(days=3), "")
    lines.append(timed("contributions, a page further on", PAGE_RATIO,
                       lambda user: contributions(views, user, middle, PAGE)))  # fmt: skip
    lines.append(timed("dashboard", DASHBOARD_RATIO,
                       lambda user: dashboard(wiki, views, user)))  # fmt: skip
    lines.append(timed("history, first page", DASHBOARD_RATIO,
                       lambda user: history(views, user, None, PAGE)))  # fmt: skip
    for user, (pages, dashboards) in {
        busy_user(): (PAGE_RATIO, DASHBOARD_RATIO),
        busiest_user(): (None, None),
    }.items():
        made = database.contributions.count_documents({"user_id": user})
        print(f"user {user} made {made:,} contributions")
        again = [user] * LOOKS_AT_ONE
        lines.append(compared(f"page of a user with {made:,}", pages, again,
                              lambda user: contributions(views, user, None, PAGE),
                              lambda user: bare_page(database, user)))  # fmt: skip
        lines.append(compared(f"dashboard of a user with {made:,}", dashboards, again,
                              lambda user: dashboard(wiki, views, user),
                              lambda user: bare_page(database, user)))  # fmt: skip
    return [*lines, *calculated(wiki, database)]


def wiki_of(database: Any) -> WikiContext:
    return WikiContext(
        store=MongoStore(database),
        contributions=MongoContributions(database),
        counters=MongoCounters(database),
        staking=MongoStaking(database),
        governance=MongoGovernance(database),
        clock=ManualClock(MOMENT),
    )


def bare_page(database: Any, user: str) -> list[Any]:
    """The newest contributions of a user, by one query with its index."""
    found = database.contributions.find({"user_id": user}, hint=BY_USER)
    return list(found.sort("created_at", -1).limit(PAGE))


def compared(
    what: str,
    ratio_max: float | None,
    people: list[str],
    ask: Callable[[str], Any],
    bare: Callable[[str], Any],
) -> Line:
    """Ask in turn with the bare query, so that other load affects both. Compares the medians."""
    for user in people[:WARM_UP]:
        ask(user)
    taken, least = [], []
    for user in people:
        least.append(seconds_of(partial(bare, user)) * 1000)
        taken.append(seconds_of(partial(ask, user)) * 1000)
    taken.sort()
    median, p99 = statistics.median(taken), taken[min(len(taken) - 1, int(len(taken) * 0.99))]
    ratio = median / statistics.median(least)
    value = f"p50 {median:.1f}, p99 {p99:.1f} ms, x {ratio:.2f}"
    if ratio_max is None:
        return Line(what, value, "", True)
    return Line(what, value, f"<= x {ratio_max:g}", ratio <= ratio_max)


def calculated(wiki: WikiContext, database: Any) -> Iterator[Line]:
    """Measure both in turn, so that other load affects both. The best time of each counts."""
    window, rules = PointsWindow(WEEK, WEEK.end, None, WEEK.start), wiki.rules()
    bare, ours = [], []
    for _ in range(ROUNDS):
        bare.append(seconds_of(lambda: list(bare_aggregation(database))))
        ours.append(seconds_of(lambda: list(wiki.store.week_points(window, rules).users)))
    ratio = min(ours) / min(bare)
    yield Line("bare aggregation of the week", f"{min(bare):.2f} s", "", True)
    yield Line("calculation of the week's points", f"{min(ours):.2f} s", "", True)
    yield Line("ratio", f"x {ratio:.2f}", f"<= x {SUM_RATIO:g}", ratio <= SUM_RATIO)


def seconds_of(do: Callable[[], Any]) -> float:
    began = time.perf_counter()
    do()
    return time.perf_counter() - began


def explained(database: Any, user: str) -> Iterator[Line]:
    """The index of each query, as the engine reports it."""
    by_user = {"user_id": 1, "created_at": -1}
    queries: dict[str, tuple[str, dict[str, Any], dict[str, int]]] = {
        "contributions": ("contributions", {"user_id": user}, by_user),
        "points this week": (
            "contributions",
            {"user_id": user, "created_at": {"$gte": WEEK.start, "$lt": WEEK.end}},
            by_user,
        ),
        "rewards": ("token_rewards", {"user_id": user}, BY_USER_AND_WEEK),
        "stakes": ("staking_records", {"user_id": user}, {"user_id": 1, "status": 1}),
        "plans of weeks": (
            "weekly_distributions",
            {"week_start": {"$in": [WEEK.start]}},
            {"week_start": 1},
        ),
    }
    for what, (collection, selected, hint) in queries.items():
        find = {"find": collection, "filter": selected, "hint": hint}
        plan = database.command({"explain": find, "verbosity": "queryPlanner"})
        winning = str(plan["queryPlanner"]["winningPlan"])
        found = "an index" if "IXSCAN" in winning else "no index"
        yield Line(f"{what}: index", found, "an index", found == "an index")


if __name__ == "__main__":
    sys.exit(main())
