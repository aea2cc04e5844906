"""The example week equals the owner's example exactly."""

from __future__ import annotations

from collections import Counter

from deploy.local.cli.example_week import CONTRIBUTORS, EXAMPLE_WEEK, POINTS, TYPES, example_week
from worker.adapters.mongo.schema.seeds import CONFIG
from worker.core.plan.rules import rules_from
from worker.core.week import Week
from worker.core.wiki.contribution_file import Occurrences, contribution_from

RULES = rules_from(CONFIG)


def points_by_user() -> Counter[str]:
    points: Counter[str] = Counter()
    for values in example_week(RULES.points):
        contribution = contribution_from(values, RULES.points, Occurrences())
        points[contribution.user_id] += contribution.total_points
    return points


def test_45_contributors_earn_12_500_points() -> None:
    points = points_by_user()
    assert len(points) == CONTRIBUTORS == 45
    assert points.total() == POINTS == 12_500


def test_everybody_qualifies() -> None:
    assert min(points_by_user().values()) >= RULES.min_points


def test_every_type_is_in_it() -> None:
    assert {c["type"] for c in example_week(RULES.points)} == set(TYPES)


def test_it_is_the_same_every_time_and_in_its_week() -> None:
    made = list(example_week(RULES.points))
    assert made == list(example_week(RULES.points))
    for values in made:
        created_at = contribution_from(values, RULES.points, Occurrences()).created_at
        assert Week.containing(created_at) == EXAMPLE_WEEK
