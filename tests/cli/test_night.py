"""An operator at night: the database is away, or a key file holds something else."""

from __future__ import annotations

import json
import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from solders.keypair import Keypair

from worker.cli.main import run
from worker.cli.session import Session

ANSWER_SECONDS_MAX = 5.0
SETTINGS = {
    "MONGO_URI": "mongodb://127.0.0.1:1/",
    "REDIS_URL": "redis://127.0.0.1:1/0",
    "SOLANA_RPC_URL": "http://127.0.0.1:1",
    "TOKEN_MINT_ADDRESS": "TokenkegQfeZyiNwAJbNbGKPFXCWuBvf9Ss623VQ5DA",
    "RPC_TIMEOUT_SECONDS": "1",
}
PHRASE = "abandon ability able about above absent absorb abstract absurd abuse access accident"


@pytest.fixture
def env(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A settings file with a usable key, for parts that are all away."""
    for name in (*SETTINGS, "SOLANA_PRIVATE_KEY", "KONTRIB_ENV_FILE"):
        monkeypatch.delenv(name, raising=False)
    # The session sets this variable; it is removed after the test.
    monkeypatch.setenv("KONTRIB_ENV_FILE", os.devnull)
    key = tmp_path / "payout.json"
    key.write_text(str(Keypair.from_seed(bytes(32))))
    key.chmod(0o600)
    own = {"SOLANA_PRIVATE_KEY_FILE": str(key), "PLAN_ARCHIVE_URL": str(tmp_path)}
    file = tmp_path / "kontrib.env"
    file.write_text("".join(f"{name}={value}\n" for name, value in {**SETTINGS, **own}.items()))
    return file


@pytest.fixture
def silent_port() -> Iterator[int]:
    """A server that accepts connections and never answers."""
    with socket.create_server(("127.0.0.1", 0), backlog=50) as server:
        yield int(server.getsockname()[1])


@pytest.mark.parametrize(
    "arguments",
    [
        ["status"],
        ["status", "2024-W50"],
        ["check"],
        ["user", "U"],
        ["hold", "U", "2024-W50", "--reason", "asked"],
        ["pause"],
        ["proposals"],
        ["migrate", "--dry-run"],
    ],
)
def test_a_database_that_is_away_is_named_within_seconds(
    env: Path, arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    _answers_soon(env, arguments, capsys)


def test_a_database_that_hangs_is_named_within_seconds(
    env: Path, silent_port: int, capsys: pytest.CaptureFixture[str]
) -> None:
    text = env.read_text().replace("127.0.0.1:1/\n", f"127.0.0.1:{silent_port}/\n", 1)
    env.write_text(text)
    _answers_soon(env, ["status"], capsys)


def _answers_soon(env: Path, arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    started = time.monotonic()
    assert run(arguments, Session(env)) == 3
    assert time.monotonic() - started < ANSWER_SECONDS_MAX
    said = capsys.readouterr().err
    assert "MongoDB at 127.0.0.1:" in said
    assert "does not answer" in said
    assert "MONGO_URI" in said


def test_a_key_file_with_a_seed_phrase_ends_a_command_like_any_wrong_setting(
    env: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (env.parent / "payout.json").write_text(PHRASE)
    assert run(["genesis", "--first-week", "2024-W50"], Session(env)) == 3
    said = capsys.readouterr().err
    assert "SOLANA_PRIVATE_KEY_FILE" in said
    assert "seed phrase of 12 words" in said
    assert "abandon" not in said


@pytest.mark.parametrize(
    ("content", "why"), [(b"\x80\x81", "is not text"), (b"", "it is empty"), (b"[1, 2", "cut off")]
)
def test_doctor_names_a_wrong_key_and_asks_the_other_questions(
    env: Path, content: bytes, why: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (env.parent / "payout.json").write_bytes(content)
    assert run(["doctor", "--json"], Session(env)) == 3
    checks = {each["name"]: each for each in json.loads(capsys.readouterr().out)["checks"]}
    assert why in checks["keys"]["detail"]
    assert checks["cluster"]["detail"] == "cannot be answered without: keys"
    assert "Redis at 127.0.0.1:1 does not answer" in checks["Redis"]["detail"]
    assert "MongoDB at 127.0.0.1:1 does not answer" in checks["MongoDB"]["detail"]


def test_a_wrong_address_in_the_settings_is_not_ready(
    env: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    long = "z" * 44  # base58, and more than 32 bytes
    env.write_text(env.read_text().replace(SETTINGS["TOKEN_MINT_ADDRESS"], long))
    assert run(["genesis", "--first-week", "2024-W50"], Session(env)) == 3
    assert "is not a Solana address" in capsys.readouterr().err


def test_a_missing_settings_file_is_named(
    tmp_path: Path, env: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert env.exists()
    assert run(["--env", str(tmp_path / "nowhere.env"), "status"], Session()) == 3
    assert "nowhere.env cannot be read" in capsys.readouterr().err
