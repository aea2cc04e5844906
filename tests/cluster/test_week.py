"""A whole week on a cluster that shares no code with this project, with an operator's commands."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import pymongo
import pytest

from deploy.local.chain import setup as chain_setup
from deploy.local.chain.client import ChainClient
from tests.cluster.cluster import any_cluster, prepare
from tests.end_to_end.support import wiki
from tests.end_to_end.support.balances import associated_balances
from tests.end_to_end.support.cluster import write_env
from worker.core.money import ONE_TOKEN
from worker.core.week import Week

pytestmark = pytest.mark.real

ROOT = Path(__file__).resolve().parents[2]
USERS = 106
POOL = 10_000 * ONE_TOKEN
LAMPORTS = 10**9
"""The token accounts of all contributors cost a quarter of this."""
COMMAND_SECONDS_MAX = 600


@dataclass(frozen=True, slots=True)
class Operator:
    """The commands of an operator, with the settings of one database."""

    folder: Path
    variables: Mapping[str, str]

    def with_database(self, name: str) -> Operator:
        return replace(self, variables={**self.variables, "MONGO_DATABASE": name})

    def __call__(self, *arguments: str, code: int = 0) -> str:
        """Run `kontrib`, and return its output."""
        env_file = self.folder / f"{self.variables['MONGO_DATABASE']}.env"
        write_env(env_file, self.variables)
        done = subprocess.run(
            [sys.executable, "-c", "from worker.cli import main; main()", *arguments],
            cwd=self.folder,
            env={
                "PATH": os.environ["PATH"],
                "PYTHONPATH": str(ROOT),
                "KONTRIB_ENV_FILE": str(env_file),
            },
            capture_output=True,
            text=True,
            timeout=COMMAND_SECONDS_MAX,
            check=False,
        )
        assert done.returncode == code, f"{arguments}\n{done.stdout}\n{done.stderr}"
        return done.stdout


@pytest.fixture
def operator(tmp_path: Path, mongo_uri: str) -> Iterator[Operator]:
    database = f"kontrib_cluster_{os.getpid()}"
    with any_cluster(tmp_path / "cluster.log") as cluster:
        settings = prepare(cluster, tmp_path / "state", chain_setup.CLASSIC, lamports=LAMPORTS)
        variables = {
            **settings,
            "MONGO_URI": mongo_uri,
            "MONGO_DATABASE": database,
            "REDIS_URL": "redis://127.0.0.1:1/0",  # nobody: these commands need no worker
            "PLAN_ARCHIVE_URL": str(tmp_path / "plans"),
            "PLAN_GRACE_SECONDS": "0",
        }
        with pymongo.MongoClient[dict[str, object]](mongo_uri) as client:
            yield Operator(tmp_path, variables)
            for name in (database, f"{database}_rebuilt"):
                client.drop_database(name)
        key = chain_setup.load_or_create_key(Path(settings["SOLANA_PRIVATE_KEY_FILE"]))
        with ChainClient(cluster.url) as rpc:
            cluster.give_back(rpc, key)


def add_week(operator: Operator, week: Week) -> None:
    uri, name = operator.variables["MONGO_URI"], operator.variables["MONGO_DATABASE"]
    with pymongo.MongoClient[dict[str, object]](uri) as client:
        wiki.add_users(client[name], range(USERS))
        wiki.add_contributions(client[name], 2 * USERS, week, users=USERS)


def balances(operator: Operator) -> dict[str, int]:
    return associated_balances(operator.variables, [wiki.wallet(i) for i in range(USERS)])


def test_a_whole_week_is_paid_checked_and_rebuilt(operator: Operator) -> None:
    week = Week.containing(datetime.now(UTC)).previous()
    add_week(operator, week)
    operator("migrate")
    operator("genesis", "--first-week", week.id)
    operator("plan", week.id)
    operator("run", week.id, "--inline")

    paid = balances(operator)
    assert sum(paid.values()) == POOL
    assert min(paid.values()) >= ONE_TOKEN
    assert json.loads(operator("reconcile", week.id, "--json"))["differences"] == []

    operator("run", week.id, "--inline")
    assert balances(operator) == paid

    operator("publish", week.id, "bundles")
    bundle = str(operator.folder / "bundles" / week.id)
    verified = json.loads(
        operator("verify", bundle, "--rpc", operator.variables["SOLANA_RPC_URL"], "--json")
    )
    assert {check["outcome"] for check in verified["checks"]} == {"ok"}

    rebuilt = operator.with_database(f"{operator.variables['MONGO_DATABASE']}_rebuilt")
    add_week(rebuilt, week)
    rebuilt("migrate")
    rebuilt("rebuild", week.id, "--from-chain")
    rebuilt("run", week.id, "--inline")
    assert json.loads(rebuilt("reconcile", week.id, "--json"))["differences"] == []
    assert balances(rebuilt) == paid
