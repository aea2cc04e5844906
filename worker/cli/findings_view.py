"""The layout of findings in every command, for people and as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rich.console import Console

from worker.cli.console import escaped, table
from worker.core.findings import Check, Finding, Outcome

COLOURS = {Outcome.OK: "green", Outcome.WRONG: "red", Outcome.UNPROVEN: "yellow"}


def finding_document(finding: Finding) -> dict[str, Any]:
    return {
        "area": finding.area,
        "subject": finding.subject,
        "found": finding.found,
        "expected": finding.expected or None,
        "outcome": finding.outcome,
        "advice": finding.advice or None,
    }


def check_document(check: Check) -> dict[str, Any]:
    """A check as JSON. If it compared nothing, `detail` says why."""
    first = check.findings[0] if check.findings else None
    return {
        "name": check.name,
        "ok": check.ok,
        "outcome": check.outcome,
        "detail": check.detail or (first.found if first else ""),
        "advice": first.advice or None if first else None,
        "wrong": check.wrong_count,
        "not_proven": check.unproven_count,
        "findings": [finding_document(finding) for finding in check.findings],
        "notes": check.notes,
    }


def show_findings(console: Console, findings: Sequence[Finding]) -> None:
    """Print short findings, if there are any, as a table."""
    made = table("about", "what", "found", "expected")
    for each in findings:
        made.add_row(*map(escaped, (each.area, each.subject, each.found, each.expected)))
    if findings:
        console.print(made)


def show_checks(console: Console, checks: Sequence[Check]) -> None:
    """Print a table of checks, then a line for each finding and note."""
    made = table("check", "outcome", "detail")
    for check in checks:
        count = check.wrong_count or check.unproven_count
        listed = f" ({count:,})" if count > 1 else ""
        made.add_row(check.name, coloured(check.outcome) + listed, escaped(check.detail))
    console.print(made)
    for check in checks:
        for finding in check.findings:
            line = f"{coloured(finding.outcome)} {escaped(str(finding))}"
            console.print(line, soft_wrap=True)
            if finding.advice:
                console.print(f"     {finding.advice}", markup=False, soft_wrap=True)
        for note in check.notes:
            console.print(f"note: {escaped(note)}", soft_wrap=True)


def coloured(outcome: Outcome, text: str = "") -> str:
    """The text, by default the outcome's name, in the outcome's colour."""
    return f"[{COLOURS[outcome]}]{escaped(text) or outcome.value}[/]"
