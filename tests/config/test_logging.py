"""Log lines: one format, with ids, and without secrets."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
import structlog

from config.logging import configure_logging

SECRET = 'hunter"2-\\secret'


@pytest.fixture(autouse=True)
def quiet_again() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:], root.level = handlers, level
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()


def lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in capsys.readouterr().err.splitlines()]


def test_every_line_carries_the_ids_that_are_bound(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("json")
    with structlog.contextvars.bound_contextvars(week="2024-12-09", task_id="an-id"):
        structlog.get_logger("ours").info("done", paid=3)
        logging.getLogger("theirs").warning("slow %s", "answer")
    for line in lines(capsys):
        assert (line["week"], line["task_id"]) == ("2024-12-09", "an-id")
        assert line["timestamp"].endswith("Z")


def test_a_terminal_gets_lines_for_people(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("console")
    structlog.get_logger("ours").info("done", paid=3)
    text = capsys.readouterr().err
    assert "done" in text
    assert not text.startswith("{")


@pytest.mark.parametrize("log_format", ["json", "console"])
def test_a_secret_is_hidden_wherever_a_library_puts_it(
    capsys: pytest.CaptureFixture[str], log_format: str
) -> None:
    configure_logging(log_format, secrets=[SECRET])
    structlog.get_logger("ours").info("connecting", url=f"redis://:{SECRET}@host")
    logging.getLogger("theirs").error("cannot reach %s", SECRET)
    try:
        raise ValueError(SECRET)
    except ValueError:
        logging.getLogger("theirs").exception("failed")
    text = capsys.readouterr().err
    assert SECRET not in text
    assert "hunter" not in text
    assert text.count("(hidden)") >= 3


@pytest.mark.parametrize("log_format", ["json", "console"])
def test_a_traceback_shows_no_local_variable(
    capsys: pytest.CaptureFixture[str], log_format: str
) -> None:
    configure_logging(log_format)

    def fail(password: str) -> None:
        raise ValueError(len(password))

    try:
        fail("nobody " + "told the log")
    except ValueError:
        structlog.get_logger("ours").exception("failed")
    text = capsys.readouterr().err
    assert "ValueError: 19" in text
    assert "nobody told" not in text


def test_a_line_for_a_terminal_has_no_control_characters_of_stored_text(
    capsys: pytest.CaptureFixture[str],
) -> None:
    evil = "eve\x1b]0;pwned\x07\u202e\nerror: all is lost"
    configure_logging("console")
    structlog.get_logger("ours").info("paid", user=evil, count=3)
    logging.getLogger("theirs").warning("slow %s", evil)
    try:
        raise ValueError(evil)
    except ValueError:
        logging.getLogger("theirs").exception("failed")
    # A value with blanks is quoted once more.
    text = capsys.readouterr().err.replace("\\\\", "\\")
    assert text.count(r"eve\x1b]0;pwned\x07\u202e") == 3
    assert not {"\x07", "\u202e"} & set(text)
    assert "\x1b]0" not in text
    assert text.count(r"\u202e\nerror") == 2
