"""A small world in memory: a wiki, a cluster, one or several operators, and a clock.

The services run in it unchanged. Sleeping advances the clock and the chain together.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from datetime import datetime, timedelta

from bson import ObjectId

from tests.fakes.chain.blocks import SLOT_SECONDS
from tests.fakes.chain.chain import FakeChain, wallet_named
from tests.fakes.chain.ledger import FakeLedger
from tests.fakes.chain.transactions import TokenAccount, token_address
from tests.fakes.store.store import FakeStore
from worker.core.money import ONE_TOKEN
from worker.core.payout.chain import Intent
from worker.core.payout.looks.pace import Pace
from worker.core.payout.looks.paid_receipts import PaidReceipts
from worker.core.payout.records import Distribution
from worker.core.week import Week
from worker.services.context import Context, Limits
from worker.services.plan.genesis import make_genesis
from worker.services.week.due import find_work
from worker.services.week.run import do_work
from worker.services.week.story import Done, Work

WEEK = Week.parse("2024-W50")


class FakeClock:
    """A clock that advances only during sleep, together with the chain's slots."""

    def __init__(self, now: datetime, ledger: FakeLedger) -> None:
        self._now, self._ledger, self._slots = now, ledger, 0.0
        ledger.set_time(now)

    def now(self) -> datetime:
        return self._now

    def unshifted(self) -> datetime:
        return self.now()

    def sleep(self, seconds: float) -> None:
        self._ledger.set_time(self._now)  # slots that passed without this clock took no time
        self._now += timedelta(seconds=seconds)
        self._slots += seconds / SLOT_SECONDS
        if self._slots >= 1:
            self._ledger.advance(int(self._slots))
            self._slots %= 1


class MemoryArchive:
    """Published plans in a dictionary that several operators can share."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}

    def location(self, week: Week, root: bytes) -> str:
        return f"memory://{week.id}/{root.hex()}.jsonl"

    def roots(self, week: Week) -> list[bytes]:
        """Files under other names than a root's do not count."""
        found = (
            re.fullmatch(rf"memory://{week.id}/([0-9a-f]{{64}})\.jsonl", f) for f in self.files
        )
        return sorted(bytes.fromhex(match[1]) for match in found if match)

    def publish(self, week: Week, root: bytes, lines: Iterable[bytes]) -> None:
        self.files[self.location(week, root)] = b"".join(line + b"\n" for line in lines)

    def fetch(self, week: Week, root: bytes) -> AbstractContextManager[Iterator[bytes]] | None:
        content = self.files.get(self.location(week, root))
        return None if content is None else self._open(content)

    @contextmanager
    def _open(self, content: bytes) -> Iterator[Iterator[bytes]]:
        yield (line.rstrip(b"\n") for line in io.BytesIO(content))


class World:
    """A world shortly after the end of the week 2024-W50."""

    def __init__(self, *, batch_size: int = 3, now: datetime | None = None) -> None:
        self.ledger = FakeLedger()
        self.clock = FakeClock(now or WEEK.end + timedelta(hours=1), self.ledger)
        self.archive = MemoryArchive()
        self.batch_size = batch_size
        self.operators: list[Context] = []
        self.former_secrets: dict[str, bytes] = {}
        self.first = self.add_operator()
        self.fund()

    def add_operator(self, **chain: object) -> Context:
        """Add another operator with the same keys and archive, and a separate database."""
        context = Context(
            store=FakeStore(),
            chain=FakeChain(
                self.ledger,
                transfers_per_transaction=self.batch_size,
                **chain,  # type: ignore[arg-type]
            ),
            archive=self.archive,
            clock=self.clock,
            limits=Limits(batches_per_task=100, batches_in_flight=8),
        )
        self.operators.append(context)
        return context

    def fund(self, *, tokens: int = 1_000_000 * ONE_TOKEN, lamports: int = 10**12) -> None:
        chain_of(self.first).fund(tokens=tokens, lamports=lamports)

    # --- the wiki ------------------------------------------------------------------------------

    def add_user(self, name: str, *, wallet: str | None = "own", account: bool = True) -> str:
        """Add a user to every wiki, usually with a token account; return the canonical id."""
        user_id = user_id_of(name)
        document: dict[str, object] = {"_id": ObjectId(user_id)}
        address = wallet_named(name) if wallet == "own" else wallet
        if address is not None:
            document["wallet_address"] = address
        for context in self.operators:
            store_of(context).add_user(document)
        if account and wallet == "own":
            self.open_account(name)
        return user_id

    def open_account(self, name: str) -> None:
        wallet = wallet_named(name)
        self.ledger.put_token_account(token_address(wallet), TokenAccount(wallet))

    def contribute(self, name: str, points: int, *, week: Week = WEEK, day: int = 2) -> None:
        """Add points of one day, split into contributions within the limits."""
        moment = week.start + timedelta(
            days=day, minutes=len(self._first_store().state.contributions)
        )
        self.record(name, points, created_at=moment, recorded_at=moment)

    def record(
        self, name: str, points: int, *, created_at: datetime, recorded_at: datetime
    ) -> ObjectId:
        serial = len(self._first_store().state.contributions)
        object_id = ObjectId(int(recorded_at.timestamp()).to_bytes(4) + serial.to_bytes(8))
        document = {
            "_id": object_id,
            "user_id": user_id_of(name),
            "type": "creation",
            "total_points": points,
            "created_at": created_at,
        }
        for context in self.operators:
            store_of(context).add_contribution(document)
        return object_id

    def populate(self, users: int, *, points: int = 100, week: Week = WEEK) -> list[str]:
        names = [f"user {i}" for i in range(users)]
        for i, name in enumerate(names):
            self.add_user(name)
            self.contribute(name, points + i, week=week)
        return names

    def _first_store(self) -> FakeStore:
        return store_of(self.first)

    # --- running -------------------------------------------------------------------------------

    def genesis(self, week: Week = WEEK) -> None:
        for context in self.operators:
            make_genesis(context, week)

    def run(self, context: Context | None = None, *, rounds: int = 200) -> list[Done]:
        """Do all due work, including the work that follows, as a worker with sweeps would."""
        context, done = context or self.first, []
        for _ in range(rounds):
            work = find_work(context)
            if not work:
                return done
            done += [self.do(context, item) for item in work]
        raise AssertionError(f"still busy after {rounds} rounds: {done[-3:]}")

    def do(self, context: Context, work: Work) -> Done:
        return do_work(context, work, seconds=600)

    def distribution(self, week: Week = WEEK, context: Context | None = None) -> Distribution:
        found = (context or self.first).store.distribution(week)
        assert found is not None
        return found

    def balances(self, names: Sequence[str]) -> dict[str, int]:
        return {name: self.ledger.balance(wallet_named(name)) for name in names}


def sign_and_send(world: World, intent: Intent) -> str:
    """Sign and send with the operator's keys, outside the protocol."""
    chain = chain_of(world.first)
    (signed,) = chain.sign([intent], chain.latest_blockhash())
    chain.send([(signed.signature, signed.wire)])
    world.ledger.finalize()
    return signed.signature


def store_of(context: Context) -> FakeStore:
    assert isinstance(context.store, FakeStore)
    return context.store


def restarted(context: Context) -> Context:
    """The context of a new process, which remembers nothing of the chain."""
    return replace(context, paid_receipts=PaidReceipts(), pace=Pace())


def chain_of(context: Context) -> FakeChain:
    assert isinstance(context.chain, FakeChain)
    return context.chain


def user_id_of(name: str) -> str:
    """A stable 24-character id for a name."""
    return name.encode().ljust(12, b".")[:12].hex()
