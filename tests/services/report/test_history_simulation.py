"""A history replayed under other rules: the split of a real week, and exact figures."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fakes.world import WEEK, World, user_id_of
from worker.adapters.mongo.schema.seeds import CONFIG
from worker.core.errors import UsageError
from worker.core.money import ONE_TOKEN, BaseUnits
from worker.core.plan.allocation import Policy, StakingBonus
from worker.core.plan.rules import rules_from
from worker.core.report.simulation import Scenario, simulate_week
from worker.core.week import Week
from worker.core.wiki.files.reading import read_records
from worker.services.plan.plan_week import dry_run
from worker.services.report.history_simulation import History, NoHistory, read_history, replay

RULES = rules_from(CONFIG)


def scenario(
    pool: int = 10_000,
    *,
    floor: int = 1,
    min_points: int = 10,
    bonus: StakingBonus = StakingBonus.WITHIN_POOL,
    stakers: int = 0,
    multiplier: int = 1_300_000,
) -> Scenario:
    policy = Policy(BaseUnits(pool * ONE_TOKEN), BaseUnits(floor * ONE_TOKEN), bonus)
    return Scenario(policy, min_points, stakers, multiplier)


def history_of(*lines: dict[str, object], first: Week | None = None) -> History:
    content = (json.dumps(line).encode() + b"\n" for line in lines)
    return read_history(read_records(content), RULES.points, first, None)


def line(user: str, day: str, kind: str = "creation") -> dict[str, object]:
    return {"user_id": user, "type": kind, "created_at": f"{day}T12:00:00Z"}


# --- the split ---------------------------------------------------------------------------------


def test_a_simulated_week_pays_what_a_real_one_pays(world: World) -> None:
    points = {"ada": 540, "bob": 60, "eve": 9}
    for name, given_points in points.items():
        world.add_user(name)
        world.contribute(name, given_points)
    world.genesis()
    planned = {row.user_id: row.row.amount for row in dry_run(world.first, WEEK).rewards("draft")}
    outcome = simulate_week(WEEK, {user_id_of(u): p for u, p in points.items()}, scenario())
    assert outcome.amounts == planned
    assert outcome.below_minimum == 1


@given(
    st.dictionaries(st.text(min_size=1), st.integers(1, 10**6), max_size=60),
    st.integers(0, 100),
    st.integers(0, 50),
)
def test_every_week_sums_to_its_pool(points: dict[str, int], stakers: int, floor: int) -> None:
    outcome = simulate_week(WEEK, points, scenario(floor=floor, stakers=stakers))
    paid = {user for user, given_points in points.items() if given_points >= 10}
    assert set(outcome.amounts) == paid
    assert sum(outcome.amounts.values()) == (10_000 * ONE_TOKEN if paid else 0)
    assert 0 <= outcome.spread.gini < 1


def test_stakers_are_the_same_in_every_week() -> None:
    tried = scenario(stakers=30)
    chosen = [user for user in map(str, range(1000)) if tried.multiplier_of(user) > 1_000_000]
    assert 250 < len(chosen) < 350
    assert chosen == [u for u in map(str, range(1000)) if tried.multiplier_of(u) > 1_000_000]


def test_a_bonus_on_top_comes_on_top() -> None:
    points = {str(i): 100 for i in range(10)}
    tried = scenario(bonus=StakingBonus.ON_TOP, stakers=100, multiplier=1_500_000)
    assert simulate_week(WEEK, points, tried).spread.total == 15_000 * ONE_TOKEN


def test_stakers_that_cannot_be_are_refused() -> None:
    with pytest.raises(UsageError):
        scenario(stakers=101)


# --- the history -------------------------------------------------------------------------------


def test_points_are_summed_by_week_and_user() -> None:
    history = history_of(
        line("ada", "2024-12-09"),
        line("ada", "2024-12-15", "review"),
        line("bob", "2024-12-16"),
        {"user_id": "eve"},
    )
    assert history.weeks == {WEEK: {"ada": 110}, WEEK.next(): {"bob": 100}}
    assert (history.lines, history.contributions, history.malformed) == (4, 3, 1)
    assert history.first_problem.startswith("line 4: ")


def test_weeks_before_the_first_are_left_out() -> None:
    history = history_of(line("ada", "2024-12-02"), line("bob", "2024-12-09"), first=WEEK)
    assert (list(history.weeks), history.outside) == ([WEEK], 1)


def test_a_file_without_the_weeks_is_named() -> None:
    with pytest.raises(NoHistory, match="2 lines, 1 malformed; the first malformed one: line 2"):
        history_of(line("ada", "2024-12-02"), {}, first=WEEK)


def test_a_replay_sums_what_each_person_gets() -> None:
    history = history_of(
        line("ada", "2024-12-09"), line("ada", "2024-12-23"), line("bob", "2024-12-23")
    )
    found = replay(history, history.span(), scenario())
    assert [outcome.spread.count for outcome in found.weeks] == [1, 0, 2]
    assert len(found.paid_weeks) == 2
    assert (found.overall.count, found.overall.total) == (2, 20_000 * ONE_TOKEN)
