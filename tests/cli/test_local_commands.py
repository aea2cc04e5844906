"""`kontrib local` and `kontrib demo` on real processes."""

from __future__ import annotations

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

from tests.cli.conftest import Command
from worker.cli.demo_state import MARKER, StateTaken, begin_afresh
from worker.cli.local_stack import read_env
from worker.local.processes import ProcessTable
from worker.local.stack import LocalStack

ROOT = Path(__file__).parents[2]
KONTRIB = [sys.executable, "-c", "from worker.cli import main; main()"]
KILLED_AFTER_SECONDS = 6


@pytest.fixture
def state(tmp_path: Path) -> Iterator[Path]:
    """A folder for a stack, which is stopped whatever happens."""
    yield tmp_path / "state"
    kontrib_process("local", "down", "--purge", "--state", str(tmp_path / "state")).wait(60)


def kontrib_process(*arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [*KONTRIB, *arguments],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def kontrib_json(*arguments: str) -> object:
    return json.loads(kontrib_process(*arguments, "--json").communicate(timeout=120)[0])


def running(state: Path) -> set[str]:
    return {record.name for record in ProcessTable(state).records() if record.is_alive}


def test_nothing_is_shown_and_stopped_where_nothing_was_started(
    kontrib: Command, state: Path
) -> None:
    assert kontrib("local", "down", "--state", str(state)) == 0
    assert "Nothing was running." in kontrib.err


@pytest.mark.real
def test_workers_and_flower_are_started_and_stopped_with_the_stack(
    kontrib: Command, state: Path
) -> None:
    assert kontrib("local", "up", "--workers", "--state", str(state)) == 0
    assert {"worker", "beat", "flower", "redis", "chain"} <= running(state)
    (url,) = re.findall(r"Flower: (http://\S+)", kontrib.err)
    with pytest.raises(urllib.error.HTTPError, match="401"):
        urllib.request.urlopen(url, timeout=10)  # noqa: S310
    assert kontrib("local", "down", "--state", str(state)) == 0
    assert running(state) == set()


def test_a_file_needs_its_week(kontrib: Command, tmp_path: Path) -> None:
    assert kontrib("demo", "--contributions", "file.jsonl", "--state", str(tmp_path)) == 2
    assert "--contributions needs --week" in kontrib.err


def test_a_demo_never_deletes_a_stack_of_your_own(tmp_path: Path) -> None:
    (tmp_path / "stack.json").write_text("{}")
    with pytest.raises(StateTaken, match="begins afresh"):
        begin_afresh(tmp_path)
    assert (tmp_path / "stack.json").exists()


def test_a_demo_marks_its_folder(tmp_path: Path) -> None:
    begin_afresh(tmp_path / "new")
    assert (tmp_path / "new" / MARKER).exists()


def test_a_purge_leaves_nothing_of_a_demo(kontrib: Command, tmp_path: Path) -> None:
    state = tmp_path / "state"
    begin_afresh(state)
    (state / "env").write_text("CLOCK_OFFSET_SECONDS=-1\n")
    (state / "flower").mkdir()
    assert kontrib("local", "down", "--purge", "--state", str(state)) == 0
    assert {path.name for path in state.iterdir()} <= {"lock"}


@pytest.mark.real
def test_a_stack_goes_up_answers_and_goes_down(local_stack: LocalStack, state: Path) -> None:
    del local_stack  # there is an engine on this machine
    up = kontrib_process("local", "up", "--state", str(state))
    _, err = up.communicate(timeout=300)
    assert up.returncode == 0, err
    assert {"MONGO_URI", "REDIS_URL", "SOLANA_RPC_URL"} <= set(read_env(state / "env"))
    services = kontrib_json("local", "status", "--state", str(state))
    assert isinstance(services, list)
    assert {service["condition"] for service in services} == {"running"}
    down = kontrib_process("local", "down", "--state", str(state))
    assert down.wait(60) == 0
    assert running(state) == set()


@pytest.mark.real
def test_a_demo_pays_the_example_week_also_after_a_killed_one(
    local_stack: LocalStack, state: Path
) -> None:
    del local_stack
    killed = kontrib_process("demo", "--state", str(state))
    time.sleep(KILLED_AFTER_SECONDS)
    killed.send_signal(signal.SIGKILL)
    killed.communicate(timeout=10)
    demo = kontrib_process("demo", "--state", str(state))
    out, err = demo.communicate(timeout=240)
    assert demo.returncode == 0, err
    assert "45 contributors, 12,500 points, 10,000 KONTRIB, ratio 0.8" in out
    assert "plan = database = chain: 10,000,000,000,000 base units planned" in out
    assert "lamports" in out
    assert "Flower" in out
    assert running(state) == set()
