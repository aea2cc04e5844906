"""The settings, stores and clients of a command. Each is made on first use."""

from __future__ import annotations

import os
from collections.abc import Sequence
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
    """One run of the command. Tests replace its parts by in-memory twins."""

    def __init__(self, env_file: Path | None = None, *, debug: bool = False) -> None:
        self.env_file = env_file
        self.debug = debug or bool(os.environ.get("KONTRIB_DEBUG"))

    @cached_property
    def settings(self) -> Settings:
        """
        Raises:
            ConfigurationUnusable: lists every missing or malformed variable.
        """
        from config.settings import load_settings

        if self.env_file is not None:
            # The Celery application reads the settings by itself, from the same file.
            os.environ["KONTRIB_ENV_FILE"] = str(self.env_file)
        elif _local_stack_is_meant():
            os.environ["KONTRIB_ENV_FILE"] = str(LOCAL_ENV_FILE)
        return load_settings()

    @cached_property
    def database(self) -> Any:
        from worker.bootstrap.database import open_database

        return open_database(self.settings, for_command=True)

    @cached_property
    def context(self) -> Context:
        from worker.bootstrap.contexts import build_context

        return build_context(self.settings, self.database)

    @cached_property
    def stores(self) -> Stores:
        from worker.bootstrap.database import Stores

        return Stores(self.database)

    @property
    def store(self) -> Store:
        """Weeks and payouts. It needs no chain."""
        return self.stores.payouts

    @cached_property
    def wiki(self) -> WikiContext:
        """Points, counters, staking and governance. They need no keys."""
        from worker.bootstrap.contexts import build_wiki_context

        return build_wiki_context(self.settings, self.database)

    @cached_property
    def clock(self) -> Clock:
        from worker.bootstrap.contexts import open_clock

        return open_clock(self.settings)

    def key_places(self) -> str:
        """Where each key lives, for people."""
        from worker.bootstrap.chain import key_places

        return key_places(self.settings)

    def public_chain(
        self, urls: Sequence[str], mint: str, addresses: PublicAddresses
    ) -> PublicChain:
        """A cluster, read without settings and keys.

        Raises:
            EndpointUnusable, AddressUnusable: a URL or an address is malformed.
        """
        from worker.bootstrap.chain import PublicSolanaChain

        return PublicSolanaChain(urls, mint, addresses)

    def schema_state(self) -> str:
        """The version of the database's schema.

        Raises:
            NotReady: the database differs from the schema; the message says where.
        """
        from worker.bootstrap.database import require_schema

        return require_schema(self.database)

    @property
    def is_local(self) -> bool:
        """Whether every endpoint of the chain is on this machine."""
        return all(urlsplit(u).hostname in LOOPBACK_HOSTS for u in self.settings.solana_rpc_url)

    @cached_property
    def broker(self) -> Broker:
        # Reading the settings first also names their file to the Celery application.
        return Broker(self.settings.redis_url.get_secret_value())


def _local_stack_is_meant() -> bool:
    """Whether a local stack was started here, and nothing names another database."""
    configured = {"KONTRIB_ENV_FILE", "MONGO_URI"} & set(os.environ)
    return not configured and not Path(".env").exists() and LOCAL_ENV_FILE.exists()
