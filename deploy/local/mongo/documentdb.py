"""DocumentDB as a service, with a separate PostgreSQL cluster for each state folder.

The installation holds a template cluster, and each state gets a copy of it. The copies lie inside
the installation, because containers often forbid bind mounts. PostgreSQL listens only on a Unix
socket, in a folder that only root and its own user can enter.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import shutil
import signal
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import psycopg

from deploy.local.errors import EngineDataLost, EngineInstallFailed, LocalStackError
from deploy.local.mongo import documentdb_install
from deploy.local.mongo.documentdb_install import EngineRoot
from deploy.local.mongo.documentdb_sql import TEMPLATE_SQL
from deploy.local.service import Notify, ServiceContext, ServiceSpec
from deploy.local.state_files import tail, write_atomically

NAME = "documentdb"
_TEMPLATE = "kontrib-template"
_BIN = "/usr/lib/postgresql/18/bin"
_RECORD = "documentdb.json"
# On Linux the path of a Unix socket has at most 107 bytes.
_SOCKET_PATH_BYTES_MAX = 107

# The data survives any end of PostgreSQL, but not a crash of the operating system. Every commit
# reaches the kernel before its acknowledgement (synchronous_commit), without a wait for the disk
# (fsync). Measurements are in docs/local-engine.md.
_SETTINGS = {
    "listen_addresses": "",
    "shared_preload_libraries": "pg_cron, pg_documentdb_core, pg_documentdb",
    # The gateway builds indexes itself without delay. The engine's queue of builds wakes every 2
    # seconds.
    "documentdb.enableBackgroundWorkerJobs": "off",
    "cron.database_name": "postgres",
    "cron.use_background_workers": "on",
    "cron.log_run": "off",
    "cron.log_statement": "off",
    "documentdb.useFileBasedPersistedCursors": "on",
    # MongoDB keeps an idle cursor for ten minutes, and the engine for one by default.
    "documentdb.defaultCursorExpiryTimeLimitSeconds": "600",
    # So a deadlock fails the whole command, and the gateway runs it again.
    "documentdb.throwDeadlockOnCRUD": "on",
    "deadlock_timeout": "50ms",
    "fsync": "off",
    # The engine's own index type recovers from a killed server only with full page writes. Without
    # them it answers "right sibling of RUM page is of different type" from then on.
    "full_page_writes": "on",
    "synchronous_commit": "on",
    "max_wal_size": "4GB",
    "checkpoint_timeout": "30min",
    "max_connections": "200",
    "max_worker_processes": "16",
    "shared_buffers": "1GB",
    "work_mem": "64MB",
    "maintenance_work_mem": "256MB",
    "dynamic_shared_memory_type": "posix",
    "jit": "off",
    # The planner wants parallel workers for small sorts. Their start takes 10 ms, and queries of
    # this size gain nothing from them.
    "max_parallel_workers_per_gather": "0",
    # Statements hold whole documents, so a duplicate key could write a megabyte of log.
    "log_min_error_statement": "panic",
}


@dataclass(frozen=True)
class Cluster:
    """A PostgreSQL data folder inside an installation."""

    root: Path
    name: str

    @property
    def inside(self) -> str:
        """Its path inside the installation, for PostgreSQL."""
        return f"/srv/{self.name}"

    @property
    def path(self) -> Path:
        """Its path for this process."""
        return self.root / "srv" / self.name

    @property
    def partial_copy(self) -> Path:
        return self.path.with_name(f"{self.name}.partial")

    @property
    def owner_file(self) -> Path:
        """The file that names the state folder of this data."""
        return self.path.with_name(f"{self.name}.owner")

    @property
    def dsn(self) -> str:
        return f"host={self.path} user=postgres dbname=postgres"

    def command(self) -> list[str]:
        places = {
            "unix_socket_directories": self.inside,
            "documentdb.localhost_connection_string": f"host={self.inside}",
        }
        settings = [f"{name}={value}" for name, value in (_SETTINGS | places).items()]
        flags = [word for setting in settings for word in ("-c", setting)]
        return [*_as_postgres(self.root), f"{_BIN}/postgres", "-D", self.inside, *flags]


def _as_postgres(root: Path) -> list[str]:
    return ["chroot", "--userspec=postgres:postgres", str(root)]


def documentdb_service(environment: Mapping[str, str]) -> ServiceSpec:
    """PostgreSQL with DocumentDB, behind the gateway."""

    def prepare(context: ServiceContext) -> None:
        prepare_cluster(context.state, environment, context.notify)

    return ServiceSpec(
        name=NAME,
        command=lambda context: cluster_of(context.state).command(),
        prepare=prepare,
        probe=lambda context: check_answers(cluster_of(context.state)),
        purge=lambda context: remove_cluster(context.state),
        detail=lambda context: f"DocumentDB {installed_version(context.state)}",
        has_port=False,
        # SIGTERM would wait until every client leaves. This signal ends their sessions.
        stop_signal=signal.SIGINT,
    )


def prepare_cluster(state: Path, environment: Mapping[str, str], notify: Notify) -> None:
    """Install the engine and create the cluster of this state, if missing."""
    if not (state / _RECORD).exists():
        root = documentdb_install.install(environment, notify, _create_template)
        # Under the lock, so that no other command deletes a half-made copy as an orphan.
        with documentdb_install.installation_lock(root.path.parent, notify):
            remove_orphans(root)
            _copy_template(root, state)
    cluster = cluster_of(state)
    if not cluster.path.is_dir():
        raise EngineDataLost(cluster.root)
    _remove_stale_pid_file(cluster)


def cluster_of(state: Path) -> Cluster:
    """The cluster of this state folder. Raises FileNotFoundError if it has none."""
    record = json.loads((state / _RECORD).read_text())
    return Cluster(Path(record["root"]), record["cluster"])


def installed_version(state: Path) -> str:
    """Version of the Debian package that serves this state."""
    root = documentdb_install.read_root(cluster_of(state).root)
    return root.version if root else "not installed any more"


def check_answers(cluster: Cluster) -> None:
    """Raise psycopg's error unless the cluster answers a query."""
    with psycopg.connect(cluster.dsn, connect_timeout=2) as connection:
        connection.execute("select 1")


def remove_cluster(state: Path) -> None:
    """Delete this state's data. The installation stays for the next state."""
    if not (state / _RECORD).exists():
        return
    _delete(cluster_of(state))
    (state / _RECORD).unlink()


def remove_orphans(root: EngineRoot) -> None:
    """Delete the data of states with a deleted folder. Needs the lock."""
    for owner_file in (root.path / "srv").glob("*.owner"):
        cluster = Cluster(root.path, owner_file.stem)
        try:
            still_owned = cluster_of(Path(owner_file.read_text())) == cluster
        except FileNotFoundError:
            still_owned = False
        if not still_owned and not _is_served(cluster):
            # A PostgreSQL may still write there while it ends. The next start tries again.
            with contextlib.suppress(OSError):
                _delete(cluster)


def _delete(cluster: Cluster) -> None:
    for folder in (cluster.path, cluster.partial_copy):
        if folder.exists():
            shutil.rmtree(folder)
    cluster.owner_file.unlink(missing_ok=True)


def _copy_template(root: EngineRoot, state: Path) -> None:
    """Create a cluster for `state`. It is recorded before it is filled, so it is never orphaned."""
    cluster = Cluster(root.path, secrets.token_hex(6))
    socket_path = f"{cluster.path}/.s.PGSQL.5432"
    if len(os.fsencode(socket_path)) > _SOCKET_PATH_BYTES_MAX:
        raise LocalStackError(
            f"{socket_path} is too long for a Unix socket. Set KONTRIB_CACHE to a shorter path."
        )
    cluster.owner_file.write_text(str(state.absolute()))
    template = Cluster(root.path, _TEMPLATE)
    copy = ["cp", "-a", "--reflink=auto", str(template.path), str(cluster.partial_copy)]
    subprocess.run(copy, check=True)
    cluster.partial_copy.rename(cluster.path)
    write_atomically(
        state / _RECORD, json.dumps({"root": str(cluster.root), "cluster": cluster.name})
    )


def _is_served(cluster: Cluster) -> bool:
    """True if any PostgreSQL works in this folder now."""
    try:
        pid = (cluster.path / "postmaster.pid").read_text().split()[0]
        command = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except FileNotFoundError:
        return False
    return cluster.inside.encode() in command


def _remove_stale_pid_file(cluster: Cluster) -> None:
    """Remove the pid file of a killed PostgreSQL. A reused pid in it would block the next start."""
    if not _is_served(cluster):
        (cluster.path / "postmaster.pid").unlink(missing_ok=True)


def _create_template(root: Path) -> None:
    """Make the template cluster, with the extension in it."""
    cluster = Cluster(root, _TEMPLATE)
    cluster.path.mkdir()
    shutil.chown(cluster.path, *_postgres_ids(root))
    initdb = [
        *_as_postgres(root), f"{_BIN}/initdb", "-D", cluster.inside, "--username=postgres",
        "--auth=trust", "--locale=C.UTF-8", "--encoding=UTF8", "--no-sync",
    ]  # fmt: skip
    log = root.parent / "documentdb-install.log"
    with log.open("ab") as output:
        if subprocess.run(initdb, stdout=output, stderr=output, check=False).returncode != 0:
            raise EngineInstallFailed("creating a database cluster", log, tail(log))
        postgres = subprocess.Popen(cluster.command(), stdout=output, stderr=output)
        try:
            _fill_template(cluster, postgres, log)
        finally:
            postgres.send_signal(signal.SIGINT)
            postgres.wait(timeout=60)
    cluster.path.chmod(0o700)


def _fill_template(cluster: Cluster, postgres: subprocess.Popen[bytes], log: Path) -> None:
    step = "creating the extension"
    deadline = time.monotonic() + 60
    while not _accepts_connections(cluster):
        if time.monotonic() > deadline or postgres.poll() is not None:
            raise EngineInstallFailed(step, log, tail(log))
        time.sleep(0.1)
    try:
        with psycopg.connect(cluster.dsn, autocommit=True) as connection:
            for statement in TEMPLATE_SQL:
                connection.execute(statement)
    except psycopg.Error as error:
        raise EngineInstallFailed(step, log, str(error)) from error


def _accepts_connections(cluster: Cluster) -> bool:
    try:
        check_answers(cluster)
    except psycopg.OperationalError:
        return False
    return True


def _postgres_ids(root: Path) -> tuple[int, int]:
    """User and group id of `postgres` inside the installation."""
    for line in (root / "etc/passwd").read_text().splitlines():
        fields = line.split(":")
        if fields[0] == "postgres":
            return int(fields[2]), int(fields[3])
    raise LocalStackError(f"{root} has no user postgres. Delete it and run the command again.")
