"""Metrics, webhook, logs and beat's pulse after a real week."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from deploy.local.chain.setup import prepare
from tests.end_to_end.support import wiki
from tests.end_to_end.support.cluster import Cluster
from tests.end_to_end.support.exporter import exporter
from worker.adapters.mongo.schema.migrations import migrate
from worker.core.week import Week
from worker.services.plan.genesis import make_genesis

pytestmark = pytest.mark.real

WEEK = Week.parse("2024-W50")


class Channel:
    """A channel that receives the notifications."""

    def __init__(self) -> None:
        self.told: list[str] = []
        told = self.told

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                told.append(json.loads(body)["text"])
                self.send_response(200)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Quiet."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self._server.server_port}/hook"

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture(scope="module")
def channel() -> Iterator[Channel]:
    channel = Channel()
    yield channel
    channel.stop()


@pytest.fixture(scope="module")
def cluster(
    tmp_path_factory: pytest.TempPathFactory, stack_settings: dict[str, str], channel: Channel
) -> Iterator[Cluster]:
    """A cluster that has paid a week, and that was then watched for a moment."""
    folder = tmp_path_factory.mktemp("monitoring")
    own = prepare(folder / "chain", stack_settings["SOLANA_RPC_URL"])
    settings = {**stack_settings, **own, "WEBHOOK_URL": channel.url}
    cluster = Cluster(folder, settings, WEEK)
    migrate(cluster.database, lambda line: None, cluster.context.clock.now())
    wiki.add_users(cluster.database, range(70))
    wiki.add_contributions(cluster.database, 140, WEEK, users=70)
    make_genesis(cluster.context, WEEK)
    # One process only: a second one could advance the week before the first records its stage.
    cluster.start_worker(concurrency=1)
    cluster.start_beat()
    cluster.wait_until_closed()
    cluster.send("tasks.reconcile")
    cluster.wait(lambda: bool(channel.told), 60, "nobody was told")
    store = cluster.context.store
    cluster.wait(lambda: bool(store.figures("funds")), 30, "nobody looked at the funds")
    yield cluster
    cluster.stop()


@pytest.fixture(scope="module")
def metrics(cluster: Cluster) -> dict[str, float]:
    """The exporter's figures, by name and labels."""
    with exporter(cluster) as figures:
        return figures()


def test_the_exporter_tells_what_happened(metrics: dict[str, float]) -> None:
    assert metrics["kontrib_database_up"] == 1
    assert metrics["kontrib_distributions_open"] == 0
    assert metrics['kontrib_rewards{status="completed",week="2024-W50"}'] == 70
    assert metrics['kontrib_batches{status="paid",week="2024-W50"}'] == 2
    assert metrics['kontrib_amount_base_units{state="paid",week="2024-W50"}'] == 10**13
    assert metrics['kontrib_reconciliation_mismatch_base_units{week="2024-W50"}'] == 0
    assert metrics["kontrib_treasury_base_units"] > 0
    assert metrics["kontrib_treasury_needed_base_units"] >= 10**13
    for name in ("beat", "canary", "funds", "last_success"):
        assert metrics[f"kontrib_{name}_timestamp_seconds"] > WEEK.end.timestamp()


def test_each_stage_of_the_week_was_timed(metrics: dict[str, float]) -> None:
    for stage in ("anchored", "prepared", "completed"):
        seconds = metrics[f'kontrib_stage_duration_seconds{{stage="{stage}",week="2024-W50"}}']
        assert 0 < seconds < 3600


def test_people_are_told_once_that_the_week_is_closed(cluster: Cluster, channel: Channel) -> None:
    cluster.send("tasks.canary")
    cluster.send("tasks.canary")
    cluster.wait(lambda: cluster.log().count("0 messages sent") >= 2, 60, "no canary")
    (closed,) = [text for text in channel.told if "is closed" in text]
    assert re.fullmatch(
        r"2024-W50 is closed: 10,000 KONTRIB paid to 70 contributors; [\d,]+ points counted; "
        r"0\.\d+ SOL of fees; plan, database and chain agree\.",
        closed,
    )


def test_every_line_of_a_payment_names_week_batches_and_task(cluster: Cluster) -> None:
    lines = [parsed for line in cluster.log().splitlines() if (parsed := _json(line))]
    payment = [line for line in lines if line.get("job") == "pay"]
    assert payment
    for line in payment:
        assert line["week"] == WEEK.id
        assert line["batches"] == "0..1024"
        assert len(line["task_id"]) == 36
        assert line["task"] == "tasks.pay"
    finished = [
        line for line in lines if "tasks.pay" in line["event"] and "succeeded" in line["event"]
    ]
    assert finished
    assert all(len(line["task_id"]) == 36 for line in finished)


def test_beat_has_a_pulse(cluster: Cluster) -> None:
    pulse = cluster.folder / "beat-schedule.pulse"
    before = pulse.stat().st_mtime_ns
    cluster.wait(lambda: pulse.stat().st_mtime_ns > before, 60, "no pulse")


def _json(line: str) -> dict[str, Any] | None:
    try:
        parsed = json.loads(line)
    except ValueError:
        return None  # Celery's banner
    return parsed if isinstance(parsed, dict) else None
