"""What a command works on: made on first use, so that `kontrib --help` loads none of it."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from worker.core.errors import NotReady, Unreachable

if TYPE_CHECKING:
    from config.settings import Settings
    from worker.ports.check import CheckStore, ViewStore
    from worker.ports.payout import Clock, PublicAddresses, PublicChain, Store
    from worker.ports.report import ReportStore
    from worker.services.context import Context
    from worker.services.wiki.ingest import IngestStore
    from worker.services.wiki_context import WikiContext

LOCAL_ENV_FILE = Path(".kontrib/env")
CONTROL_QUEUE = "control"
PING_SECONDS = 1.5
LOOPBACK_HOSTS = ("127.0.0.1", "localhost", "::1")


class BrokerUnreachable(Unreachable):
    """Redis does not answer, so nobody can be woken."""

    def __init__(self, host: str) -> None:
        super().__init__(
            f"Redis at {host} does not answer (REDIS_URL). Start it, or use --inline to work "
            "without it. Nothing is lost: the sweeper finds what is due once it is back."
        )


class NoWorker(NotReady):
    """Nobody would take the task."""

    def __init__(self) -> None:
        super().__init__(
            "No Celery worker answers. Start one with `celery -A worker.app worker`, "
            "or use --inline to do the work in this process."
        )


class Session:
    """One run of the command. Tests give their own, made of in-memory twins."""

    def __init__(self, env_file: Path | None = None, *, debug: bool = False) -> None:
        self.env_file = env_file
        self.debug = debug or bool(os.environ.get("KONTRIB_DEBUG"))

    @cached_property
    def settings(self) -> Settings:
        """
        Raises:
            ConfigurationUnusable: names every variable that is missing or malformed.
        """
        from config.settings import load_settings

        if self.env_file is not None:
            # Also for the Celery application, which reads the same settings by itself.
            os.environ["KONTRIB_ENV_FILE"] = str(self.env_file)
        elif _local_stack_is_meant(os.environ):
            os.environ["KONTRIB_ENV_FILE"] = str(LOCAL_ENV_FILE)
        return load_settings()

    @cached_property
    def database(self) -> Any:
        from worker.bootstrap import open_database

        return open_database(self.settings)

    @cached_property
    def context(self) -> Context:
        from worker.bootstrap import build_context

        return build_context(self.settings)

    @cached_property
    def store(self) -> Store:
        """The database alone: it works while the chain is unreachable."""
        from worker.adapters.mongo.payout.store import MongoStore

        return MongoStore(self.database)

    @cached_property
    def ingest_store(self) -> IngestStore:
        from worker.adapters.mongo.wiki.ingest import MongoIngestStore

        return MongoIngestStore(self.database)

    @cached_property
    def wiki(self) -> WikiContext:
        """Points, counters, staking and governance: it needs no keys."""
        from worker.bootstrap import build_wiki_context

        return build_wiki_context(self.settings, self.database)

    @cached_property
    def check_store(self) -> CheckStore:
        from worker.adapters.mongo.check.store import MongoCheckStore

        return MongoCheckStore(self.database)

    @cached_property
    def report_store(self) -> ReportStore:
        """What a report reads beside the store."""
        from worker.adapters.mongo.check.reporting import MongoReporting

        return MongoReporting(self.database)

    @cached_property
    def views(self) -> ViewStore:
        """What the wiki shows of one user."""
        from worker.adapters.mongo.wiki.dashboard import MongoViews

        return MongoViews(self.database)

    @cached_property
    def clock(self) -> Clock:
        from datetime import timedelta

        from worker.adapters.clock import SystemClock

        return SystemClock(timedelta(seconds=self.settings.clock_offset_seconds))

    def public_chain(
        self, urls: Sequence[str], mint: str, addresses: PublicAddresses
    ) -> PublicChain:
        """A cluster as a stranger sees it: without settings, and without any key.

        Raises:
            EndpointUnusable, AddressUnusable: a URL or an address is none.
        """
        from worker.adapters.solana.public_chain import PublicSolanaChain

        return PublicSolanaChain(urls, mint, addresses)

    def schema_state(self) -> str:
        """That the database has the schema.

        Raises:
            NotReady: it does not; says what is missing.
        """
        from worker.cli.database.migration import require_schema

        return require_schema(self.database)

    @property
    def is_local(self) -> bool:
        """Whether every endpoint of the chain is on this machine."""
        return all(urlsplit(u).hostname in LOOPBACK_HOSTS for u in self.settings.solana_rpc_url)

    def wake(self, task: str, **arguments: Any) -> None:
        """Send a task. The message is a wake-up only: what is due stands in the database.

        Raises:
            BrokerUnreachable: Redis does not answer.
        """
        from kombu.exceptions import OperationalError

        app = self._celery()
        try:
            app.send_task(task, kwargs=arguments, queue=CONTROL_QUEUE)
        except OperationalError:
            raise BrokerUnreachable(self.redis_host) from None

    def workers(self) -> list[str]:
        """Names of the workers that answer now.

        Raises:
            BrokerUnreachable: Redis does not answer.
        """
        from kombu.exceptions import OperationalError

        app = self._celery()
        try:
            answers: list[Mapping[str, Any]] = app.control.ping(timeout=PING_SECONDS)
        except (OperationalError, OSError):
            raise BrokerUnreachable(self.redis_host) from None
        return sorted(name for answer in answers for name in answer)

    def ping_redis(self) -> str:
        """Its version.

        Raises:
            BrokerUnreachable: Redis does not answer.
        """
        import redis

        url = self.settings.redis_url.get_secret_value()
        try:
            with redis.Redis.from_url(url, socket_timeout=5, socket_connect_timeout=5) as client:
                return str(client.info("server")["redis_version"])
        except redis.RedisError:
            raise BrokerUnreachable(self.redis_host) from None

    @property
    def redis_host(self) -> str:
        """Where Redis is, without its password."""
        parts = urlsplit(self.settings.redis_url.get_secret_value())
        return f"{parts.hostname or parts.path}:{parts.port or 6379}"

    def _celery(self) -> Any:
        _ = self.settings
        from worker.app import app

        return app


def _local_stack_is_meant(environment: Mapping[str, str]) -> bool:
    """Only where nothing else is configured: no variable, no `.env`, but a stack was started."""
    configured = {"KONTRIB_ENV_FILE", "MONGO_URI"} & set(environment)
    return not configured and not Path(".env").exists() and LOCAL_ENV_FILE.exists()
