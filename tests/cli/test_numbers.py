"""Options that are numbers take plain digits, in every command."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import get_args, get_type_hints

import pytest

from tests.cli.conftest import Command
from worker.cli.main import MONEY, WIKI

ODD = ["1_0", "+5", " 5", "5 ", "٥", "５", "5.0", "1e1", "0x5", "-5", "five", "9" * 30, ""]
WHOLE = [
    ("genesis", "--first-week", "2024-W50", "--after-cutoff"),
    ("void", "2024-W50", "--reason", "why", "--"),
    ("stake", "ada", "5", "--days"),
    ("propose", "x", "--by", "ada", "--type", "feature_request", "--days"),
    ("user", "ada", "--limit"),
    ("report", "--user", "ada", "--json", "--year"),
    ("simulate", "none.csv", "--min-points"),
    ("simulate", "none.csv", "--stakers"),
    ("metrics", "--port"),
]


def numbers() -> Iterator[tuple[str, str]]:
    """Every parameter that is a number, as its command and the name of its parser."""
    for part in (*MONEY, *WIKI):
        for each in part.commands.registered_commands:
            assert each.callback is not None
            for hint in get_type_hints(each.callback, include_extras=True).values():
                kind, *facts = get_args(hint) or (hint,)
                if {int, float, Decimal} & {kind, *get_args(kind)}:
                    yield each.callback.__name__, getattr(facts[0].parser, "__name__", "")


def test_no_option_reads_a_number_as_python_does() -> None:
    assert sorted(numbers()) == sorted((command[0], "read_whole") for command in WHOLE)


@pytest.mark.parametrize("command", WHOLE)
@pytest.mark.parametrize("text", ODD)
def test_a_whole_number_is_written_in_plain_digits(
    kontrib: Command, command: tuple[str, ...], text: str
) -> None:
    assert kontrib(*command, text) == 2
    assert "is not a whole number from" in " ".join(kontrib.err.replace("│", "").split())


@pytest.mark.parametrize("text", ["1_3", "+1.3", " 1.3", "1e0", "١.٣"])
def test_a_multiplier_is_written_in_plain_digits(kontrib: Command, text: str) -> None:
    assert kontrib("simulate", "none.csv", "--stakers", "10", "--multiplier", text) == 2
    assert "not written in the digits 0 to 9" in " ".join(kontrib.err.split())
