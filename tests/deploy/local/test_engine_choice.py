"""The local stack's choice of a MongoDB, and the fate of its data."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path

import pytest

from deploy.local.engine import choose_engine
from deploy.local.errors import (
    EngineDataLost,
    MongoUriUnreachable,
    NoMongoEngine,
)
from deploy.local.mongo import documentdb, documentdb_install
from deploy.local.service import LOOPBACK
from deploy.local.stack import LocalStack
from tests.deploy.local.stack_helpers import by_name, silent


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
        with documentdb_install.installation_lock(root.parent, silent):
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

    def test_data_that_cannot_be_deleted_yet_stops_nobody_and_is_deleted_later(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        root = documentdb_install.EngineRoot(tmp_path, "DocumentDB 1")
        abandoned = documentdb.Cluster(tmp_path, "abandoned")
        abandoned.path.mkdir(parents=True)
        abandoned.owner_file.write_text(str(tmp_path / "deleted"))

        def still_written_to(folder: Path) -> None:
            raise OSError(errno.ENOTEMPTY, "Directory not empty")

        with monkeypatch.context() as busy:
            busy.setattr(documentdb.shutil, "rmtree", still_written_to)
            documentdb.remove_orphans(root)
        assert abandoned.owner_file.exists()

        documentdb.remove_orphans(root)
        assert not abandoned.path.exists()
        assert not abandoned.owner_file.exists()

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


def _program(path: Path, script: str) -> None:
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
