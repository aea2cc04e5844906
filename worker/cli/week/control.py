"""Commands about the whole system: pause, resume, doctor."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from typing import Annotated, Any

import typer
from rich.console import Console

from config.errors import ConfigurationUnusable
from worker.cli.arguments import AsJson, session_of
from worker.cli.command import command
from worker.cli.console import emit, facts, say, waiting
from worker.cli.findings_view import check_document, show_checks
from worker.cli.session import Session
from worker.core.errors import ExitCode, KontribError
from worker.core.findings import Check
from worker.core.wording import counted
from worker.services.watch.addresses import Fund, addresses_to_fund
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
    as_json: AsJson = False,
) -> None:
    """Stop all signing at once. Transactions already sent may still land, and are settled."""
    session_of(context).store.pause(reason)
    emit({"paused": reason}, as_json=as_json)
    say(f"Signing is paused: {reason}. Continue with `kontrib resume`.")


@command(commands, "kontrib resume")
def resume(context: typer.Context, as_json: AsJson = False) -> None:
    """Sign again, beginning with all work that waited for it."""
    session = session_of(context)
    resume_signing(session.store)
    emit({"paused": None}, as_json=as_json)
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
    # Waiting once for a database that is away is enough.
    has_database = any(check.name == DATABASE and check.ok for check in checks)
    known = _known_addresses(session, with_need=has_database)
    ready = all(check.ok for check in checks)
    document = {
        "ready": ready,
        "checks": [check_document(check) for check in checks],
        "addresses": [_fund_document(each) for each in known],
    }

    def render(console: Console) -> None:
        show_checks(console, checks)
        listed = facts({})
        for each in known:
            listed.add_row(each.name, each.address)
            for line in filter(None, (each.sentence, each.explorer)):
                listed.add_row("", line)
        console.print(listed)

    emit(document, as_json=as_json, render=render)
    if not ready:
        raise typer.Exit(ExitCode.NOT_READY)


def _known_addresses(session: Session, *, with_need: bool) -> list[Fund]:
    """The addresses to fund; empty if the settings or a key cannot be read."""
    try:
        return addresses_to_fund(session.context, with_need=with_need)
    except (KontribError, ConfigurationUnusable):
        return []  # a question of the doctor reports it


def _fund_document(fund: Fund) -> dict[str, Any]:
    named = {"name": fund.name, "address": fund.address, "explorer": fund.explorer}
    if not fund.unit:
        return named
    amounts = {"available": fund.available, "needed": fund.needed}
    return named | {f"{name}_{fund.unit}": amount for name, amount in amounts.items()}


def _questions(session: Session, workers: Future[list[str]]) -> list[Question]:
    broker = session.broker
    return [
        Question(
            DATABASE,
            lambda: (
                f"answers; {counted(len(session.store.distributions()), 'week')} in "
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
        *payout_questions(lambda: session.context, lambda: session.store, session.key_places),
        weeks_question(lambda: session.store),
        users_question(lambda: session.stores.checks),
    ]
