"""Forged and replayed messages on a real broker, and their effects."""

from __future__ import annotations

import base64
import json
import pickle
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis

from tests.end_to_end.support import wiki
from tests.end_to_end.support.balances import token_balances
from tests.end_to_end.support.cluster import Cluster
from worker.adapters.mongo.schema.migrations import migrate
from worker.core.money import ONE_TOKEN
from worker.core.week import Week
from worker.services.plan.genesis import make_genesis

pytestmark = pytest.mark.real

WEEK = Week.parse("2024-W50")
USERS = 30
FORGED: list[tuple[str, dict[str, Any]]] = [
    ("tasks.pay", {"week": "2024-12-09", "first": 0, "last": 10**30}),
    ("tasks.pay", {"week": "2024-12-09", "first": "0", "last": "9"}),
    ("tasks.pay", {"week": "2024-12-09", "first": False, "last": True}),
    ("tasks.pay", {"week": "2024-12-09", "first": 0, "last": 9, "amount": 10**15, "to": "me"}),
    ("tasks.pay", {"week": "2024-12-09", "first": -5, "last": 5}),
    ("tasks.pay", {"week": {"$ne": None}, "first": 0, "last": 9}),
    ("tasks.pay", {"week": "2031-W01", "first": 0, "last": 9}),
    ("tasks.plan", {"week": "2024-W51"}),
    ("tasks.distribute", {"week": "2999-W01", "at_once": True}),
    ("tasks.anchor", {"week": "1999-W01"}),
    ("tasks.retry", {"week": "'; drop"}),
    ("tasks.retry", {}),
    ("tasks.nothing_like_it", {"week": "2024-W50"}),
    ("os.system", {"command": "true"}),
]


@pytest.fixture
def cluster(
    tmp_path: Path, stack_settings: dict[str, str], own_keys: dict[str, str]
) -> Iterator[Cluster]:
    cluster = Cluster(tmp_path, {**stack_settings, **own_keys}, WEEK)
    migrate(cluster.database, lambda line: None, cluster.context.clock.now())
    yield cluster
    cluster.stop()


class Forger:
    """Writes messages with any content into Redis, in kombu's format."""

    def __init__(self, url: str) -> None:
        self._redis = redis.Redis.from_url(url)

    def put(self, queue: str, task: str, kwargs: dict[str, Any]) -> None:
        body = json.dumps([[], kwargs, {}]).encode()
        self._push(queue, task, body, "application/json", "utf-8")

    def put_pickle(self, queue: str, target: Path) -> None:
        body = pickle.dumps(Touch(target))
        self._push(queue, "tasks.sweep", body, "application/x-python-serialize", "binary")

    def _push(self, queue: str, task: str, body: bytes, kind: str, encoding: str) -> None:
        task_id = str(uuid.uuid4())
        message = {
            "body": base64.b64encode(body).decode(),
            "content-encoding": encoding,
            "content-type": kind,
            "headers": {"lang": "py", "task": task, "id": task_id, "root_id": task_id},
            "properties": {
                "correlation_id": task_id,
                "delivery_mode": 2,
                "delivery_info": {"exchange": "", "routing_key": queue},
                "priority": 0,
                "body_encoding": "base64",
                "delivery_tag": str(uuid.uuid4()),
            },
        }
        self._redis.lpush(queue, json.dumps(message))


class Touch:
    """An object whose unpickling makes a file, to reveal a careless reader."""

    def __init__(self, target: Path) -> None:
        self._target = target

    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (self._target,))


def test_no_message_pays_more_than_the_plan(cluster: Cluster) -> None:
    wiki.add_users(cluster.database, range(USERS))
    wiki.add_contributions(cluster.database, 60, WEEK, users=USERS)
    make_genesis(cluster.context, WEEK)
    forger = Forger(cluster.settings.redis_url.get_secret_value())
    cluster.start_worker(concurrency=2)
    loaded = cluster.folder / "loaded"
    for round_ in range(2):  # before the payment of the week, and again after it
        for task, kwargs in FORGED:
            forger.put("payments", task, kwargs)
        forger.put_pickle("control", loaded)
        for task in ("plan", "anchor", "accounts", "close", "singles", "read_back"):
            forger.put("week", f"tasks.{task}", {"week": WEEK.id})
        for _ in range(3):
            forger.put("payments", "tasks.pay", {"week": WEEK.id, "first": 0, "last": 1024})
        if round_ == 0:
            cluster.send("tasks.retry", week=WEEK.label)
            cluster.wait_until_closed_without_beat()
    cluster.send("tasks.canary")
    store = cluster.context.store
    cluster.wait(lambda: store.last_beat("canary") is not None, 60, "the worker is gone")
    cluster.wait(lambda: cluster.log().count("os.system") >= 2, 60, "not all was read")
    balances = token_balances(cluster.variables, [wiki.wallet(i) for i in range(USERS)])
    assert sum(balances.values()) == 10_000 * ONE_TOKEN
    assert not loaded.exists()
    assert [d.week for d in store.distributions()] == [WEEK]
    assert cluster.processes["worker"].poll() is None
    log = cluster.log()
    assert "'0' to '9' in a message is not a range of batches." in log
    assert "The week in a message is not a text but dict." in log
