"""The command in an in-memory world, entirely inside this process."""

from __future__ import annotations

import json
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import pytest
from pydantic import SecretStr

from config.settings import Settings
from tests.fakes.chain.public_chain import FakePublicChain
from tests.fakes.check.check_store import FakeCheckStore, FakeViews
from tests.fakes.check.reporting import FakeReporting
from tests.fakes.wiki.ingest import FakeIngestStore
from tests.fakes.wiki.wiki import wiki_in_memory
from tests.fakes.world import World, store_of
from worker.cli.broker import Broker
from worker.cli.main import run
from worker.cli.session import Session
from worker.ports.payout import Clock, PublicAddresses, PublicChain, Store
from worker.services.context import Context
from worker.services.wiki_context import WikiContext

REDIS_URL = "redis://:secret@127.0.0.1:6379/0"


class MemorySession(Session):
    """A session on in-memory twins. Its workers, if any, do the work of each message at once."""

    def __init__(self, world: World) -> None:
        super().__init__()
        self._world = world
        self.has_workers = True
        self.woken: list[tuple[str, dict[str, Any]]] = []
        self.rpc_urls = ("http://127.0.0.1:8899",)

    @property
    def settings(self) -> Settings:  # type: ignore[override]
        return Settings.model_construct(
            mongo_database="wiki",
            redis_url=SecretStr(REDIS_URL),
            solana_rpc_url=self.rpc_urls,
        )

    @property
    def context(self) -> Context:  # type: ignore[override]
        return self._world.first

    @property
    def store(self) -> Store:  # type: ignore[override]
        return self._world.first.store

    @property
    def stores(self) -> Any:
        store = store_of(self._world.first)
        return SimpleNamespace(
            ingest=FakeIngestStore(store),
            checks=FakeCheckStore(store),
            reports=FakeReporting(store),
            views=FakeViews(store),
        )

    @property
    def wiki(self) -> WikiContext:  # type: ignore[override]
        return wiki_in_memory(store_of(self._world.first), self._world.clock)

    @property
    def clock(self) -> Clock:  # type: ignore[override]
        return self._world.clock

    def public_chain(
        self, urls: Sequence[str], mint: str, addresses: PublicAddresses
    ) -> PublicChain:
        return FakePublicChain(self._world.ledger, addresses)

    def schema_state(self) -> str:
        return "version 1"

    @property
    def broker(self) -> Broker:  # type: ignore[override]
        return MemoryBroker(self)

    def do_woken_work(self) -> None:
        if self.has_workers:
            self._world.run()


class MemoryBroker(Broker):
    """A broker whose workers live in this process."""

    def __init__(self, session: MemorySession) -> None:
        super().__init__(REDIS_URL)
        self._session = session

    def redis_version(self) -> str:
        return "7.0.0"

    def workers(self) -> list[str]:
        return ["worker@memory"] if self._session.has_workers else []

    def wake(self, task: str, **arguments: Any) -> None:
        self._session.woken.append((task, arguments))
        self._session.do_woken_work()


class Command:
    """`kontrib`, as a person at a terminal sees it."""

    def __init__(self, world: World, capsys: pytest.CaptureFixture[str]) -> None:
        self.session, self._capsys = MemorySession(world), capsys
        self.out = self.err = ""

    def __call__(self, *arguments: str) -> int:
        """Run the command. Its output is then in `out` and `err`."""
        code = run(arguments, self.session)
        captured = self._capsys.readouterr()
        self.out, self.err = captured.out, captured.err
        return code

    def json(self, *arguments: str) -> Any:
        """Run the command with --json, and parse its output."""
        self.code = self(*arguments, "--json")
        return json.loads(self.out)


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def kontrib(world: World, capsys: pytest.CaptureFixture[str]) -> Command:
    return Command(world, capsys)
