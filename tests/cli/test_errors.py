"""An expected failure prints one block of text, a bug is called a bug, and exit codes differ."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.conftest import Command, MemorySession
from tests.fakes.world import World
from worker.cli.main import run
from worker.cli.session import Session
from worker.core.errors import NotReady, Unreachable
from worker.ports.payout import Store

ROOT = Path(__file__).parents[2]


class Failing(MemorySession):
    """A session whose database raises."""

    def __init__(self, error: BaseException) -> None:
        super().__init__(World())
        self._error = error

    @property
    def store(self) -> Store:
        raise self._error


def test_an_expected_failure_has_no_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    code = run(["status"], Failing(Unreachable("MongoDB at host:1 does not answer.")))
    err = capsys.readouterr().err
    assert code == 3
    assert err == "error: MongoDB at host:1 does not answer.\n"


def test_a_bug_is_called_a_bug_and_shows_its_traceback_on_demand(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run(["status"], Failing(ZeroDivisionError("oops"))) == 1
    err = capsys.readouterr().err
    assert "This is a bug in kontrib (ZeroDivisionError: oops)" in err
    assert "Traceback" not in err
    assert run(["--debug", "status"], Failing(ZeroDivisionError("oops"))) == 1
    assert "Traceback" in capsys.readouterr().err


def test_ctrl_c_exits_with_130() -> None:
    assert run(["status"], Failing(KeyboardInterrupt())) == 130


@pytest.mark.parametrize(
    "arguments",
    [
        ["status", "2024-W60"],
        ["status", "2024-12-10"],
        ["run", "next week"],
        ["genesis"],
        ["plan"],
        ["nonsense"],
        ["status", "--nonsense"],
    ],
)
def test_wrong_usage_exits_with_2(kontrib: Command, arguments: list[str]) -> None:
    assert kontrib(*arguments) == 2
    assert kontrib.err


def test_a_week_that_is_none_says_how_to_write_one(kontrib: Command) -> None:
    kontrib("status", "2024-12-10")
    assert "2024-W50" in kontrib.err


def test_a_configuration_that_is_missing_is_named(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("KONTRIB_ENV_FILE", "MONGO_URI", "SOLANA_RPC_URL"):
        monkeypatch.delenv(name, raising=False)
    assert run(["status"], Session()) == 3
    assert "MONGO_URI is missing" in capsys.readouterr().err


def test_a_local_stack_is_found_where_nothing_else_is_configured(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MONGO_URI", raising=False)
    # Set the variable before removing it, so that it is removed again after the test.
    monkeypatch.setenv("KONTRIB_ENV_FILE", "none")
    monkeypatch.delenv("KONTRIB_ENV_FILE")
    (tmp_path / ".kontrib").mkdir()
    (tmp_path / ".kontrib" / "env").write_text("MONGO_URI=gopher://nowhere\n")
    assert run(["status"], Session()) == 3
    assert "MONGO_URI is malformed" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["", "import", "plan", "run", "migrate"])
def test_help_is_there_with_examples(kontrib: Command, command: str) -> None:
    assert kontrib(*command.split(), "--help") == 0
    expected = "Exit codes" if not command else "kontrib"
    assert expected in kontrib.out


def test_help_loads_none_of_the_heavy_libraries() -> None:
    heavy = ["celery", "pymongo", "solders", "solana", "structlog", "tornado", "fsspec"]
    code = (
        "import sys\nfrom worker.cli.main import run\nrun(['--help'])\n"
        f"sys.exit(str([m for m in {heavy} if m in sys.modules] or ''))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.stderr.strip() == ""


def test_not_ready_is_3_and_says_what_to_do(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["status"], Failing(NotReady("Fund it."))) == 3
    assert "Fund it." in capsys.readouterr().err
