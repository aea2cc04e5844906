"""A real Redis fails in each way: commands name the fault at once, and workers wait for its end."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

from tests.end_to_end.support.cluster import Cluster
from tests.end_to_end.support.exporter import exporter
from tests.end_to_end.support.faulty_redis import PASSWORD, FaultyRedis
from tests.end_to_end.support.flower import ROOT, Flower
from worker.adapters.mongo.schema.migrations import migrate
from worker.cli.main import run
from worker.cli.session import Session
from worker.core.week import Week
from worker.redis_faults import ANSWER_SECONDS_MAX, RedisUnusable, require_redis

pytestmark = pytest.mark.real

WEEK = Week.parse("2024-W50")
FAULTS = [
    "is read-only",
    "is full",
    "refuses the password",
    "accepts no more connections",
    "does not answer (Timeout",
    "does not answer (Error",
]
FAULT_SECONDS, FROZEN_SECONDS, TASK_SECONDS, MESSAGES = 8, 20, 0.3, 15
"""A frozen Redis is given up after several time limits."""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FaultyRedis]:
    server = FaultyRedis(tmp_path_factory.mktemp("redis"))
    yield server
    server.stop()


@pytest.fixture(scope="module")
def cluster(
    tmp_path_factory: pytest.TempPathFactory, stack_settings: dict[str, str], server: FaultyRedis
) -> Iterator[Cluster]:
    settings = {"REDIS_URL": server.url, "BROKER_TIMEOUT_SECONDS": "2"}
    folder = tmp_path_factory.mktemp("cluster")
    cluster = Cluster(folder, stack_settings, WEEK, through=None, **settings)
    migrate(cluster.database, lambda line: None, cluster.context.clock.now())
    yield cluster
    cluster.stop()


@pytest.fixture(scope="module")
def flower(cluster: Cluster) -> Iterator[Flower]:
    """Flower beside a worker and beat."""
    cluster.start_worker(concurrency=1)
    cluster.start_beat()
    flower = Flower(cluster.folder, cluster.variables)
    cluster.wait(lambda: "tasks.canary" in flower.get("/api/tasks"), 60, "Flower saw no task")
    yield flower
    flower.stop()


def test_every_fault_is_tried(server: FaultyRedis) -> None:
    assert list(server.faults) == FAULTS


def test_the_exporter_shows_queues_workers_and_the_oldest_message(
    server: FaultyRedis, cluster: Cluster
) -> None:
    before = time.time()
    cluster.call("tasks.canary")
    between = time.time()
    cluster.call("tasks.sweep")
    with exporter(cluster) as figures:
        found = figures()
        assert found['kontrib_queue_messages{queue="control"}'] == 2
        assert found['kontrib_queue_messages{queue="week"}'] == 0
        assert before < found["kontrib_queue_oldest_timestamp_seconds"] < between
        assert (found["kontrib_workers"], found["kontrib_redis_up"]) == (0, 1)

        with server.faults["is full"]():
            cluster.wait(lambda: figures()["kontrib_redis_up"] == 0, 30, "Redis is up")

        cluster.start_worker("taker", concurrency=1)
        cluster.wait(lambda: figures().get("kontrib_workers") == 1, 60, "no worker is seen")
        cluster.wait(
            lambda: figures()['kontrib_queue_messages{queue="control"}'] == 0, 60, "not taken"
        )
        assert figures()["kontrib_queue_oldest_timestamp_seconds"] == 0
    cluster.kill("taker")


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_named_with_its_remedy_and_without_the_password(
    server: FaultyRedis, fault: str
) -> None:
    require_redis(server.url)
    started = time.monotonic()
    with server.faults[fault](), pytest.raises(RedisUnusable) as raised:
        require_redis(server.url)
    assert time.monotonic() - started < 2 * ANSWER_SECONDS_MAX + START_SECONDS
    assert fault in str(raised.value)
    assert raised.value.remedy
    assert PASSWORD not in str(raised.value)


START_SECONDS = 2.0
"""For Redis itself, which one fault kills and starts again."""


@pytest.mark.parametrize(
    "arguments", [["call", "tasks.retry", "--args", '["2024-W50"]'], ["status"]]
)
@pytest.mark.parametrize("fault", FAULTS)
def test_a_celery_command_says_what_is_wrong(
    server: FaultyRedis, cluster: Cluster, fault: str, arguments: list[str]
) -> None:
    with server.faults[fault]():
        done = subprocess.run(
            [sys.executable, "-m", "celery", "-A", "worker.app", *arguments],
            env={**os.environ, "KONTRIB_ENV_FILE": str(cluster.folder / "env")},
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=30,
        )
    assert done.returncode == 3
    assert fault in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert PASSWORD not in done.stderr


@pytest.mark.parametrize("fault", FAULTS)
def test_doctor_names_the_fault_and_asks_the_other_questions(
    server: FaultyRedis, cluster: Cluster, fault: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with server.faults[fault]():
        assert run(["doctor", "--json"], Session(cluster.folder / "env")) == 3
    checks = {each["name"]: each for each in json.loads(capsys.readouterr().out)["checks"]}
    assert fault in checks["Redis"]["detail"]
    assert checks["MongoDB"]["outcome"] == "ok"
    assert checks["cluster"]["outcome"] == "ok"


@pytest.mark.parametrize("fault", FAULTS)
def test_worker_beat_and_flower_wait_for_redis_and_go_on(
    server: FaultyRedis, cluster: Cluster, flower: Flower, fault: str
) -> None:
    before = {name: len(cluster.log(name)) for name in ("worker", "beat", "flower")}
    stop_while_a_task_ends(cluster)
    with server.faults[fault]():
        # The worker learns of the fault and of the task's end at the same moment.
        cluster.processes["worker"].send_signal(signal.SIGCONT)
        time.sleep(FROZEN_SECONDS if "Timeout" in fault else FAULT_SECONDS)
        assert all(process.poll() is None for process in cluster.processes.values())
    seen = set(flower.tasks())
    done = results(cluster) + MESSAGES
    cluster.wait(lambda: results(cluster) >= done, 60, "no task was done afterwards")
    cluster.wait(
        lambda: any(
            task["state"] == "SUCCESS" for i, task in flower.tasks().items() if i not in seen
        ),
        60,
        "Flower saw no task afterwards",
    )
    said = {name: cluster.log(name)[length:] for name, length in before.items()}
    assert fault.removesuffix(" (Timeout").removesuffix(" (Error") in str(said)
    assert "Traceback" not in str(said)
    assert PASSWORD not in str(said)


def results(cluster: Cluster) -> int:
    """How many tasks the worker has done."""
    return cluster.log("worker").count("succeeded in")


def stop_while_a_task_ends(cluster: Cluster) -> None:
    """Stop the worker's parent process between a task's end and its confirmation to Redis."""
    parent = cluster.processes["worker"]

    def is_caught() -> bool:
        for _ in range(MESSAGES):
            cluster.send("tasks.check")
        parent.send_signal(signal.SIGSTOP)
        done = results(cluster)
        time.sleep(TASK_SECONDS)
        if results(cluster) > done:
            return True
        parent.send_signal(signal.SIGCONT)
        return False

    cluster.wait(is_caught, 20, "no task ended")
