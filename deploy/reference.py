"""Writes docs/settings.md and docs/commands.md from the code: a part of `make docs`.

A test compares both pages with the code.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from pydantic.fields import FieldInfo

from config.settings import EXPECTED, Settings

DOCS = Path(__file__).resolve().parents[1] / "docs"

SETTINGS = """# Settings

Settings are environment variables, or lines of a `.env` file (`--env FILE`, `KONTRIB_ENV_FILE`). An
empty value means the default. Times are in seconds. This page is made from `config/settings.py` by
`make docs`.

| setting | default | meaning |
|---|---|---|
"""


def settings_page() -> str:
    rows = (_row(name, field) for name, field in Settings.model_fields.items())
    return SETTINGS + "".join(rows)


def _row(name: str, field: FieldInfo) -> str:
    variable = name.upper()
    form = f" Form: {EXPECTED[variable]}." if variable in EXPECTED else ""
    meaning = " ".join((field.description or "").split()) + form
    return f"| `{variable}` | {_default(field)} | {meaning.replace('|', '&#124;')} |\n"


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    value: Any = field.default
    return "" if value is None else f"`{str(value).lower() if isinstance(value, bool) else value}`"


def commands_page() -> str:
    """Every command's help, as typer writes it."""
    with tempfile.TemporaryDirectory() as folder:
        page = Path(folder) / "commands.md"
        command = ["worker.cli.main", "utils", "docs", "--name", "kontrib", "--title", "Commands"]
        subprocess.run(  # noqa: S603 - its own interpreter and fixed arguments
            [sys.executable, "-m", "typer", *command, "--output", str(page)],
            check=True,
            capture_output=True,
            env=os.environ | {"PYTHONPATH": str(DOCS.parent)},
        )
        return page.read_text()


def main() -> None:
    (DOCS / "settings.md").write_text(settings_page())
    (DOCS / "commands.md").write_text(commands_page())


if __name__ == "__main__":
    main()
