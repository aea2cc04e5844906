"""The local stack: it starts what it says, and stops exactly what it started."""

from __future__ import annotations

import json
import os
import signal
import stat
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pymongo
import pytest
import redis

from worker.local import documentdb, documentdb_install
from worker.local.engine import choose_engine
from worker.local.errors import (
    EngineDataLost,
    LocalServiceFailed,
    MongoUriUnreachable,
    NoMongoEngine,
    ServiceNotKnown,
)
from worker.local.processes import ProcessTable, process_identity
from worker.local.service import LOOPBACK, ServiceContext, ServiceSpec, ServiceStatus
from worker.local.stack import LocalStack

SLEEP = ["sleep", "600"]


def silent(message: str) -> None:
    del message


def by_name(statuses: list[ServiceStatus]) -> dict[str, ServiceStatus]:
    return {status.name: status for status in statuses}


@pytest.fixture
def fresh(stack: LocalStack, state: Path, environment: dict[str, str]) -> Iterator[LocalStack]:
    """A second stack beside the session's, not started yet."""
    fresh = LocalStack(state, silent, environment=environment)
    yield fresh
    fresh.down(purge=True)


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

        assert {path.name for path in fresh.state.iterdir()} == {"notes.txt", "lock"}
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
        fresh.down()
        memory = json.loads((fresh.state / "stack.json").read_text())

        with subprocess.Popen(
            [sys.executable, "-m", "http.server", str(old_port), "--bind", LOOPBACK],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        ) as squatter:  # fmt: skip
            _wait_for(lambda: _answers(f"http://{LOOPBACK}:{old_port}"))
            fresh.up()
            squatter.terminate()

        assert by_name(fresh.status())["redis"].port != old_port
        assert by_name(fresh.status())["mongo"].port == memory["ports"]["mongo"]


@pytest.mark.real
class TestTheDataOfDocumentDB:
    def test_data_of_a_deleted_state_folder_is_cleaned_up(
        self, stack: LocalStack, tmp_path: Path, environment: dict[str, str]
    ) -> None:
        root = documentdb.cluster_of(stack.state).root
        abandoned = documentdb.Cluster(root, f"test-{os.getpid()}")
        abandoned.path.mkdir()
        abandoned.owner_file.write_text(str(tmp_path / "deleted"))

        found = documentdb_install.read_root(root)
        assert found is not None
        documentdb.remove_orphans(found)

        assert not abandoned.path.exists()
        assert documentdb.cluster_of(stack.state).path.exists()

    def test_a_lost_cache_is_an_error_and_not_an_empty_database(
        self, state: Path, environment: dict[str, str]
    ) -> None:
        state.mkdir()
        record = {"root": str(state / "gone"), "cluster": "abc"}
        (state / "documentdb.json").write_text(json.dumps(record))

        with pytest.raises(EngineDataLost, match="purge"):
            documentdb.prepare_cluster(state, environment, silent)

    def test_a_killed_installation_is_not_taken_for_one(self, tmp_path: Path) -> None:
        (tmp_path / documentdb_install.ROOT_NAME / "usr").mkdir(parents=True)

        assert documentdb_install.installed_root(tmp_path) is None


@pytest.mark.real
class TestTheUsersOwnMongo:
    def test_it_is_used_and_never_stopped(
        self, stack: LocalStack, state: Path, environment: dict[str, str]
    ) -> None:
        uri = stack.settings()["MONGO_URI"]
        mine = LocalStack(state, silent, environment={**environment, "MONGO_URI": uri})

        statuses = by_name(mine.up())

        assert statuses["mongo"].condition == "external"
        assert mine.settings()["MONGO_URI"] == uri
        assert mine.down(purge=True) == ["redis"]
        assert by_name(stack.status())["mongo"].condition == "running"

    def test_our_own_env_file_read_back_is_not_the_users(
        self, fresh: LocalStack, environment: dict[str, str]
    ) -> None:
        fresh.up()
        sourced = {**environment, **fresh.settings()}
        fresh.down()

        statuses = by_name(LocalStack(fresh.state, silent, environment=sourced).up())

        assert statuses["mongo"].condition == "running"


class TestTheChoiceOfAnEngine:
    def test_an_unreachable_mongo_uri_is_an_error(self) -> None:
        with pytest.raises(MongoUriUnreachable, match="unset MONGO_URI"):
            choose_engine({}, f"mongodb://{LOOPBACK}:1/?serverSelectionTimeoutMS=100", None)

    def test_mongod_on_the_path_comes_first(self, tmp_path: Path) -> None:
        _program(tmp_path / "mongod", "exit 0")
        _program(tmp_path / "docker", "exit 0")

        assert choose_engine({"PATH": str(tmp_path)}, None, None).kind == "mongod"

    def test_docker_comes_second(self, tmp_path: Path) -> None:
        _program(tmp_path / "docker", "exit 0")

        assert choose_engine({"PATH": str(tmp_path)}, None, None).kind == "docker"

    def test_without_any_the_error_names_all_four_ways(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(os, "geteuid", lambda: 1000)
        _program(tmp_path / "docker", "exit 1")  # a client whose daemon does not run

        with pytest.raises(NoMongoEngine) as caught:
            choose_engine({"PATH": str(tmp_path)}, None, None)

        message = str(caught.value)
        assert "MONGO_URI: set it" in message
        assert "mongod: install MongoDB" in message
        assert "Docker: start the Docker daemon" in message
        assert "DocumentDB from Debian: run this command as root" in message


class TestProcesses:
    @pytest.fixture
    def table(self, state: Path) -> Iterator[ProcessTable]:
        state.mkdir()
        table = ProcessTable(state)
        yield table
        for record in table.records():
            table.stop(record.name, kill=True)

    def test_a_process_outlives_its_starter(self, state: Path) -> None:
        state.mkdir()
        starter = (
            "import sys; from pathlib import Path; from worker.local.processes import *; "
            "ProcessTable(Path(sys.argv[1])).start('sleeper', ['sleep', '600'])"
        )
        subprocess.run([sys.executable, "-c", starter, str(state)], check=True)

        table = ProcessTable(state)

        assert table.find_alive("sleeper") is not None
        assert table.stop("sleeper") is True
        assert table.stop("sleeper") is False

    def test_a_foreign_process_with_a_recycled_pid_is_left_alone(
        self, state: Path, table: ProcessTable
    ) -> None:
        table.start("sleeper", SLEEP)
        with subprocess.Popen(SLEEP) as foreign:
            records = json.loads((state / "processes.json").read_text())
            table.stop("sleeper")
            (state / "processes.json").write_text(json.dumps([{**records[0], "pid": foreign.pid}]))

            assert table.find_alive("sleeper") is None
            assert table.stop("sleeper") is False
            assert foreign.poll() is None
            foreign.kill()

    def test_a_process_that_ignores_the_signal_is_killed_with_its_children(
        self, tmp_path: Path, table: ProcessTable
    ) -> None:
        child_file = tmp_path / "child"
        script = f"trap '' TERM; sleep 600 & echo $! > {child_file}; wait; sleep 600"
        record = table.start("stubborn", ["/bin/sh", "-c", script])
        _wait_for(lambda: child_file.exists() and child_file.read_text().strip() != "")

        assert table.stop("stubborn", timeout_s=0.3) is True

        assert process_identity(record.pid) is None
        _wait_for(lambda: process_identity(int(child_file.read_text())) is None)

    def test_nothing_runs_that_could_not_be_recorded(
        self, tmp_path: Path, state: Path, table: ProcessTable
    ) -> None:
        (state / "processes.json").mkdir()
        ran = tmp_path / "ran"

        with pytest.raises(OSError, match=r"processes\.json"):
            table.start("lost", ["touch", str(ran)])

        time.sleep(0.3)
        assert not ran.exists()
        (state / "processes.json").rmdir()

    def test_a_service_that_dies_shows_the_end_of_its_log(self, table: ProcessTable) -> None:
        table.start("broken", ["/bin/sh", "-c", "echo no such flag; exit 3"])

        with pytest.raises(LocalServiceFailed, match="no such flag"):
            table.wait_until_ready("broken", lambda: _refuse("not yet"), timeout_s=5)

    def test_a_service_that_never_answers_is_an_error_with_the_reason(
        self, table: ProcessTable
    ) -> None:
        table.start("mute", SLEEP)

        with pytest.raises(LocalServiceFailed, match="did not answer within 0.2 seconds.*refused"):
            table.wait_until_ready("mute", lambda: _refuse("refused"), timeout_s=0.2)

    def test_identity_of_a_dead_child_is_none_before_it_is_reaped(self) -> None:
        with subprocess.Popen(["true"]) as process:
            _wait_for(lambda: process_identity(process.pid) is None)


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
        _wait_for(lambda: by_name(fresh.status())["web"].condition == "stopped")
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


def _refuse(reason: str) -> None:
    raise ConnectionError(reason)


def _answers(url: str) -> bool:
    try:
        urllib.request.urlopen(url, timeout=1).close()  # noqa: S310 - a loopback URL
    except OSError:
        return False
    return True


def _program(path: Path, script: str) -> None:
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


def _wait_for(condition: object, timeout_s: float = 5.0) -> None:
    assert callable(condition)
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)
