"""Flower's table: arguments, results and the sentence of a failure, without Python's quotes."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from worker.flower_rows import NOT_RUN, arguments, format_task, result


@pytest.mark.parametrize(
    ("positional", "named", "shown"),
    [
        ("('2024-W50',)", "{}", "2024-W50"),
        ("()", "{'week': '2024-12-09'}", "week=2024-12-09"),
        (
            "()",
            "{'week': '2024-12-09', 'first': 0, 'last': 8}",
            "week=2024-12-09, first=0, last=8",
        ),
        ("['2024-W50']", "{'at_once': True}", "2024-W50, at_once=True"),
        ("()", "{}", ""),
        (None, None, ""),
        ("('2024-W50', ...", "{}", "('2024-W50', ... {}"),
        ("()", "{'week': <object at 0x7f>}", "() {'week': <object at 0x7f>}"),
        ("...", "{}", "... {}"),
    ],
)
def test_all_arguments_stand_in_one_line(
    positional: str | None, named: str | None, shown: str
) -> None:
    assert arguments(positional, named) == shown


@pytest.mark.parametrize(
    ("state", "returned", "exception", "shown"),
    [
        ("SUCCESS", "'2024-W50: closed'", None, "2024-W50: closed"),
        ("SUCCESS", "'waits: it\\'s paused'", None, "waits: it's paused"),
        ("SUCCESS", "None", None, "None"),
        ("SUCCESS", "'cut sh...", None, "'cut sh..."),
        ("STARTED", None, None, ""),
        ("FAILURE", None, "TaskRefused('2024-W51 is not over.')", "2024-W51 is not over."),
        ("FAILURE", None, "TaskRefused(\"'x' is not a week\")", "'x' is not a week"),
        (
            "FAILURE",
            None,
            "WorkerLostError('Worker exited: signal 9 (SIGKILL)')",
            "WorkerLostError: Worker exited: signal 9 (SIGKILL)",
        ),
        ("FAILURE", None, "TimeLimitExceeded(960.0,)", "TimeLimitExceeded(960.0,)"),
        ("FAILURE", None, "KeyError('a', 'b')", "KeyError('a', 'b')"),
        ("FAILURE", None, None, ""),
        ("REVOKED", None, None, NOT_RUN),
    ],
)
def test_a_result_is_a_sentence(
    state: str, returned: str | None, exception: str | None, shown: str
) -> None:
    assert result(state, returned, exception) == shown


def test_a_task_is_formatted_in_place() -> None:
    task = SimpleNamespace(
        args="('2024-W50',)",
        kwargs="{}",
        state="FAILURE",
        result=None,
        exception="TaskRefused('no')",
    )
    assert format_task(task) is task
    assert (task.args, task.result) == ("2024-W50", "no")
