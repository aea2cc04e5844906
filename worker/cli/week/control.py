"""Commands about the whole system: pause, resume, doctor."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from typing import Annotated

import typer

from config.errors import ConfigurationUnusable
from worker.cli.arguments import AsJson, session_of
from worker.cli.command import command
from worker.cli.console import emit, say, waiting
from worker.cli.findings_view import check_document, show_checks
from worker.cli.session import Session
from worker.core.errors import ExitCode
from worker.core.findings import Check
from worker.services.watch.doctor import (
    DATABASE,
    Question,
    ask,
    beat_question,
    payout_questions,
    users_question,
    weeks_question,
)
from worker.services.week.unblock import resume_signing

commands = typer.Typer()


@command(commands, 'kontrib pause --reason "the treasury moves"')
def pause(
    context: typer.Context,
    reason: Annotated[str, typer.Option("--reason", help="Shown by every `kontrib status`.")] = (
        "by an operator"
    ),
) -> None:
    """Stop all signing at once. Transactions already sent may still land, and are settled."""
    session_of(context).store.pause(reason)
    say(f"Signing is paused: {reason}. Continue with `kontrib resume`.")


@command(commands, "kontrib resume")
def resume(context: typer.Context) -> None:
    """Sign again, beginning with all work that waited for it."""
    session = session_of(context)
    resume_signing(session.store, session.clock.now())
    say("Signing goes on.")
    session.broker.wake_if_possible("tasks.sweep")


@command(commands, "kontrib doctor --json")
def doctor(context: typer.Context, as_json: AsJson = False) -> None:
    """Check everything that a payout needs. Exits 3 if something is missing."""
    session = session_of(context)
    configuration = Check("configuration", "complete")
    checks = [configuration]
    try:
        _ = session.settings
    except ConfigurationUnusable as error:
        configuration.detail = ""
        configuration.wrong("", str(error))
    else:
        with waiting("Asking"), ThreadPoolExecutor(1) as pool:
            # Workers have a moment to answer, in which the other questions are asked.
            workers = pool.submit(session.broker.require_workers)
            checks += ask(_questions(session, workers))
    ready = all(check.ok for check in checks)
    document = {"ready": ready, "checks": [check_document(check) for check in checks]}
    emit(document, as_json=as_json, render=lambda console: show_checks(console, checks))
    if not ready:
        raise typer.Exit(ExitCode.NOT_READY)


def _questions(session: Session, workers: Future[list[str]]) -> list[Question]:
    broker = session.broker
    return [
        Question(
            DATABASE,
            lambda: (
                f"answers; {len(session.store.distributions())} weeks in "
                f"{session.settings.mongo_database}"
            ),
            "Start MongoDB, or correct MONGO_URI.",
        ),
        Question("schema", session.schema_state, "Run `kontrib migrate`.", needs=(DATABASE,)),
        Question(
            "Redis",
            lambda: f"version {broker.redis_version()} at {broker.host}",
            "Until then, `kontrib run WEEK --inline` works without Redis.",
        ),
        Question(
            "Celery workers",
            lambda: ", ".join(workers.result()),
            "Start `celery -A worker.app worker`.",
            needs=("Redis",),
        ),
        beat_question(lambda: session.store, lambda: session.clock, session.settings.sweep_seconds),
        *payout_questions(lambda: session.context),
        weeks_question(lambda: session.store),
        users_question(lambda: session.stores.checks),
    ]
