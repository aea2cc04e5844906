"""A backup from the middle of a week is restored into an empty database, and the week is paid."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.end_to_end.support import wiki
from tests.end_to_end.support.balances import associated_balances
from tests.end_to_end.support.cluster import Cluster
from worker.adapters.mongo.backup.restore import restore
from worker.adapters.mongo.backup.write import back_up
from worker.adapters.mongo.schema.migrations import migrate, verify
from worker.core.findings import Check
from worker.core.lifecycle import PayoutStatus, Stage
from worker.core.money import ONE_TOKEN
from worker.core.week import Week
from worker.services.payout.reconcile import reconcile
from worker.services.plan.genesis import make_genesis
from worker.services.week.due import find_work
from worker.services.week.run import do_work
from worker.services.week.story import Job, Work

pytestmark = pytest.mark.real

WEEK = Week.parse("2024-W50")
POOL = 10_000 * ONE_TOKEN
USERS = 130
SECONDS = 60


@pytest.fixture
def cluster(
    tmp_path: Path, stack_settings: dict[str, str], own_keys: dict[str, str]
) -> Iterator[Cluster]:
    cluster = Cluster(tmp_path, {**stack_settings, **own_keys}, WEEK)
    wiki.add_users(cluster.database, range(USERS))
    wiki.add_contributions(cluster.database, 2 * USERS, WEEK, users=USERS)
    migrate(cluster.database, lambda line: None, cluster.context.clock.now())
    make_genesis(cluster.context, WEEK)
    yield cluster
    cluster.stop()


def prepare(cluster: Cluster) -> None:
    """Plan and anchor the week, and create the token accounts, in this process."""
    while cluster.context.store.distribution(WEEK) is None or not is_payable(cluster):
        for work in find_work(cluster.context):
            do_work(cluster.context, work, seconds=SECONDS)


def is_payable(cluster: Cluster) -> bool:
    distribution = cluster.context.store.distribution(WEEK)
    return distribution is not None and distribution.stage.is_payable


def pay(cluster: Cluster, batch: int) -> None:
    do_work(cluster.context, Work(Job.PAY, WEEK, batch, batch + 1), seconds=SECONDS)


def finish(cluster: Cluster) -> None:
    """Do all due work until the week is closed, like a worker with sweeps."""
    for _ in range(200):
        if cluster.is_closed(WEEK):
            return
        for work in find_work(cluster.context):
            do_work(cluster.context, work, seconds=SECONDS)
        cluster.context.clock.sleep(0.2)
    raise AssertionError(cluster.describe())


def test_a_restored_backup_reconciles_and_continues_the_week(
    cluster: Cluster, tmp_path: Path
) -> None:
    prepare(cluster)
    pay(cluster, 2)  # the last batch: a worker goes on with those behind
    plan_id = cluster.context.store.distribution(WEEK).plan_id
    assert cluster.context.store.batch_counts(plan_id)[PayoutStatus.PAID] == 1
    back_up(cluster.database, tmp_path / "backup", lambda line: None, cluster.context.clock.now())
    exact = reconcile(cluster.context, cluster.context.store.distribution(WEEK))
    # These payments come after the backup. Only the chain knows them, not the restored database.
    pay(cluster, 1)
    cluster.database.client.drop_database(cluster.database.name)

    restore(cluster.database, tmp_path / "backup", lambda line: None)

    assert verify(cluster.database) == []
    restored = cluster.context.store.distribution(WEEK)
    assert restored is not None
    assert (restored.plan_id, restored.stage) == (plan_id, Stage.PREPARED)
    found = reconcile(cluster.context, restored)
    unread = {"chain_paid": 0, "check": Check("chain"), "signatures": [], "fees": 0}
    assert replace(found, **unread) == replace(exact, **unread)
    assert [line.split(":")[0] for line in found.differences] == [f"chain, {WEEK.id}/00001"]
    finish(cluster)
    assert reconcile(cluster.context, cluster.context.store.distribution(WEEK)).is_exact
    balances = associated_balances(cluster.variables, [wiki.wallet(i) for i in range(USERS)])
    assert sum(balances.values()) == POOL
    rewards = cluster.database.token_rewards.find({"week_start": WEEK.start})
    owed = {reward["wallet_address"]: reward["amount_base_units"] for reward in rewards}
    assert owed == balances
