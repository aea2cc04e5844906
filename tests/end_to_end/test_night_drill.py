"""A night on call: one thing after the other fails, and kontrib's words name cause and command."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from solders.keypair import Keypair
from solders.pubkey import Pubkey
from spl.token.constants import TOKEN_PROGRAM_ID
from spl.token.instructions import (
    create_idempotent_associated_token_account,
    get_associated_token_address,
    mint_to,
)
from spl.token.models import MintToParams

from deploy.local.chain.client import ChainClient
from deploy.local.chain.setup import finalize, fund, load_or_create_key, prepare, send
from tests.chaos.fault_proxy import Fault, TcpProxy
from tests.end_to_end.support import wiki
from tests.end_to_end.support.cluster import Cluster, write_env
from worker.adapters.mongo.schema.migrations import migrate
from worker.core.lifecycle import Stage
from worker.core.money import ONE_TOKEN
from worker.core.week import Week
from worker.services.plan.genesis import make_genesis

pytestmark = pytest.mark.real

WEEK = Week.parse("2024-W50")
USERS, FROZEN = 4, 2
SECONDS_MAX = 60
PROGRAMS_PATH = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
"""The shell finds `kontrib`, so that hints say its name alone."""
LAMPORTS_TOO_FEW, LAMPORTS = 7_000_000, 1_000_000_000
"""Enough for mint, treasury account and genesis; and enough for the week, too."""
SERVERS = ("REDIS_URL", "MONGO_URI", "SOLANA_RPC_URL")


@dataclass(frozen=True, slots=True)
class Answer:
    code: int
    words: str

    def must_say(self, *parts: str, code: int) -> None:
        """All parts in this order, with any text between them."""
        pattern = ".*".join(re.escape(part) for part in parts)
        assert re.search(pattern, self.words, re.DOTALL), f"{parts} is not said:\n{self.words}"
        assert self.code == code, self.words
        assert "Traceback" not in self.words


class Night:
    """One wiki with a week to pay, its servers behind proxies, and a person at the keyboard."""

    def __init__(self, folder: Path, stack: dict[str, str]) -> None:
        poor = {"supply_tokens": 9_000, "authority_lamports": LAMPORTS_TOO_FEW}
        keys = dict(prepare(folder / "chain", stack["SOLANA_RPC_URL"], **poor))
        self.proxies = {name: _proxy(stack[name]) for name in SERVERS}
        through = {name: _through(stack[name], self.proxies[name]) for name in SERVERS}
        self.cluster = Cluster(folder, {**stack, **keys}, WEEK, through=through)
        self.folder, self.keys, self.through = folder, keys, through

    def types(self, command: str, **changed: str) -> Answer:
        """The answer to a `kontrib` command, with some settings changed."""
        file = self.folder / "typed.env"
        write_env(file, {**self.cluster.variables, **self.through, **changed})
        done = subprocess.run(
            [Path(sys.executable).with_name("kontrib"), *command.split()],
            env={**os.environ, "PATH": PROGRAMS_PATH, "KONTRIB_ENV_FILE": str(file)},
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=SECONDS_MAX,
            check=False,
        )
        return Answer(done.returncode, done.stdout)

    def without(self, server: str, command: str, **changed: str) -> Answer:
        with self.proxies[server].fault(Fault.REFUSED):
            return self.types(command, **changed)

    def fund(self) -> None:
        """Send what was short, as the words ask for."""
        authority, mint = self._key("SOLANA_PRIVATE_KEY_FILE"), self.keys["TOKEN_MINT_ADDRESS"]
        tokens = MintToParams(
            program_id=TOKEN_PROGRAM_ID,
            mint=Pubkey.from_string(mint),
            dest=self._account(str(authority.pubkey())),
            mint_authority=authority.pubkey(),
            amount=1_000 * ONE_TOKEN,
        )
        with ChainClient(self.keys["SOLANA_RPC_URL"]) as client:
            fund(client, authority.pubkey(), LAMPORTS)
            send(client, [mint_to(tokens)], [authority])
            finalize(client)

    def freeze(self, wallet: str) -> None:
        """Open a wallet's token account, and freeze it."""
        authority = self._key("SOLANA_PRIVATE_KEY_FILE")
        owner, mint = (
            Pubkey.from_string(wallet),
            Pubkey.from_string(self.keys["TOKEN_MINT_ADDRESS"]),
        )
        opened = create_idempotent_associated_token_account(authority.pubkey(), owner, mint)
        with ChainClient(self.keys["SOLANA_RPC_URL"]) as client:
            send(client, [opened], [authority])
            client.call("local_freezeTokenAccount", str(self._account(wallet)))
            finalize(client)

    def _key(self, setting: str) -> Keypair:
        return load_or_create_key(Path(self.keys[setting]))

    def _account(self, owner: str) -> Pubkey:
        mint = Pubkey.from_string(self.keys["TOKEN_MINT_ADDRESS"])
        return get_associated_token_address(Pubkey.from_string(owner), mint)

    def close(self) -> None:
        self.cluster.stop()
        for proxy in self.proxies.values():
            proxy.close()


def _proxy(url: str) -> TcpProxy:
    parts = urlsplit(url)
    return TcpProxy((str(parts.hostname), int(parts.port or 0)))


def _through(url: str, proxy: TcpProxy) -> str:
    return url.replace(urlsplit(url).netloc.rpartition("@")[2], proxy.address)


@pytest.fixture(scope="module")
def night(
    tmp_path_factory: pytest.TempPathFactory, stack_settings: dict[str, str]
) -> Iterator[Night]:
    night = Night(tmp_path_factory.mktemp("night"), stack_settings)
    database = night.cluster.database
    wiki.add_users(database, range(USERS))
    wiki.add_contributions(database, USERS, WEEK, users=USERS)
    migrate(database, lambda _: None, night.cluster.context.clock.now())
    make_genesis(night.cluster.context, WEEK)
    yield night
    night.close()


def test_redis_is_away(night: Night) -> None:
    address = night.proxies["REDIS_URL"].address
    for command in ("doctor", "run 2024-W50"):
        night.without("REDIS_URL", command).must_say(
            f"Redis at {address} does not answer", "correct REDIS_URL", "--inline", code=3
        )


def test_the_engine_is_away(night: Night) -> None:
    night.without("MONGO_URI", "doctor").must_say(
        "WRONG MongoDB", night.proxies["MONGO_URI"].address, "correct MONGO_URI", code=3
    )
    night.without("MONGO_URI", "status 2024-W50").must_say(
        "MongoDB at", "Nothing is lost", "MONGO_URI", "`kontrib doctor`", code=3
    )


def test_the_chain_is_away(night: Night) -> None:
    address = night.proxies["SOLANA_RPC_URL"].address
    # Without a shifted clock, as in production: a shift asks the chain first.
    night.without("SOLANA_RPC_URL", "doctor", CLOCK_OFFSET_SECONDS="0").must_say(
        "WRONG cluster", address, "Check SOLANA_RPC_URL", code=3
    )
    night.without("SOLANA_RPC_URL", "run 2024-W50 --inline").must_say(
        address, "does not answer", "`kontrib doctor`", code=3
    )


def test_the_mint_is_wrong(night: Night) -> None:
    other = str(Keypair().pubkey())
    night.types("doctor", TOKEN_MINT_ADDRESS=other).must_say(
        "WRONG mint and authority", other, "Correct TOKEN_MINT_ADDRESS", code=3
    )
    night.types("run 2024-W50 --inline", TOKEN_MINT_ADDRESS=other).must_say(
        "No genesis for mint", other, "kontrib genesis --first-week", code=3
    )


def test_others_can_read_the_key(night: Night) -> None:
    key = Path(night.keys["SOLANA_PRIVATE_KEY_FILE"])
    key.chmod(0o644)
    try:
        for command in ("doctor", "status 2024-W50"):
            night.types(command).must_say(
                "SOLANA_PRIVATE_KEY_FILE", "can be read by others", f"chmod 600 {key}", code=3
            )
    finally:
        key.chmod(0o600)


def test_tokens_and_sol_are_short(night: Night) -> None:
    night.types("doctor").must_say(
        "WRONG treasury", "1,000 short", "Send KONTRIB", "WRONG SOL", "short", "Send SOL", code=3
    )
    short = ("short of 1,000 KONTRIB", "SOL", "at the fee payer", "Send the funds")
    night.types("run 2024-W50 --inline").must_say(*short, code=3)
    night.types("status 2024-W50").must_say("FundsShort", *short, "next try", code=0)


def test_no_worker_answers(night: Night) -> None:
    night.fund()
    night.types("retry 2024-W50").must_say(
        "No Celery worker answers", "celery -A worker.app worker", code=3
    )


def test_a_worker_is_killed_and_an_account_is_frozen(night: Night) -> None:
    """The next worker closes the killed worker's week, and the frozen user has a reason."""
    cluster = night.cluster
    night.freeze(wiki.wallet(FROZEN))
    cluster.start_worker(concurrency=1)
    cluster.wait(lambda: "ready" in cluster.log(), 60, "no worker started")
    cluster.send("tasks.retry", week=WEEK.label)
    cluster.wait(lambda: _stage(night) is not Stage.PLANNED, 60, "nothing was anchored")
    cluster.kill("worker")
    night.types("run 2024-W50").must_say(
        "No Celery worker answers", "celery -A worker.app worker", code=3
    )
    assert _stage(night) is not Stage.COMPLETED

    cluster.start_worker("next", concurrency=1)
    cluster.wait(lambda: "ready" in cluster.log("next"), 60, "no worker started")
    night.types("retry 2024-W50").must_say(
        "could not be paid", "see `kontrib status 2024-W50`", code=1
    )
    night.types("status 2024-W50").must_say(
        str(wiki.user_id(FROZEN)), "frozen", "kontrib retry 2024-W50", code=0
    )
    night.types("reconcile 2024-W50").must_say("plan = database = chain", code=0)


def _stage(night: Night) -> Stage | None:
    distribution = night.cluster.context.store.distribution(WEEK)
    return None if distribution is None else distribution.stage
