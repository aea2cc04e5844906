"""One-time installation of DocumentDB: Debian's PostgreSQL packages from sid, in a folder.

DocumentDB is a MongoDB-compatible engine. Its packages go into a separate Debian root under the
cache folder, so the machine itself only gets `debootstrap`. Needs root.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from deploy.local.errors import EngineInstallFailed, LocalStackError
from deploy.local.service import Notify
from deploy.local.state_files import locked, tail

PACKAGE = "postgresql-18-documentdb"
# Raise this number when the contents of an installation change. Old installations still serve their
# states.
ROOT_NAME = "documentdb-sid-1"
MARKER = "kontrib-engine.json"
DEFAULT_MIRROR = "http://deb.debian.org/debian"
# Keys that sign Debian's archive: without them debootstrap would install unchecked packages.
KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
STEP_TIMEOUT_S = 1800

# Without the right to mount, debootstrap and the package scripts work without /proc, like in most
# containers. A killed run then leaves no mount behind inside the folder.
_WITHOUT_MOUNTS = ("setpriv", "--bounding-set=-sys_admin", "--inh-caps=-sys_admin")
_CHROOT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
# Files that a minimal root needs before PostgreSQL's packages can configure themselves.
_ROOT_FILES = {
    # This file keeps package scripts from starting services.
    "usr/sbin/policy-rc.d": "#!/bin/sh\nexit 101\n",
    "etc/postgresql-common/createcluster.conf": "create_main_cluster = false\n",
    # The real program needs /proc, which an unprivileged container may not mount. It only makes
    # folders for a system start that never happens here.
    "usr/local/bin/systemd-tmpfiles": "#!/bin/sh\nexit 0\n",
    # A killed installation is deleted, so a flush of each file is useless.
    "etc/dpkg/dpkg.cfg.d/kontrib": (
        "force-unsafe-io\npath-exclude=/usr/share/doc/*\npath-exclude=/usr/share/man/*\n"
        "path-exclude=/usr/share/locale/*\n"
    ),
    # Mirrors and snapshots may lag behind the date in their signed index. Signatures still count.
    # With this path package scripts find the stand-in above, since apt sets a path of its own.
    "etc/apt/apt.conf.d/99kontrib": (
        f'Acquire::Check-Valid-Until "false";\nDPkg::Path "{_CHROOT_PATH}";\n'
    ),
}


@dataclass(frozen=True)
class EngineRoot:
    """A finished installation: the folder to chroot into, and the version inside."""

    path: Path
    version: str


def cache_folder(environment: Mapping[str, str]) -> Path:
    """`$KONTRIB_CACHE`, or `~/.cache/kontrib`."""
    given = environment.get("KONTRIB_CACHE")
    return Path(given).absolute() if given else Path.home() / ".cache" / "kontrib"


def why_not_possible(environment: Mapping[str, str]) -> str | None:
    """Advice for a machine that cannot run DocumentDB; None if it can."""
    if not sys.platform.startswith("linux"):
        return "needs Linux"
    if os.geteuid() != 0:
        return "run this command as root (it needs chroot)"
    if installed_root(cache_folder(environment)) or _has_debootstrap() or shutil.which("apt-get"):
        return None
    return f"install `debootstrap`, and Debian's archive keyring as {KEYRING}"


def _has_debootstrap() -> bool:
    return shutil.which("debootstrap") is not None and KEYRING.exists()


def installed_root(cache: Path) -> EngineRoot | None:
    """The finished installation in this cache, if there is one."""
    return read_root(cache / ROOT_NAME)


def read_root(root: Path) -> EngineRoot | None:
    """The installation at `root`; None if it is missing or incomplete."""
    try:
        marker = json.loads((root / MARKER).read_text())
    except FileNotFoundError:
        return None
    return EngineRoot(root, marker["version"])


def install(
    environment: Mapping[str, str],
    notify: Notify,
    finish: Callable[[Path], None],
) -> EngineRoot:
    """Return the installation in the cache. Builds it if it is missing (60 to 90 s).

    `finish` completes a new root before it becomes visible. Two callers at once build it once. A
    killed build is deleted by the next caller. Raises EngineInstallFailed.
    """
    cache = cache_folder(environment)
    if root := installed_root(cache):
        return root
    with installation_lock(cache, notify):
        if root := installed_root(cache):
            return root
        for leftover in cache.glob(f"{ROOT_NAME}.building-*"):
            remove_root(leftover)
        building = cache / f"{ROOT_NAME}.building-{os.getpid()}"
        notify(f"Installing the MongoDB engine (DocumentDB) once into {cache}: about 90 s, 1 GB.")
        version = _build(building, environment, notify)
        finish(building)
        (building / MARKER).write_text(json.dumps({"package": PACKAGE, "version": version}))
        building.rename(cache / ROOT_NAME)
    return EngineRoot(cache / ROOT_NAME, version)


def installation_lock(cache: Path, notify: Notify) -> AbstractContextManager[None]:
    """Let one process at a time change the cache folder."""
    waiting = "Another process is installing the MongoDB engine; waiting for it."
    return locked(cache / f"{ROOT_NAME}.lock", lambda: notify(waiting))


def _build(root: Path, environment: Mapping[str, str], notify: Notify) -> str:
    """Fill `root` with a Debian that has DocumentDB, and return its version."""
    run = _StepRunner(root.parent / "documentdb-install.log", environment, notify)
    if not _has_debootstrap():
        run("installing debootstrap with apt-get, 1 of 4", _apt_get("update"))
        packages = ("--no-install-recommends", "debootstrap", "debian-archive-keyring")
        run("installing debootstrap with apt-get, 1 of 4", _apt_get("install", *packages))
    mirror = environment.get("KONTRIB_DEBIAN_MIRROR", DEFAULT_MIRROR)
    checked = ["--force-check-gpg", f"--keyring={KEYRING}"]
    base = ["debootstrap", "--variant=minbase", *checked, "sid", str(root), mirror]
    run("Debian base system, 2 of 4", base)
    for name, text in _ROOT_FILES.items():
        file = root / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        file.chmod(0o755)
    # PostgreSQL's shared memory lives here. debootstrap expects a mount, which is missing here.
    (root / "dev/shm").chmod(0o1777)
    inside = ["chroot", str(root)]
    run("package index, 3 of 4", [*inside, *_apt_get("update")])
    run("PostgreSQL with DocumentDB, 4 of 4",
        [*inside, *_apt_get("install", "--no-install-recommends", PACKAGE)])  # fmt: skip
    run.quietly("cleaning up", [*inside, "apt-get", "clean"])
    return _version_of(PACKAGE, root)


def _version_of(package: str, root: Path) -> str:
    """The version of an installed package in `root`, from Debian's package database."""
    status = (root / "var/lib/dpkg/status").read_text(encoding="utf-8")
    paragraph = next(p for p in status.split("\n\n") if p.startswith(f"Package: {package}\n"))
    fields = dict(line.split(": ", 1) for line in paragraph.splitlines() if ": " in line)
    return fields["Version"]


def _apt_get(*arguments: str) -> list[str]:
    return ["apt-get", "--yes", "--quiet", *arguments]


class _StepRunner:
    """Runs the steps of an installation, with their output in its log."""

    def __init__(self, log: Path, environment: Mapping[str, str], notify: Notify) -> None:
        self._log = log
        self._notify = notify
        self._environment = {
            **environment,
            "PATH": f"{environment.get('PATH', '')}:{_CHROOT_PATH}",
            "DEBIAN_FRONTEND": "noninteractive",
            "LC_ALL": "C.UTF-8",
        }
        log.unlink(missing_ok=True)

    def __call__(self, step: str, command: Sequence[str]) -> None:
        self._notify(f"  {step}")
        self.quietly(step, command)

    def quietly(self, step: str, command: Sequence[str]) -> None:
        """Run one command without a line of progress. Raises EngineInstallFailed."""
        # Inside a chroot only the standard folders exist. The shims in /usr/local come first.
        path = _CHROOT_PATH if command[0] == "chroot" else self._environment["PATH"]
        with self._log.open("a") as log:
            try:
                finished = subprocess.run(
                    [*_WITHOUT_MOUNTS, *command],
                    env={**self._environment, "PATH": path}, stdin=subprocess.DEVNULL,
                    stdout=log, stderr=log, timeout=STEP_TIMEOUT_S, check=False,
                )  # fmt: skip
            except (OSError, subprocess.TimeoutExpired) as error:
                raise EngineInstallFailed(step, self._log, str(error)) from error
        if finished.returncode != 0:
            raise EngineInstallFailed(step, self._log, tail(self._log))


def remove_root(root: Path) -> None:
    """Delete a Debian root. Refuses while a mount is inside it."""
    mounts = Path("/proc/self/mounts").read_text().splitlines()
    inside = [m.split()[1] for m in mounts if m.split()[1].startswith(f"{root}/")]
    for mount in sorted(inside, reverse=True):
        if subprocess.run(["umount", mount], check=False, capture_output=True).returncode != 0:
            raise LocalStackError(f"Unmount {mount}, then run the command again.")
    shutil.rmtree(root)
