"""The parts that a command works on, each made on first use: `kontrib --help` makes none."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from worker.cli.broker import Broker

if TYPE_CHECKING:
    from config.settings import Settings
    from worker.bootstrap.database import Stores
    from worker.ports.payout import Clock, PublicAddresses, PublicChain, Store
    from worker.services.context import Context
    from worker.services.wiki_context import WikiContext

LOCAL_ENV_FILE = Path(".kontrib/env")
LOOPBACK_HOSTS = ("127.0.0.1", "localhost", "::1")


class Session:
    """One run of the command. Tests make their own session of in-memory twins."""

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
        from worker.bootstrap.database import open_database

        return open_database(self.settings)

    @cached_property
    def context(self) -> Context:
        from worker.bootstrap.contexts import build_context

        return build_context(self.settings)

    @cached_property
    def stores(self) -> Stores:
        from worker.bootstrap.database import Stores

        return Stores(self.database)

    @property
    def store(self) -> Store:
        """The database alone: it works while the chain is unreachable."""
        return self.stores.payouts

    @cached_property
    def wiki(self) -> WikiContext:
        """Points, counters, staking and governance: it needs no keys."""
        from worker.bootstrap.contexts import build_wiki_context

        return build_wiki_context(self.settings, self.database)

    @cached_property
    def clock(self) -> Clock:
        from worker.bootstrap.contexts import open_clock

        return open_clock(self.settings)

    def public_chain(
        self, urls: Sequence[str], mint: str, addresses: PublicAddresses
    ) -> PublicChain:
        """A cluster as a stranger sees it: without settings, and without any key.

        Raises:
            EndpointUnusable, AddressUnusable: a URL or an address is malformed.
        """
        from worker.bootstrap.chain import PublicSolanaChain

        return PublicSolanaChain(urls, mint, addresses)

    def schema_state(self) -> str:
        """The version of the schema that the database has.

        Raises:
            NotReady: the database differs from the schema; says where.
        """
        from worker.bootstrap.database import require_schema

        return require_schema(self.database)

    @property
    def is_local(self) -> bool:
        """Whether every endpoint of the chain is on this machine."""
        return all(urlsplit(u).hostname in LOOPBACK_HOSTS for u in self.settings.solana_rpc_url)

    @cached_property
    def broker(self) -> Broker:
        # The settings are read first: they name the file that the Celery application reads, too.
        return Broker(self.settings.redis_url.get_secret_value())


def _local_stack_is_meant(environment: Mapping[str, str]) -> bool:
    """Whether a stack was started here, and no variable and no `.env` names another database."""
    configured = {"KONTRIB_ENV_FILE", "MONGO_URI"} & set(environment)
    return not configured and not Path(".env").exists() and LOCAL_ENV_FILE.exists()
