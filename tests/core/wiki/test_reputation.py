"""Reputation by the number of contributions."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.adapters.mongo.schema.seeds import CONFIG
from worker.core.plan.rules import rules_from
from worker.core.wiki.counters import reputation

STEPS = rules_from(CONFIG).reputation_steps


@pytest.mark.parametrize(
    ("contributions", "expected"),
    [
        *((0, "0.8"), (4, "0.8"), (5, "1.0"), (24, "1.0"), (25, "1.2"), (99, "1.2")),
        *((100, "1.5"), (10**9, "1.5")),
    ],
)
def test_the_owners_steps(contributions: int, expected: str) -> None:
    assert reputation(STEPS, contributions) == Decimal(expected)


@given(st.integers(0, 1000), st.integers(0, 1000))
def test_more_contributions_never_lower_it(one: int, other: int) -> None:
    low, high = sorted((one, other))
    assert reputation(STEPS, low) <= reputation(STEPS, high)
