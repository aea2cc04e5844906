"""`kontrib propose` refuses unusable input with a clear message, and never as a bug."""

from __future__ import annotations

import json

import pytest

from tests.cli.conftest import Command
from tests.fakes.world import World

FEATURE = ("--type", "feature_request")
NESTED = '{"a": ' * 300 + "1" + "}" * 300


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (("--days", "999999999999"), "not a whole number from 1"),
        (("--days", "91"), "not a whole number from 1 to 90"),
        (("--start", "9999-12-31"), "must end before the year 9999"),
        (("--start", "9999-12-31T23:00-10:00"), "is not a moment"),
        (("--start", "0001-01-01T00:00+10:00"), "is not a moment"),
        (("--start", "2000-01-01"), "cannot begin in the past"),
        (("--data", '{"amount": 123456789012345678901234567890}'), "a number beyond 64 bits"),
        (("--data", '{"a\\u0000b": 1}'), "a field name with a zero byte"),
        (("--data", '{"a": "\\ud800"}'), "the data is not UTF-8"),
        (("--data", '{"\\ud800": 1}'), "the data is not UTF-8"),
        (("--data", NESTED), "nested too deeply"),
        (("--data", "[" * 100_000), "--data must be a JSON object"),
        (("--data", '{"a": ' + "9" * 5000 + "}"), "--data must be a JSON object"),
        (("--description", "\udcff"), "the description is not UTF-8"),
        (("--quorum", "99999999999999"), "negative or too large"),
    ],
)
def test_input_that_cannot_be_used_has_a_named_error(
    kontrib: Command, world: World, arguments: tuple[str, ...], text: str
) -> None:
    ada = world.add_user("ada")

    assert kontrib("propose", "x", "--by", ada, *FEATURE, *arguments) == 2

    assert text in " ".join(kontrib.err.split())
    assert "bug" not in kontrib.err
    assert kontrib.json("proposals") == {"proposals": []}


@pytest.mark.parametrize(("title", "user"), [("\udcff", None), ("x", "\udcff")])
def test_arguments_that_are_not_utf8_have_a_named_error(
    kontrib: Command, world: World, title: str, user: str | None
) -> None:
    by = user or world.add_user("ada")

    assert kontrib("propose", title, "--by", by, *FEATURE) == 2

    assert "bug" not in kontrib.err


def test_the_longest_vote_is_90_days(kontrib: Command, world: World) -> None:
    ada = world.add_user("ada")

    made = kontrib.json("propose", "x", "--by", ada, *FEATURE, "--days", "90")

    assert json.loads(kontrib.out)["status"] == made["status"] == "active"
