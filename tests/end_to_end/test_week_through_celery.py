"""A real week, end to end: Celery, Redis, the MongoDB engine and the SVM."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.end_to_end.support import wiki
from tests.end_to_end.support.balances import token_balances
from tests.end_to_end.support.cluster import Cluster
from worker.adapters.mongo.schema.migrations import migrate
from worker.core.lifecycle import Stage
from worker.core.money import ONE_TOKEN
from worker.core.week import Week
from worker.services.payout.reconcile import reconcile
from worker.services.plan.genesis import make_genesis

pytestmark = pytest.mark.real

WEEK = Week.parse("2024-W50")
POOL = 10_000 * ONE_TOKEN


@pytest.fixture
def cluster(
    tmp_path: Path, stack_settings: dict[str, str], own_keys: dict[str, str]
) -> Iterator[Cluster]:
    cluster = Cluster(tmp_path, {**stack_settings, **own_keys}, WEEK)
    migrate(cluster.database, lambda line: None, cluster.context.clock.now())
    yield cluster
    cluster.stop()


def paid_by_wallet(cluster: Cluster, users: int) -> dict[str, int]:
    """Each wallet's balance on chain, read by a client that shares no code with ours."""
    wallets = [wiki.wallet(i) for i in range(users)]
    return token_balances(cluster.variables, wallets)


def test_beat_and_worker_pay_a_week_without_being_asked(cluster: Cluster) -> None:
    wiki.add_users(cluster.database, range(120))
    wiki.add_contributions(cluster.database, 300, WEEK, users=120)
    make_genesis(cluster.context, WEEK)
    cluster.start_worker()
    cluster.start_beat()
    cluster.wait_until_closed()
    result = reconcile(cluster.context, cluster.context.store.distribution(WEEK))
    assert result.is_exact
    assert sum(paid_by_wallet(cluster, 120).values()) == POOL
    rewards = list(cluster.database.token_rewards.find({"week_start": WEEK.start}))
    assert {r["status"] for r in rewards} == {"completed"}
    assert all(r["transaction_signature"] for r in rewards)
    assert sum(r["amount_base_units"] for r in rewards) == POOL


def test_retry_is_called_by_hand_as_celery_documents_it(cluster: Cluster) -> None:
    wiki.add_users(cluster.database, range(5))
    wiki.add_contributions(cluster.database, 5, WEEK, users=5)
    make_genesis(cluster.context, WEEK)
    cluster.start_worker(concurrency=1)
    call = [sys.executable, "-m", "celery", "-A", "worker.app", "call", "tasks.retry"]
    environment = {"KONTRIB_ENV_FILE": str(cluster.folder / "env"), "PATH": "/usr/bin:/bin"}
    answer = subprocess.run(
        [*call, "--args", f'["{WEEK.label}"]'],
        env=environment,
        cwd=Path(__file__).resolve().parents[2],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    task_id = answer.stdout.strip()
    assert len(task_id) == 36
    succeeded = f"tasks.retry[{task_id}] succeeded"
    cluster.wait(lambda: succeeded in cluster.log(), 60, "the call was not taken")
    cluster.wait_until_closed_without_beat()
    distribution = cluster.context.store.distribution(WEEK)
    assert distribution is not None
    assert distribution.stage is Stage.COMPLETED
