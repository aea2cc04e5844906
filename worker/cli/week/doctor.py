"""The questions of `kontrib doctor` and their answers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from config.errors import ConfigurationUnusable
from worker.cli.broker import Broker
from worker.cli.console import emit, escaped, waiting
from worker.cli.session import Session
from worker.services.watch.doctor import (
    DATABASE,
    Check,
    Question,
    beat_question,
    examine,
    payout_questions,
    weeks_question,
)

if TYPE_CHECKING:
    from rich.console import Console


def examine_everything(session: Session, *, as_json: bool) -> bool:
    """Ask every question, print the answers, and return whether all are good."""
    checks: list[Check] = []
    try:
        _ = session.settings
    except ConfigurationUnusable as error:
        checks.append(Check("configuration", ok=False, detail=str(error)))
    else:
        checks.append(Check("configuration", ok=True, detail="complete"))
        with waiting("Examining"):
            checks += examine(_questions(session))
    emit(_document(checks), as_json=as_json, render=lambda c: _show(c, checks))
    return all(check.ok for check in checks)


def _questions(session: Session) -> list[Question]:
    return [
        Question(DATABASE, lambda: _database(session), "Start MongoDB, or correct MONGO_URI."),
        Question(
            "schema",
            session.schema_state,
            "Run `kontrib migrate`.",
            needs=(DATABASE,),
        ),
        Question(
            "Redis",
            lambda: _redis(session.broker),
            "Start Redis, or correct REDIS_URL.",
        ),
        Question(
            "Celery workers",
            lambda: ", ".join(session.broker.require_workers()),
            "Start `celery -A worker.app worker`.",
            needs=("Redis",),
        ),
        beat_question(lambda: session.store, lambda: session.clock, session.settings.sweep_seconds),
        *payout_questions(lambda: session.context),
        weeks_question(lambda: session.store),
    ]


def _database(session: Session) -> str:
    count = len(session.store.distributions())
    return f"answers; {count} weeks in {session.settings.mongo_database}"


def _redis(broker: Broker) -> str:
    return f"version {broker.redis_version()} at {broker.host}"


def _document(checks: Sequence[Check]) -> dict[str, Any]:
    return {
        "ready": all(check.ok for check in checks),
        "checks": [
            {"name": c.name, "ok": c.ok, "detail": c.detail, "advice": c.advice or None}
            for c in checks
        ],
    }


def _show(console: Console, checks: Sequence[Check]) -> None:
    for check in checks:
        sign = "[green]ok  [/]" if check.ok else "[red]FAIL[/]"
        console.print(f"{sign} [bold]{check.name}[/]: {escaped(check.detail)}", soft_wrap=True)
        if check.advice:
            console.print(f"     {check.advice}", markup=False, soft_wrap=True)
