"""The cost of planning is measured, and the week can be planned afterwards."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from bench.calculation import bare_aggregation, measure_calculation
from bench.synthetic import WEEK, Size, populate
from deploy.local.chain.setup import prepare
from tests.end_to_end.support.cluster import Cluster
from worker.core.plan.counted_contributions import PointsWindow
from worker.services.plan.genesis import make_genesis

pytestmark = pytest.mark.real

SIZE = Size(users=40, contributions=90)


@pytest.fixture
def open_week(stack_settings: dict[str, str], tmp_path: Path) -> Iterator[Cluster]:
    """A week that is over and not planned."""
    own_keys = prepare(tmp_path / "chain", stack_settings["SOLANA_RPC_URL"])
    cluster = Cluster(tmp_path, {**stack_settings, **own_keys}, WEEK)
    try:
        url = stack_settings["SOLANA_RPC_URL"]
        populate(cluster.database, url, cluster.context.chain.mint, SIZE)
        make_genesis(cluster.context, WEEK)
        yield cluster
    finally:
        cluster.stop()


def test_a_plan_is_measured_and_is_none_afterwards(open_week: Cluster) -> None:
    found = measure_calculation(open_week.context, open_week.database)

    assert (found.users, found.contributions) == (SIZE.users, SIZE.contributions)
    assert min(found.calculation, found.bare_aggregation, found.written, found.bare_inserts) > 0
    assert open_week.database.token_rewards.count_documents({}) == 0
    distribution = open_week.context.store.distribution(WEEK)
    assert distribution is not None
    assert distribution.plan_id is None


def test_both_sides_add_up_the_same(open_week: Cluster) -> None:
    context = open_week.context
    window = PointsWindow(WEEK, WEEK.end, None, WEEK.start)
    bare = {each["_id"]: each["points"] for each in bare_aggregation(open_week.database)}

    points = context.store.week_points(window, context.rules()).users

    assert {user.user_id: user.points for user in points} == bare
