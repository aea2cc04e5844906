"""The work of `kontrib check`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from worker.cli.console import emit, escaped, say, table, waiting
from worker.cli.session import Session

if TYPE_CHECKING:
    from rich.console import Console

    from worker.core.check.report import CheckReport


def check_everything(session: Session, *, offline: bool, as_json: bool) -> bool:
    """Print every difference; whether there is none."""
    from worker.services.check.everything import check_all, record_check

    context = None if offline else session.context
    with waiting("Comparing"):
        report = check_all(session.wiki, session.stores.checks, context)
    if context is not None:
        record_check(context, report)
    emit(_document(report), as_json=as_json, render=lambda console: _show(console, report))
    say(f"{report.sentence()}.")
    return report.is_clean


def _document(report: CheckReport) -> dict[str, Any]:
    return {
        "clean": report.is_clean,
        "looked_at": dict(report.looked_at),
        "differences": [
            {
                "area": each.area.value,
                "subject": each.subject,
                "found": each.found,
                "expected": each.expected,
            }
            for each in report.discrepancies
        ],
    }


def _show(console: Console, report: CheckReport) -> None:
    if report.is_clean:
        return
    made = table("about", "what", "found", "expected")
    for each in report.discrepancies:
        made.add_row(*map(escaped, (each.area.value, each.subject, each.found, each.expected)))
    console.print(made)
