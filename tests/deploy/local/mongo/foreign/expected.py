"""Reads `expected_failures.txt`: a line `# reason`, and under it one test a line."""

from __future__ import annotations

from pathlib import Path

FILE = Path(__file__).parent / "expected_failures.txt"


def expected_failures() -> dict[str, str]:
    """The reason of each test that is expected to fail, by the test's id."""
    return read_reasons(FILE.read_text())


def read_reasons(text: str) -> dict[str, str]:
    """Raises ValueError for a test without a reason, or listed twice."""
    reasons: dict[str, str] = {}
    reason = ""
    for line in text.splitlines():
        if line.startswith("#"):
            reason = line.removeprefix("#").strip()
        elif line:
            if not reason or line in reasons:
                raise ValueError(f"{line} has no reason, or is listed twice")
            reasons[line] = reason
    return reasons
