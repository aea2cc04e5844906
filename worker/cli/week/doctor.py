"""The work of `kontrib doctor`: what only the command line can ask, and what the ports can tell."""

from __future__ import annotations

from config.settings import ConfigurationUnusable
from worker.cli.console import emit, waiting
from worker.cli.json_views import checks_document
from worker.cli.session import NoWorker, Session
from worker.cli.text_views import show_checks
from worker.services.watch.doctor import (
    DATABASE,
    Check,
    Question,
    beat_question,
    examine,
    payout_questions,
    users_question,
    weeks_question,
)


def examine_everything(session: Session, *, as_json: bool) -> bool:
    """Ask, print, and say whether all is well."""
    checks: list[Check] = []
    try:
        _ = session.settings
    except ConfigurationUnusable as error:
        checks.append(Check("configuration", ok=False, detail=str(error)))
    else:
        checks.append(Check("configuration", ok=True, detail="complete"))
        with waiting("Examining"):
            checks += examine(_questions(session))
    emit(checks_document(checks), as_json=as_json, render=lambda c: show_checks(c, checks))
    return all(check.ok for check in checks)


def _questions(session: Session) -> list[Question]:
    return [
        Question(DATABASE, lambda: _database(session), "Start MongoDB, or correct MONGO_URI."),
        Question(
            "schema",
            lambda: session.schema_state(),
            "Run `kontrib migrate`.",
            needs=(DATABASE,),
        ),
        Question(
            "Redis",
            lambda: f"version {session.ping_redis()} at {session.redis_host}",
            "Start Redis, or correct REDIS_URL.",
        ),
        Question(
            "Celery workers",
            lambda: _workers(session),
            "Start `celery -A worker.app worker`.",
            needs=("Redis",),
        ),
        beat_question(lambda: session.store, lambda: session.clock, session.settings.sweep_seconds),
        *payout_questions(lambda: session.context),
        weeks_question(lambda: session.store),
        users_question(lambda: session.check_store),
    ]


def _database(session: Session) -> str:
    count = len(session.store.distributions())
    return f"answers; {count} weeks in {session.settings.mongo_database}"


def _workers(session: Session) -> str:
    """
    Raises:
        NoWorker: none answers.
    """
    found = session.workers()
    if not found:
        raise NoWorker
    return ", ".join(found)
