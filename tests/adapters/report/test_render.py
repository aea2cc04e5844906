"""Templates escape every value, and an axis ends at a number that can be read in quarters."""

from __future__ import annotations

import re
from fractions import Fraction
from xml.etree import ElementTree

import pytest
from jinja2 import UndefinedError

from worker.adapters.report.render import render

HOSTILE = '"><script>x</script>'


def plot(*values: int | Fraction) -> str:
    weeks = [f"2024-W{number}" for number in range(10, 10 + len(values))]
    panel = ("Recipients", [list(values), list(values)])
    return render("simulation.svg", labels=weeks, legend=[("today", HOSTILE)], panels=[panel])


@pytest.mark.parametrize(
    ("values", "scale"),
    [
        ((0, 0), ["1", "0.75", "0.5", "0.25", "0"]),
        ((1, 21), ["24", "18", "12", "6", "0"]),
        ((10,), ["10", "7.5", "5", "2.5", "0"]),
        ((3_900, 4_000), ["4,000", "3,000", "2,000", "1,000", "0"]),
        ((5_000_000,), ["5,000,000", "3,750,000", "2,500,000", "1,250,000", "0"]),
        ((Fraction(1, 3), Fraction(49, 100)), ["0.5", "0.375", "0.25", "0.125", "0"]),
        ((Fraction(1, 150),), ["0.008", "0.006", "0.004", "0.002", "0"]),
    ],
)
def test_an_axis_is_read_in_quarters(values: tuple[int | Fraction, ...], scale: list[str]) -> None:
    assert re.findall(r'class="label end">([^<]*)<', plot(*values)) == scale


def test_a_value_is_drawn_at_its_height() -> None:
    lines = re.findall(r'points="([^"]*)" class="line', plot(0, 5, 10))
    assert lines == ["76.0,286.0 506.0,191.0 936.0,96.0"] * 2


def test_every_value_is_escaped() -> None:
    svg = plot(1, 2)
    assert "<script" not in svg
    assert HOSTILE in "".join(ElementTree.fromstring(svg).itertext())  # noqa: S314 - we wrote it


def test_a_value_that_is_missing_is_an_error() -> None:
    with pytest.raises(UndefinedError):
        render("simulation.svg", labels=[], legend=[])
