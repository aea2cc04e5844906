"""The local stack starts the services that it reports, and stops exactly these."""

from __future__ import annotations

import json
import os
import signal
import socket
import stat
import sys
import threading
import urllib.request
from pathlib import Path

import pymongo
import pytest
import redis

from deploy.local.errors import (
    ServiceNotKnown,
)
from deploy.local.mongo import documentdb
from deploy.local.processes import ProcessTable
from deploy.local.service import LOOPBACK, ServiceContext, ServiceSpec
from deploy.local.stack import LocalStack
from tests.deploy.local.stack_helpers import by_name, silent, wait_for


@pytest.mark.real
class TestUpAndDown:
    def test_everything_answers_after_up(self, fresh: LocalStack) -> None:
        statuses = by_name(fresh.up())

        settings = fresh.settings()
        assert {status.condition for status in statuses.values()} == {"running"}
        assert settings["MONGO_DATABASE"] == "kontrib"
        with pymongo.MongoClient[dict[str, object]](settings["MONGO_URI"]) as client:
            client.kontrib.things.insert_one({"_id": 1})
            assert client.kontrib.things.find_one() == {"_id": 1}
        with redis.Redis.from_url(settings["REDIS_URL"]) as connection:
            assert connection.ping()

    def test_status_names_the_installed_engine(self, fresh: LocalStack) -> None:
        details = [status.detail for status in fresh.up()]

        assert any(detail.startswith("DocumentDB 1.") for detail in details)
        assert any(detail.startswith("Redis ") for detail in details)

    def test_env_file_is_private_and_keeps_foreign_lines(self, fresh: LocalStack) -> None:
        fresh.state.mkdir()
        fresh.env_file.write_text("# mine\nSOLANA_RPC_URL=http://127.0.0.1:1\nREDIS_URL=old\n")

        fresh.up()

        lines = fresh.env_file.read_text().splitlines()
        assert stat.S_IMODE(fresh.env_file.stat().st_mode) == 0o600
        assert lines[:2] == ["# mine", "SOLANA_RPC_URL=http://127.0.0.1:1"]
        assert f"REDIS_URL={fresh.settings()['REDIS_URL']}" in lines
        assert "REDIS_URL=old" not in lines

    def test_a_second_up_changes_nothing_and_says_so(
        self, state: Path, fresh: LocalStack, environment: dict[str, str]
    ) -> None:
        before = fresh.up()
        said: list[str] = []

        after = LocalStack(state, said.append, environment=environment).up()

        assert after == before
        assert sorted(said) == [f"{s.name}: already running" for s in sorted(before, key=str)]

    def test_down_stops_all_keeps_the_data_and_up_has_the_same_ports(
        self, fresh: LocalStack
    ) -> None:
        fresh.up()
        before = fresh.settings()
        with pymongo.MongoClient[dict[str, object]](before["MONGO_URI"]) as client:
            client.kontrib.things.insert_one({"_id": "kept"})

        stopped = fresh.down()
        after_down = {status.condition for status in fresh.status()}
        fresh.up()

        assert sorted(stopped) == ["documentdb", "mongo", "redis"]
        assert after_down == {"stopped"}
        assert fresh.settings() == before
        with pymongo.MongoClient[dict[str, object]](before["MONGO_URI"]) as client:
            assert client.kontrib.things.find_one() == {"_id": "kept"}

    def test_purge_removes_what_the_stack_made_and_nothing_else(self, fresh: LocalStack) -> None:
        fresh.up()
        cluster = documentdb.cluster_of(fresh.state)
        (fresh.state / "notes.txt").write_text("mine")

        fresh.down(purge=True)

        assert {path.name for path in fresh.state.iterdir()} == {".gitignore", "notes.txt", "lock"}
        assert not cluster.path.exists()
        assert not cluster.owner_file.exists()

    def test_down_without_up_is_nothing_to_do(self, state: Path) -> None:
        assert LocalStack(state, silent, environment={}).down() == []
        assert not state.exists()

    def test_two_ups_at_once_start_one_stack(
        self, state: Path, fresh: LocalStack, environment: dict[str, str]
    ) -> None:
        other = LocalStack(state, silent, environment=environment)
        threads = [threading.Thread(target=s.up) for s in (fresh, other)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

        assert {status.condition for status in fresh.status()} == {"running"}
        assert len(ProcessTable(state).records()) == 3

    def test_two_states_do_not_see_each_other(self, stack: LocalStack, fresh: LocalStack) -> None:
        fresh.up()

        ours, theirs = by_name(stack.status()), by_name(fresh.status())

        assert ours["mongo"].port != theirs["mongo"].port
        assert fresh.down() != []
        assert {status.condition for status in stack.status()} == {"running"}

    def test_restart_keeps_the_port_and_replaces_the_processes(self, fresh: LocalStack) -> None:
        before = by_name(fresh.up())

        fresh.restart("mongo")

        after = by_name(fresh.status())
        assert after["mongo"].port == before["mongo"].port
        assert after["mongo"].pid != before["mongo"].pid
        assert after["documentdb"].pid != before["documentdb"].pid
        assert after["redis"] == before["redis"]

    def test_restart_of_an_unknown_service_names_the_known_ones(self, fresh: LocalStack) -> None:
        with pytest.raises(ServiceNotKnown, match="redis"):
            fresh.restart("mysql")

    def test_a_port_that_another_program_took_is_replaced(self, fresh: LocalStack) -> None:
        fresh.up()
        old_port = by_name(fresh.status())["redis"].port
        assert old_port is not None
        fresh.down()
        memory = json.loads((fresh.state / "stack.json").read_text())

        with socket.create_server((LOOPBACK, old_port)):
            fresh.up()

        assert by_name(fresh.status())["redis"].port != old_port
        assert by_name(fresh.status())["mongo"].port == memory["ports"]["mongo"]


@pytest.mark.real
class TestRegisteredServices:
    def test_a_third_service_is_started_listed_and_stopped_like_the_others(
        self, fresh: LocalStack
    ) -> None:
        fresh.register(_web_service())

        statuses = by_name(fresh.up())

        assert statuses["web"].condition == "running"
        assert _answers(fresh.settings()["WEB_URL"])
        assert f"WEB_URL={fresh.settings()['WEB_URL']}" in fresh.env_file.read_text()
        assert "web" in fresh.down()
        assert not _answers(fresh.settings()["WEB_URL"])

    def test_a_service_that_stopped_by_itself_is_seen_and_started_again(
        self, fresh: LocalStack
    ) -> None:
        fresh.register(_web_service())
        pid = by_name(fresh.up())["web"].pid
        assert pid is not None

        os.kill(pid, signal.SIGKILL)
        wait_for(lambda: by_name(fresh.status())["web"].condition == "stopped")
        fresh.up()

        assert by_name(fresh.status())["web"].condition == "running"


def _web_service() -> ServiceSpec:
    def url(context: ServiceContext) -> str:
        return f"http://{LOOPBACK}:{context.port}"

    def probe(context: ServiceContext) -> None:
        urllib.request.urlopen(url(context), timeout=1).close()  # noqa: S310 - a loopback URL

    return ServiceSpec(
        name="web",
        command=lambda context: [
            *(sys.executable, "-m", "http.server", str(context.port), "--bind", LOOPBACK),
            *("--directory", str(context.directory)),
        ],
        probe=probe,
        settings=lambda context: {"WEB_URL": url(context)},
        requires=("redis",),
    )


def _answers(url: str) -> bool:
    try:
        urllib.request.urlopen(url, timeout=1).close()  # noqa: S310 - a loopback URL
    except OSError:
        return False
    return True
