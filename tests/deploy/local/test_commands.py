"""`python -m deploy.local` and `python -m deploy.local demo` on real processes."""

from __future__ import annotations

import io
import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.local.cli.commands import local_app
from deploy.local.cli.demo_state import KEPT, MARKER, DemoKept, StateTaken, begin_afresh
from deploy.local.cli.stack import read_env
from deploy.local.processes import ProcessTable
from deploy.local.stack import LocalStack
from worker.cli.main import run

ROOT = Path(__file__).parents[3]
LOCAL = [sys.executable, "-m", "deploy.local"]
KILLED_AFTER_SECONDS = 6


@pytest.fixture
def state(tmp_path: Path) -> Iterator[Path]:
    """A folder for a stack. The stack is always stopped at the end."""
    yield tmp_path / "state"
    local_process("down", "--purge", "--state", str(tmp_path / "state")).wait(60)


def local_process(*arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [*LOCAL, *arguments],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def local_json(*arguments: str) -> object:
    return json.loads(local_process(*arguments, "--json").communicate(timeout=120)[0])


class Local:
    """`python -m deploy.local` in this process, as a person at a terminal sees it."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys, self.err = capsys, ""

    def __call__(self, *arguments: str) -> int:
        code = run(arguments, commands=local_app, name="python -m deploy.local")
        self.err = self._capsys.readouterr().err
        return code


@pytest.fixture
def local(capsys: pytest.CaptureFixture[str]) -> Local:
    return Local(capsys)


def running(state: Path) -> set[str]:
    return {record.name for record in ProcessTable(state).records() if record.is_alive}


def test_nothing_is_shown_and_stopped_where_nothing_was_started(local: Local, state: Path) -> None:
    assert local("down", "--state", str(state)) == 0
    assert "Nothing was running." in local.err


@pytest.mark.real
def test_workers_and_flower_are_started_and_stopped_with_the_stack(
    local: Local, state: Path
) -> None:
    assert local("up", "--workers", "--state", str(state)) == 0
    assert {"worker", "beat", "flower", "redis", "chain"} <= running(state)
    (url,) = re.findall(r"Flower: (http://\S+)", local.err)
    with pytest.raises(urllib.error.HTTPError, match="401"):
        urllib.request.urlopen(url, timeout=10)  # noqa: S310
    assert local("down", "--state", str(state)) == 0
    assert running(state) == set()


def test_a_file_needs_its_week(local: Local, tmp_path: Path) -> None:
    assert local("demo", "--contributions", "file.jsonl", "--state", str(tmp_path)) == 2
    assert "--contributions needs --week" in local.err


def test_a_demo_never_deletes_a_stack_of_your_own(tmp_path: Path) -> None:
    (tmp_path / "stack.json").write_text("{}")
    with pytest.raises(StateTaken, match="begins afresh"):
        begin_afresh(tmp_path)
    assert (tmp_path / "stack.json").exists()


def test_a_demo_marks_its_folder(tmp_path: Path) -> None:
    begin_afresh(tmp_path / "new")
    assert (tmp_path / "new" / MARKER).exists()


def test_a_purge_leaves_nothing_of_a_demo(local: Local, tmp_path: Path) -> None:
    state = tmp_path / "state"
    begin_afresh(state)
    (state / "env").write_text("CLOCK_OFFSET_SECONDS=-1\n")
    (state / "flower").mkdir()
    assert local("down", "--purge", "--state", str(state)) == 0
    assert {path.name for path in state.iterdir()} <= {"lock", ".gitignore"}


def test_git_ignores_a_state_folder_wherever_it_is(tmp_path: Path) -> None:
    state = tmp_path / "anywhere" / "state"
    begin_afresh(state)
    subprocess.run(["git", "init", "--quiet", str(tmp_path)], check=True)
    (state / "payout.json").write_text("a key")
    seen = subprocess.run(
        ["git", "-C", str(tmp_path), "status", "--porcelain"],
        check=True,
        capture_output=True,
        text=True,
    )
    assert seen.stdout == ""


def test_a_kept_demo_is_not_deleted_without_a_yes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begin_afresh(tmp_path)
    (tmp_path / KEPT).touch()
    (tmp_path / "env").write_text("A=1\n")
    with pytest.raises(DemoKept, match="down --purge"):
        begin_afresh(tmp_path)
    monkeypatch.setattr("sys.stdin", Terminal("n\n"))
    with pytest.raises(DemoKept):
        begin_afresh(tmp_path)
    assert (tmp_path / "env").exists()
    monkeypatch.setattr("sys.stdin", Terminal("y\n"))
    begin_afresh(tmp_path)
    assert not (tmp_path / "env").exists()
    assert not (tmp_path / KEPT).exists()


class Terminal(io.StringIO):
    """Somebody at a terminal who types these lines."""

    def isatty(self) -> bool:
        return True


@pytest.mark.real
def test_a_stack_goes_up_answers_and_goes_down(local_stack: LocalStack, state: Path) -> None:
    del local_stack  # this machine has an engine
    up = local_process("up", "--state", str(state))
    _, err = up.communicate(timeout=300)
    assert up.returncode == 0, err
    assert {"MONGO_URI", "REDIS_URL", "SOLANA_RPC_URL"} <= set(read_env(state / "env"))
    services = local_json("status", "--state", str(state))
    assert isinstance(services, list)
    assert {service["condition"] for service in services} == {"running"}
    down = local_process("down", "--state", str(state))
    assert down.wait(60) == 0
    assert running(state) == set()


@pytest.mark.real
def test_a_demo_pays_the_example_week_also_after_a_killed_one(
    local_stack: LocalStack, state: Path
) -> None:
    del local_stack
    killed = local_process("demo", "--state", str(state))
    time.sleep(KILLED_AFTER_SECONDS)
    killed.send_signal(signal.SIGKILL)
    killed.communicate(timeout=10)
    demo = local_process("demo", "--state", str(state))
    out, err = demo.communicate(timeout=240)
    assert demo.returncode == 0, err
    assert "45 contributors, 12,500 points, 10,000 KONTRIB, ratio 0.8" in out
    assert "plan = database = chain: 10,000,000,000,000 base units planned" in out
    assert "lamports" in out
    assert "Flower" in out
    assert running(state) == set()


def test_a_refused_demo_stops_nothing(
    local: Local, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begin_afresh(tmp_path)
    (tmp_path / KEPT).touch()

    def stop(_: object) -> None:
        raise AssertionError("a running stack was touched")

    monkeypatch.setattr("deploy.local.cli.demo.open_whole_stack", stop)
    assert local("demo", "--state", str(tmp_path)) == 1
    assert "holds a demo that was kept" in local.err
