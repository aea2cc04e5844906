"""Payments in flight share a blockhash, so a slow module signs fewer of them at once."""

from __future__ import annotations

import pytest

from worker.bootstrap.contexts import in_flight_max


@pytest.mark.parametrize(
    ("signing_seconds", "expected"),
    [(0.0001, 1024), (0.0005, 1024), (0.1, 150), (0.3, 50), (10.0, 1), (60.0, 1)],
)
def test_no_more_are_signed_than_a_blockhash_lives(signing_seconds: float, expected: int) -> None:
    assert in_flight_max(1024, signing_seconds) == expected
    assert in_flight_max(1, signing_seconds) == 1
