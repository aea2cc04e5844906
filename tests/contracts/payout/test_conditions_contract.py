"""A condition finds the users that the database finds with `$in` and `$nin`."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from bson import Decimal128, Int64, ObjectId
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from worker.adapters.mongo.connection import Mongo
from worker.core.plan.condition import Condition

SAMPLE = "conditions"
# No Decimal128 with a fraction: the local engine's `$in` of several values does not find it.
PATHS = ("a", "a.b", "a.b.a", "a.0", "b")
scalars = st.sampled_from(
    [
        *(None, True, False, 0, 1, 2, 1.0, 0.5, -0.0, Int64(1), Int64(2**53 + 1), float(2**53)),
        *(Decimal128("1"), Decimal128("Infinity"), float("inf")),
        *("", "1", "true", "None", "bot", "Bot", "bo\u0301t", "b\u00f3t"),
        *(b"bot", ObjectId("507f1f77bcf86cd799439011"), "507f1f77bcf86cd799439011"),
        datetime(2024, 1, 1, tzinfo=UTC),
    ]
)  # fmt: skip
documents = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["a", "b"]), inner, max_size=2)
    ),
    max_leaves=6,
)
wanted = st.lists(
    scalars | st.lists(scalars, max_size=2) | st.dictionaries(st.just("b"), scalars, max_size=1),
    max_size=3,
)


@pytest.fixture
def sample(contract_database: Mongo) -> Iterator[Mongo]:
    yield contract_database
    contract_database.drop_collection(SAMPLE)


@pytest.mark.real
@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@example([{"a": ["bot", "x"]}, {"a": "bot"}, {}], "a", ["bot"])
@example([{"a": 1}, {"a": 1.0}, {"a": True}, {"a": Decimal128("1")}, {"a": "1"}], "a", [1])
@example([{}, {"a": None}, {"a": []}, {"a": [None]}, {"a": 4}, {"a": [{}]}], "a.b", [None])
@given(
    st.lists(st.dictionaries(st.sampled_from(["a", "b"]), documents, max_size=2), max_size=8),
    st.sampled_from(PATHS),
    wanted,
)
def test_a_condition_finds_the_users_that_the_database_finds(
    sample: Mongo, users: list[dict[str, Any]], field: str, values: list[Any]
) -> None:
    collection = sample[SAMPLE]
    collection.delete_many({})
    if users:
        collection.insert_many([{"_id": i, **user} for i, user in enumerate(users)])

    for operator, negated in (("$in", False), ("$nin", True)):
        found = {d["_id"] for d in collection.find({field: {operator: values}}, {"_id": 1})}
        condition = Condition(field, tuple(values), negated=negated)
        assert {d["_id"] for d in collection.find() if condition.holds(d)} == found
