"""A condition means what `$in` and `$nin` mean to MongoDB, and a malformed one is named."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from bson import Decimal128, Int64, ObjectId
from bson.regex import Regex

from worker.adapters.mongo.schema.seeds import CONFIG
from worker.core.errors import UsageError
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
        ("share", [None, 0.5], {"share": Decimal128("0.50")}),
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


@pytest.mark.parametrize(
    ("value", "stored", "same"),
    [
        (1, 2, False),
        (float("nan"), 1, False),
        ({"a": 1}, {"a": 2}, False),
        ([["document", 1]], [{"document": 1}], False),
        (datetime(2024, 1, 1, tzinfo=UTC), ["date"], False),
        (b"a", b"b", False),
        (b"a", b"a", True),
        (AN_ID, ObjectId("507f1f77bcf86cd799439012"), False),
        (None, "None", False),
        ("1", Decimal128("1"), False),
    ],
)
def test_different_values_are_not_equal(value: object, stored: object, same: bool) -> None:
    assert Condition("a", (value,), negated=False).holds({"a": stored}) is same


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        ({"field": "a", "regex": 1}, ": known are 'in' and 'not_in'"),
        ({"in": []}, "condition 1 names the field None, which no document can have"),
        ({"field": "a\0b", "in": []}, "names the field 'a\\x00b', which no document can have"),
        ({"field": "a", "in": 7}, "condition 1 on 'a': 7 is not a list of values"),
        ({"field": "a", "in": [{"b": Regex("x")}]}, "condition 1 on 'a': a Regex is no value"),
        ({"field": "a", "in": [[Regex("x")]]}, "condition 1 on 'a': a Regex is no value"),
    ],
)
def test_a_refusal_names_the_condition(entry: dict[str, object], said: str) -> None:
    with pytest.raises(UsageError) as caught:
        conditions_from([entry])
    assert said in str(caught.value)


@pytest.mark.parametrize("nest", [lambda inner: [inner], lambda inner: {"a": inner}])
def test_values_may_be_nested_a_hundred_deep(nest: Callable[[object], object]) -> None:
    value: object = 1
    for _ in range(99):
        value = nest(value)
    assert conditions_from([{"field": "a", "in": [value]}])

    with pytest.raises(
        UsageError, match="condition 1 on 'a' has a value that is nested too deeply"
    ):
        conditions_from([{"field": "a", "in": [nest(value)]}])


@pytest.mark.parametrize("value", [AN_ID, Decimal128("1"), [AN_ID], {"a": Decimal128("1")}])
def test_ids_and_decimals_are_values(value: object) -> None:
    (condition,) = conditions_from([{"field": "a", "in": [value]}])
    assert condition.values == (value,)


@pytest.mark.parametrize(
    ("wanted", "stored"),
    [
        (None, "None"),
        ([], {}),
        ([1], [2]),
        (datetime(2024, 1, 1, tzinfo=UTC), datetime(2024, 1, 2, tzinfo=UTC)),
        (b"1", "1"),
        (float("nan"), None),
        (True, 1),
    ],
)
def test_values_of_other_types_or_contents_are_not_equal(wanted: object, stored: object) -> None:
    condition = Condition("a", (wanted,), negated=False)
    assert condition.holds({"a": wanted})
    assert not condition.holds({"a": stored})
