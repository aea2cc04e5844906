"""An operator's view: a real Flower after a real week, in a real browser."""

from __future__ import annotations

import json
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

from deploy.local.chain.setup import prepare
from tests.end_to_end.support import flower as flower_process
from tests.end_to_end.support import wiki
from tests.end_to_end.support.browser import browser
from tests.end_to_end.support.cluster import Cluster
from tests.end_to_end.support.flower import ROOT, SAVE_SECONDS, Flower
from worker.adapters.mongo.schema.migrations import migrate
from worker.core.week import Week
from worker.services.plan.genesis import make_genesis

pytestmark = pytest.mark.real

WEEK = Week.parse("2024-W50")
STAGES = ["plan", "anchor", "accounts", "pay", "close"]


@pytest.fixture(scope="module")
def cluster(
    tmp_path_factory: pytest.TempPathFactory, stack_settings: dict[str, str]
) -> Iterator[Cluster]:
    folder = tmp_path_factory.mktemp("flower")
    own = prepare(folder / "chain", stack_settings["SOLANA_RPC_URL"])
    cluster = Cluster(folder, {**stack_settings, **own}, WEEK)
    migrate(cluster.database, lambda line: None, cluster.context.clock.now())
    yield cluster
    cluster.stop()


@pytest.fixture(scope="module")
def flower(cluster: Cluster) -> Iterator[Flower]:
    """A Flower that has seen all tasks of a week."""
    wiki.add_users(cluster.database, range(40))
    wiki.add_contributions(cluster.database, 80, WEEK, users=40)
    make_genesis(cluster.context, WEEK)
    flower = Flower(cluster.folder, cluster.variables)
    cluster.start_worker(concurrency=1)
    cluster.send("tasks.retry", week=WEEK.label)
    cluster.wait_until_closed_without_beat()
    cluster.wait(lambda: "tasks.close" in flower.get("/api/tasks"), 60, "Flower saw no close")
    yield flower
    flower.stop()


@pytest.fixture(scope="module")
def page(flower: Flower, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chrome]:
    with browser(tmp_path_factory.mktemp("browser")) as driver:
        yield driver


def text_with(page: Chrome, wanted: str) -> str:
    """The page's text, as soon as it contains the wanted text."""
    WebDriverWait(page, 20).until(lambda p: wanted in p.find_element(By.TAG_NAME, "body").text)
    return str(page.find_element(By.TAG_NAME, "body").text)


def test_one_glance_at_the_tasks_tells_the_story_of_a_week(flower: Flower, page: Chrome) -> None:
    page.get(f"{flower.url_with_login}/tasks")
    text = text_with(page, "tasks.close")
    for stage in STAGES:
        assert f"tasks.{stage}" in text
    assert "SUCCESS" in text
    assert "FAILURE" not in text
    assert f"{WEEK.label}: plan made" in text
    assert "40 rewards (0 held)" in text
    assert "10,000 KONTRIB moved" in text
    assert "plan = database = chain" in text


def test_a_task_tells_its_result_as_a_sentence_and_its_arguments_as_ids(
    flower: Flower, page: Chrome
) -> None:
    paid = next(
        i
        for i, task in flower.tasks().items()
        if task["name"] == "tasks.pay" and "1 of 1 payout paid" in str(task["result"])
    )
    page.get(f"{flower.url_with_login}/task/{paid}")
    text = text_with(page, "tasks.pay")
    assert f"{WEEK.label}: 1 of 1 payout paid, 10,000 KONTRIB moved" in text
    assert f"'week': '{WEEK.id}'" in text
    assert "Terminate" not in text
    assert "Revoke" not in text


def test_without_the_password_nothing_is_shown(flower: Flower) -> None:
    for path in ("/", "/tasks", "/workers", "/broker", "/api/tasks", "/api/workers"):
        for password in (None, "", "guessed"):
            status, body = flower.request("GET", path, password=password)
            assert (status, "tasks." in body) == (401, False), path


def test_its_metrics_are_numbers_only(flower: Flower) -> None:
    """Flower's metrics need no password. They name tasks and workers, never a week."""
    status, body = flower.request("GET", "/metrics", password=None)
    assert status == 200
    assert 'task="tasks.pay"' in body
    assert WEEK.id not in body
    assert WEEK.label not in body


def test_a_read_only_flower_starts_and_ends_nothing(flower: Flower, cluster: Cluster) -> None:
    worker = flower.worker()
    for path in (
        "/api/task/async-apply/tasks.sweep",
        "/api/task/send-task/tasks.sweep",
        "/api/task/apply/tasks.sweep",
        "/api/task/revoke/some-id?terminate=true",
        f"/api/worker/shutdown/{worker}",
        f"/api/worker/pool/shrink/{worker}",
    ):
        status, _ = flower.request("POST", path, body=b"{}")
        assert status == 403, path
    assert cluster.processes["worker"].poll() is None


def test_what_flower_saw_outlives_a_restart(flower: Flower) -> None:
    before = set(flower.tasks())
    flower.stop()
    flower.start()
    assert before <= set(flower.tasks())


def test_a_stage_is_run_again_by_hand_and_watched(flower: Flower, cluster: Cluster) -> None:
    cluster.send("tasks.retry", week=WEEK.label)
    cluster.wait(
        lambda: any(
            task["name"] == "tasks.retry" and "0 made due now" in str(task["result"])
            for task in flower.tasks().values()
        ),
        20,
        "Flower saw no retry",
    )


def test_arguments_and_the_sentence_of_a_failure_stand_in_the_table(
    flower: Flower, cluster: Cluster, page: Chrome
) -> None:
    arguments = {"week": WEEK.id, "first": 5, "last": 5}
    cluster.send("tasks.pay", **arguments)
    cluster.call("tasks.retry", WEEK.label)
    cluster.call("tasks.retry", "next week")
    sentences = ["5 to 5 in a message is not a range of batches", "'next week' is not a week"]
    cluster.wait(lambda: all(s in flower.get("/api/tasks") for s in sentences), 30, "not seen")

    page.get(f"{flower.url_with_login}/tasks")
    text = text_with(page, sentences[0])
    rows = {line for line in text.splitlines() if line.startswith("tasks.")}

    assert any(f"week={WEEK.id}, first=5, last=5 FAILURE {sentences[0]}" in row for row in rows)
    assert any(f"tasks.retry next week FAILURE {sentences[1]}" in row for row in rows)
    assert any(row.startswith(f"tasks.retry {WEEK.label} SUCCESS {WEEK.label}: ") for row in rows)
    head = page.find_elements(By.CSS_SELECTOR, ".dataTables_scrollHead th")
    cells = page.find_elements(By.CSS_SELECTOR, ".dataTables_scrollBody tbody tr:first-child td")
    for above, below in zip(head, cells, strict=True):
        assert abs(above.rect["x"] - below.rect["x"]) < 2
    result = page.execute_script(
        "return [...document.querySelectorAll('.tasks-table td:nth-child(4)')]"
        ".every(cell => cell.scrollWidth <= cell.clientWidth)"
    )
    assert result, "a result is cut"


@pytest.fixture
def writing_flower(cluster: Cluster, tmp_path: Path) -> Iterator[Flower]:
    """A Flower with FLOWER_READ_ONLY=false."""
    flower = Flower(tmp_path, cluster.variables, read_only=False)
    yield flower
    flower.stop()


def test_where_it_is_switched_on_a_task_is_run_again_by_flowers_api(
    flower: Flower, writing_flower: Flower, cluster: Cluster
) -> None:
    path, body = "/api/task/async-apply/tasks.retry", f'{{"args": ["{WEEK.label}"]}}'.encode()
    assert flower.request("POST", path, body=body)[0] == 403
    for password in (None, "guessed"):
        assert writing_flower.request("POST", path, password=password, body=body)[0] == 401
    status, answer = writing_flower.request("POST", path, body=body)
    assert status == 200
    task_id = json.loads(answer)["task-id"]
    cluster.wait(
        lambda: "0 made due now" in str(flower.tasks().get(task_id, {}).get("result")),
        30,
        "Flower saw no retry",
    )
    assert writing_flower.request("POST", "/api/task/async-apply/tasks.no", body=b"{}")[0] == 404


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        [f"--conf={flower_process.CONFIG}"],
        ["--basic_auth=kontrib:"],
        ["--basic-auth=kontrib"],
    ],
)
def test_without_a_password_flower_is_refused_with_a_message(
    tmp_path: Path, stack_settings: dict[str, str], arguments: list[str]
) -> None:
    port = flower_process.free_port()
    done = subprocess.run(
        flower_process.command(f"--port={port}", *arguments),
        env=flower_process.environment(tmp_path, stack_settings),
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert done.returncode == 3
    assert "there is no password" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_killed_flower_keeps_what_it_saved_at_the_interval(flower: Flower) -> None:
    before = set(flower.tasks())
    time.sleep(3 * SAVE_SECONDS)
    flower.stop(signal.SIGKILL)
    flower.start()
    assert before <= set(flower.tasks())
