"""Hints name a program as the reader can type it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from solders.keypair import Keypair

from worker.cli import program
from worker.cli.console import console, say, table, write_error

PROGRAMS = Path(sys.executable).parent
NOWHERE = "/nonexistent"
MINT = "TokenkegQfeZyiNwAJbNbGKPFXCWuBvf9Ss623VQ5DA"


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A clone with its virtual environment, whose folder is not in the shell's path."""
    for name in ("kontrib", "celery", "python"):
        file = tmp_path / ".venv/bin" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("#!/bin/sh\n")
        file.chmod(0o755)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", NOWHERE)
    monkeypatch.setattr(program, "_typed", {})
    return tmp_path


def test_in_a_checkout_the_path_is_typed(
    checkout: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    program.hints_follow(str(checkout / ".venv/bin/kontrib"))
    say("Run `kontrib retry 2024-W50`, or `kontrib verify-proof FILE`. kontrib pays.")
    write_error("Start one with `celery -A worker.app worker`.")
    made = table("next")
    made.add_row("kontrib release USER 2024-W50")
    console().print(made)
    out, err = capsys.readouterr()
    assert "`.venv/bin/kontrib retry 2024-W50`" in err
    assert "`.venv/bin/kontrib verify-proof FILE`. kontrib pays." in err
    assert "`.venv/bin/celery -A worker.app worker`" in err
    assert ".venv/bin/kontrib release USER 2024-W50" in out


def test_from_another_folder_the_whole_path_is_typed(
    checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (checkout / "elsewhere").mkdir()
    monkeypatch.chdir(checkout / "elsewhere")
    program.hints_follow("../.venv/bin/kontrib")
    hint = program.with_typed_hints("`kontrib doctor`")
    assert hint.endswith("/.venv/bin/kontrib doctor`")
    assert hint.startswith("`/")


def test_a_program_that_the_shell_finds_is_typed_by_its_name(
    checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(checkout / ".venv/bin"))
    program.hints_follow(str(checkout / ".venv/bin/kontrib"))
    assert program.with_typed_hints("`kontrib doctor`") == "`kontrib doctor`"


def test_another_python_is_not_the_projects(
    checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = checkout / "usr/python"
    other.parent.mkdir()
    other.write_text("#!/bin/sh\n")
    other.chmod(0o755)
    monkeypatch.setenv("PATH", str(other.parent))
    program.hints_follow(str(checkout / ".venv/bin/python"))
    hint = program.with_typed_hints("python -m deploy.local down; python -m http.server")
    assert hint == ".venv/bin/python -m deploy.local down; python -m http.server"


def test_a_path_is_not_extended_twice_and_a_missing_program_keeps_its_name(
    checkout: Path,
) -> None:
    program.hints_follow(str(checkout / ".venv/bin/kontrib"))
    twice = program.with_typed_hints(program.with_typed_hints("kontrib doctor"))
    assert twice == ".venv/bin/kontrib doctor"
    program.hints_follow(str(checkout / "bin/other"))
    assert program.with_typed_hints("kontrib doctor") == "kontrib doctor"


def test_the_installed_command_hints_at_itself(tmp_path: Path) -> None:
    env = {"PATH": NOWHERE, "HOME": str(tmp_path), "MONGO_URI": "mongodb://127.0.0.1:1/"}
    env |= {"REDIS_URL": "redis://127.0.0.1:1/0", "SOLANA_RPC_URL": "http://127.0.0.1:1"}
    env |= {"TOKEN_MINT_ADDRESS": MINT, "SOLANA_PRIVATE_KEY": str(Keypair())}
    run = [PROGRAMS / "kontrib", "status"]
    done = subprocess.run(run, env=env, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert f"`{os.fspath(PROGRAMS)}/kontrib doctor`" in done.stderr, done.stderr


def test_commands_work_in_a_folder_that_is_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a shell that stands in a release which a deployment has replaced."""

    def gone() -> Path:
        raise FileNotFoundError

    monkeypatch.setattr(Path, "cwd", gone)
    program.hints_follow("bin/kontrib")
    assert program.with_typed_hints("`kontrib status`") == "`kontrib status`"
