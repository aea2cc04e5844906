"""A condition means what `$in` and `$nin` mean to MongoDB, and a malformed one is named."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from bson import Decimal128, Int64, ObjectId
from bson.regex import Regex

from worker.adapters.mongo.schema.seeds import CONFIG
from worker.core.plan.condition import Condition, conditions_from
from worker.core.plan.rules import MalformedRules, rules_from

AN_ID = ObjectId("507f1f77bcf86cd799439011")


@pytest.mark.parametrize(
    ("field", "values", "document"),
    [
        ("groups", ["bot"], {"groups": ["bot", "autopatrolled"]}),
        ("groups", ["bot"], {"groups": "bot"}),
        ("groups", [["bot", "sysop"]], {"groups": ["bot", "sysop"]}),
        ("banned", [1], {"banned": 1.0}),
        ("banned", [1], {"banned": Int64(1)}),
        ("banned", [1.0], {"banned": Decimal128("1.00")}),
        ("banned", [Decimal128("1")], {"banned": 1}),
        ("banned", [float("nan")], {"banned": Decimal128("NaN")}),
        ("banned", [True], {"banned": True}),
        ("banned", [None], {}),
        ("banned", [None], {"banned": None}),
        ("banned", [None], {"banned": [None]}),
        ("a.b", [None], {"a": 4}),
        ("a.b", [None], {"a": [{"b": 3}, {}]}),
        ("a.b", [2], {"a": {"b": 2}}),
        ("a.b", [2], {"a": [{"b": 1}, {"b": [2, 3]}]}),
        ("a.b.c", [2], {"a": [{"b": [{"c": 2}]}]}),
        ("a.1", [2], {"a": [1, 2]}),
        ("a.1.b", [2], {"a": [1, {"b": 2}]}),
        ("who", [AN_ID], {"who": AN_ID}),
        ("who", [{"a": 1, "b": 2}], {"who": {"a": 1.0, "b": Int64(2)}}),
        ("since", [datetime(2024, 1, 1, tzinfo=UTC)], {"since": datetime(2024, 1, 1, tzinfo=UTC)}),
    ],
)
def test_a_value_is_one_of_them(field: str, values: list[Any], document: dict[str, Any]) -> None:
    assert Condition(field, tuple(values), negated=False).holds(document)
    assert not Condition(field, tuple(values), negated=True).holds(document)


@pytest.mark.parametrize(
    ("field", "values", "document"),
    [
        ("banned", [1], {"banned": True}),
        ("banned", [True], {"banned": 1}),
        ("banned", [1], {"banned": "1"}),
        ("banned", ["None"], {}),
        ("banned", ["1.0"], {"banned": 1.0}),
        ("groups", ["bot"], {"groups": ["robot"]}),
        ("groups", ["bot"], {"groups": [["bot"]]}),
        ("groups", [None], {"groups": []}),
        ("groups", [], {"groups": "bot"}),
        ("a.b", [None], {"a": [1, "text", None]}),
        ("a.b", [None], {"a": []}),
        ("a.b", [2], {"a": [[{"b": 2}]]}),
        ("who", [str(AN_ID)], {"who": AN_ID}),
        ("who", [{"a": 1, "b": 2}], {"who": {"b": 2, "a": 1}}),
    ],
)
def test_no_value_is_one_of_them(field: str, values: list[Any], document: dict[str, Any]) -> None:
    assert not Condition(field, tuple(values), negated=False).holds(document)
    assert Condition(field, tuple(values), negated=True).holds(document)


def test_an_entry_with_both_operators_is_two_conditions() -> None:
    entry = {"field": "groups", "in": ["editor"], "not_in": ["bot"]}

    conditions = conditions_from([entry])

    def all_hold(groups: list[str]) -> bool:
        return all(condition.holds({"groups": groups}) for condition in conditions)

    assert [each.as_document() for each in conditions] == [
        {"field": "groups", "in": ["editor"]},
        {"field": "groups", "not_in": ["bot"]},
    ]
    assert (all_hold(["editor"]), all_hold(["editor", "bot"]), all_hold([])) == (True, False, False)


@pytest.mark.parametrize(
    ("entry", "named"),
    [
        ({"field": "groups", "nin": ["bot"]}, "unknown operator 'nin', write 'not_in'"),
        ({"field": "groups", "in": ["x"], "$nin": ["bot"]}, r"'\$nin', write 'not_in'"),
        ({"field": "groups", "regex": "bot"}, "unknown operator 'regex'"),
        ({"field": "groups"}, "'groups' has neither 'in' nor 'not_in'"),
        ({"field": "groups", "in": "bot"}, "'bot' is not a list of values"),
        ({"field": "groups", "in": [Regex("bot")]}, "a Regex is no value"),
        ({"field": "groups", "in": [{"$regex": "bot"}]}, r"'\$regex' inside a value"),
        ({"field": "groups", "not_in": [[{"$gt": 1}]]}, r"'\$gt' inside a value"),
        ({"in": ["bot"]}, "the field None"),
        ({"field": "", "in": ["bot"]}, "the field ''"),
        ({"field": "a..b", "in": ["bot"]}, "the field 'a..b'"),
        ({"field": "$where", "in": ["bot"]}, r"the field '\$where'"),
        ({"field": 7, "in": ["bot"]}, "the field 7"),
        ("groups", "'groups', is not a document"),
        (None, "None, is not a document"),
    ],
)
def test_a_malformed_condition_is_refused_by_name(entry: object, named: str) -> None:
    with pytest.raises(MalformedRules, match=rf"system_config\.eligibility .*{named}"):
        rules_from({**CONFIG, "eligibility": [entry]})
