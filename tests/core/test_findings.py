"""All findings are counted, some are listed, and the worst outcome wins."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from worker.core.findings import Check, Finding, Outcome, differing, outcome_of, value_text


def test_a_finding_is_one_line() -> None:
    assert str(Finding("rows", "line 2", "is twice there")) == "rows, line 2: is twice there"
    assert str(Finding("users", "ada, points", "3", "4")) == "users, ada, points: 3, expected 4"
    assert str(Finding("treasury", "", "5 short")) == "treasury: 5 short"


def test_all_findings_are_counted_and_the_first_are_listed() -> None:
    check = Check("rows", listed_max=2)
    for number in range(3):
        check.expect(f"line {number}", "the amount", 1, 2)
    check.expect("line 3", "the amount", 1, 1)
    assert (check.wrong_count, len(check.findings)) == (3, 2)


@pytest.mark.parametrize(
    ("kinds", "expected"),
    [("", Outcome.OK), ("u", Outcome.UNPROVEN), ("uw", Outcome.WRONG), ("wu", Outcome.WRONG)],
)
def test_the_worst_outcome_counts(kinds: str, expected: Outcome) -> None:
    checks = [Check("fine")]
    for kind in kinds:
        check = Check("odd")
        (check.wrong if kind == "w" else check.unproven)("here", "something")
        checks.append(check)
    assert outcome_of(checks) is expected
    assert [check.ok for check in checks] == [True, *[False] * len(kinds)]


def test_only_values_that_differ_are_findings() -> None:
    found = differing("users", "ada", {"points": 3, "name": "Ada"}, {"points": 4, "name": "Ada"})
    assert list(found) == [Finding("users", "ada, points", "3", "4")]


def test_values_are_written_for_people() -> None:
    assert [value_text(value) for value in (None, b"", b"\1", 7)] == ["missing", "empty", "01", "7"]
    assert value_text(datetime(2024, 12, 9, tzinfo=UTC)) == "2024-12-09T00:00:00+00:00"
