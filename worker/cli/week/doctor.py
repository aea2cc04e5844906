"""The questions of `kontrib doctor` about settings, servers and ports."""

from __future__ import annotations

from config.errors import ConfigurationUnusable
from worker.cli.broker import Broker
from worker.cli.console import emit, waiting
from worker.cli.findings_view import check_document, show_checks
from worker.cli.session import Session
from worker.core.findings import Check
from worker.services.watch.doctor import (
    DATABASE,
    Question,
    ask,
    beat_question,
    payout_questions,
    weeks_question,
)


def ask_everything(session: Session, *, as_json: bool) -> bool:
    """Ask every question and print the answers; whether everything is ready."""
    configuration = Check("configuration", "complete")
    checks = [configuration]
    try:
        _ = session.settings
    except ConfigurationUnusable as error:
        configuration.detail = ""
        configuration.wrong("", str(error))
    else:
        with waiting("Asking"):
            checks += ask(_questions(session))
    ready = all(check.ok for check in checks)
    document = {"ready": ready, "checks": [check_document(check) for check in checks]}
    emit(document, as_json=as_json, render=lambda console: show_checks(console, checks))
    return ready


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
