"""`python -m deploy.local demo`: pays one week on real parts.

MongoDB engine, Redis, Solana chain, Celery worker, beat and Flower are real processes. Celery
triggers the week. At the end the demo compares plan, database and chain to the base unit.
"""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import FrameType

from deploy.local.cli.demo_report import DemoResult, demo_result, show_result
from deploy.local.cli.demo_state import KEPT, begin_afresh, start_stack
from deploy.local.cli.example_week import EXAMPLE_WEEK, example_week
from deploy.local.cli.stack import open_whole_stack
from deploy.local.stack import LocalStack
from worker.adapters.mongo.base import stored_id
from worker.adapters.mongo.connection import Mongo
from worker.adapters.mongo.schema.migrations import migrate
from worker.adapters.mongo.schema.spec import COLLECTIONS
from worker.cli.console import console, say
from worker.cli.database.import_file import trial_wallet
from worker.cli.input_file import open_input
from worker.cli.session import Session
from worker.cli.week.progress import follow
from worker.core.errors import ExitCode, KontribError, UsageError
from worker.core.week import Week
from worker.core.wiki.files.reading import read_records
from worker.core.wording import counted
from worker.services.payout.reconcile import reconcile
from worker.services.plan.genesis import make_genesis
from worker.services.plan.planned_week import planned_distribution
from worker.services.wiki.ingest import IngestOptions, IngestReport, ingest
from worker.services.wiki.recount import recount_all

PATIENCE = timedelta(seconds=90)
"""The limit for one week. Everything starts at once on one machine, and is slow at first."""
SWEEP_SECONDS = 30
"""Longer than any task, so that no sweep pays fees to repeat a running task."""
AFTER_THE_WEEK = timedelta(hours=1)


class NothingToPay(UsageError):
    """The file holds no counted contribution of the week."""

    def __init__(self, week: Week, report: IngestReport) -> None:
        super().__init__(
            f"The file holds no contribution of {week.label} that counts "
            f"({counted(report.lines, 'line')}, {report.malformed_count:,} malformed). "
            "Give another --week."
        )


class WeekNotPaid(KontribError):
    """The week waits or failed; the reason is in the message."""

    def __init__(self, sentence: str, state: Path) -> None:
        super().__init__(f"{sentence} The logs are in {state / 'logs'}.")


def run_demo(state: Path, contributions: Path | None, week: Week | None, *, keep: bool) -> int:
    """Run the demo and return the exit code, 0 only if plan = database = chain.

    Raises:
        StateTaken, DemoKept: the folder holds something that stays as it is, and keeps running.
    """
    if contributions is not None and week is None:
        raise UsageError("--contributions needs --week, the week of the file to pay.")
    begin_afresh(state)  # before anything that would stop the stack of this folder
    demo, started = _Demo(state, contributions, week or EXAMPLE_WEEK), time.monotonic()
    finished = False
    with _terminated_is_interrupted():
        try:
            result = demo.run()
            show_result(console(), result, time.monotonic() - started)
            finished = True
        except KeyboardInterrupt:
            say("Interrupted. A demo begins afresh each time: run it again whenever you like.")
            return ExitCode.INTERRUPTED
        finally:
            if keep and finished:
                (state / KEPT).touch()
                say(f"Everything keeps running. Stop it: make down STATE={state}")
                say("The next demo in this folder asks before it deletes this one.")
            else:
                demo.stop()
    return ExitCode.DONE if result.is_exact else ExitCode.FAILED


class _Demo:
    """One run: its folder, its contributions, its week."""

    def __init__(self, state: Path, contributions: Path | None, week: Week) -> None:
        self._state, self._contributions, self._week = state, contributions, week
        self._own_server = "MONGO_URI" in os.environ
        self._session: Session | None = None

    def run(self) -> DemoResult:
        """
        Raises:
            NothingToPay, WeekNotPaid, LocalStackError: see each class.
        """
        stack = self._start()
        session = self._session = Session(stack.env_file)
        # Celery's processes load while the genesis becomes final.
        with ThreadPoolExecutor(1) as pool:
            celery = pool.submit(stack.up)
            self._fill(session)
            with _step(f"Genesis: {self._week.label} is the first week that may be paid"):
                make_genesis(session.context, self._week)
            celery.result()
        before = session.context.chain.treasury()
        self._pay(session)
        with _step("Computing the counters of users and articles"):
            recount_all(session.wiki)
        with _step("Comparing plan, database and chain"):
            found = reconcile(session.context, planned_distribution(session.store, self._week))
            return demo_result(session, found, before, stack)

    def stop(self) -> None:
        """Stop everything, and drop the demo's database on the user's own server."""
        if self._session is not None and self._own_server:
            database = self._session.database
            database.client.drop_database(database.name)
        say("Stopping everything.")
        open_whole_stack(self._state).down()

    def _start(self) -> LocalStack:
        # The clock shows the Monday after that week, so later weeks are not over and stay unpaid.
        shift = self._week.end + AFTER_THE_WEEK - datetime.now(UTC)
        settings = {
            "SWEEP_SECONDS": str(SWEEP_SECONDS),
            "CLOCK_OFFSET_SECONDS": str(int(shift.total_seconds())),
        }
        with _step("MongoDB engine, Redis and Solana chain"):
            return start_stack(self._state, settings)

    def _fill(self, session: Session) -> None:
        """Migrate, and import the week with its users and trial wallets."""
        with _step("Migrating the database"):
            migrate(session.database, lambda _: None, session.clock.now())
        options = IngestOptions(self._week, create_users=True, wallet_of=trial_wallet)
        with _step("Importing contributions"), self._lines(session) as lines:
            records = read_records(lines)
            store, wiki = session.stores.ingest, session.store
            report = ingest(wiki, store, records, options, lambda _: None)
        if report.added == 0:
            raise NothingToPay(self._week, report)
        say(f"    {counted(report.added, 'contribution')} by {counted(report.users_added, 'user')}")
        add_articles(session.database)
        migrate(session.database, lambda _: None, session.clock.now())  # the articles' fields

    @contextmanager
    def _lines(self, session: Session) -> Iterator[Iterable[bytes]]:
        """The given file, or the example week."""
        if self._contributions is not None:
            with open_input(str(self._contributions)) as source:
                yield source
            return
        rules = session.context.rules().points
        yield (json.dumps(c).encode() + b"\n" for c in example_week(rules, self._week))

    def _pay(self, session: Session) -> None:
        """Pay the week through Celery, like the Monday schedule.

        Raises:
            WeekNotPaid: the week waits, failed, or took too long.
        """
        with _step(f"Paying {self._week.label} through Celery"):
            session.broker.wake("tasks.distribute", week=self._week.id)
            found = follow(session, self._week, patience=PATIENCE)
        if found.exit_code != ExitCode.DONE:
            raise WeekNotPaid(found.sentence, self._state)


def add_articles(database: Mongo) -> None:
    """Insert an article for each id that the contributions name, so that more can follow."""
    known = {str(document["_id"]) for document in database.articles.find({}, {"_id": 1})}
    named = {str(each) for each in database.contributions.distinct("article_id") if each}
    fields = next(spec.added_fields for spec in COLLECTIONS if spec.name == "articles")
    new = [
        {"_id": stored_id(each), "title": f"Article {each}", **fields}
        for each in sorted(named - known)
    ]
    if new:
        database.articles.insert_many(new)


@contextmanager
def _step(title: str) -> Iterator[None]:
    """Print the name of a step, and its duration at the end."""
    say(f"==> {title}")
    started = time.monotonic()
    yield
    say(f"    done in {time.monotonic() - started:.1f} s")


@contextmanager
def _terminated_is_interrupted() -> Iterator[None]:
    """Turn the signal of a supervisor into a clean stop."""

    def interrupt(number: int, frame: FrameType | None) -> None:
        del number, frame
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
