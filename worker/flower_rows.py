"""Rows of Flower's table of tasks: arguments and results as people read them.

Flower shows the representations that Celery's events carry, such as `{'week': '2024-12-09'}` and
`TaskRefused('2024-W51 is not over.')`, cuts them at 400 pixels, and leaves the result of a failure
empty.
"""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import Any

from tornado.template import Loader, Template

COLUMNS = "name,args,state,result,received,runtime"
"""The story of a week needs no UUIDs."""
REFUSED = "TaskRefused"
STYLE = """<style>
.tasks-table td { vertical-align: top !important; }
.tasks-table td.overflow-auto { max-width: none; }
.tasks-table td:nth-child(4), .tasks-table th:nth-child(4) {
  width: 30rem !important; min-width: 30rem; max-width: 30rem;
  white-space: normal !important; overflow-wrap: anywhere;
}
</style>"""
NOT_RUN = "not run: it was revoked, or waited too long for a worker"


class WholeSentences(Loader):
    """Flower's templates, with a style that breaks long cells into lines instead of cutting them.

    Tornado's setting `template_loader` takes it.
    """

    def _create_template(self, name: str) -> Template:
        made = super()._create_template(name)
        if name != "base.html":
            return made
        source = (Path(self.root) / name).read_text()
        return Template(source.replace("</head>", f"{STYLE}</head>"), name=name, loader=self)


def format_task(task: Any) -> Any:
    """Flower's hook: changes its copy of a task before it is shown."""
    task.args = arguments(task.args, task.kwargs)
    task.result = result(task.state, task.result, task.exception)
    return task


def arguments(positional: str | None, named: str | None) -> str:
    """All arguments in one line: `2024-W50` or `week=2024-12-09, first=0, last=8`."""
    values, pairs = _value(positional or "()"), _value(named or "{}")
    if not isinstance(values, (tuple, list)) or not isinstance(pairs, dict):
        return f"{positional or ''} {named or ''}".strip()  # cut short by Celery
    return ", ".join([*map(str, values), *(f"{name}={value}" for name, value in pairs.items())])


def result(state: str, returned: str | None, exception: str | None) -> str:
    """The sentence of a finished task, the reason of a failed one; empty before."""
    if state == "FAILURE":
        return _reason(exception or "")
    if state == "REVOKED":
        return NOT_RUN
    value = _value(returned or "''")
    return value if isinstance(value, str) else str(returned)


def _reason(exception: str) -> str:
    """The text of an exception, and its name unless it is an expected failure."""
    parts = re.fullmatch(r"(\w+)\((.*)\)", exception, re.DOTALL)
    text = _value(parts[2].rstrip(",")) if parts else None
    if parts is None or not isinstance(text, str):
        return exception
    return text if parts[1] == REFUSED else f"{parts[1]}: {text}"


def _value(text: str) -> Any:
    """The value behind a representation; None if it is no literal."""
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return None
