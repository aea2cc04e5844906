"""The README's promises about all commands: it lists them in their groups, and they take --json."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import typer

from worker.cli.main import app
from worker.cli.program import GROUPS

README = Path(__file__).parents[2] / "README.md"
_NAME = re.compile(r"`(?:kontrib )?([a-z-]+)")


def listed_in_readme() -> dict[str, tuple[str, ...]]:
    """The commands in the README's table, by group."""
    table = README.read_text().partition("| command | effect |\n")[2].partition("\n\n")[0]
    found: dict[str, list[str]] = {}
    for row in table.splitlines()[1:]:
        first = row.split("|")[1].strip()
        if first.startswith("**"):
            found[first.strip("*")] = []
        else:
            names = _NAME.findall(first)
            known = found[list(found)[-1]]
            known += [name for name in names if name not in known]
    return {group: tuple(names) for group, names in found.items()}


def test_the_readme_lists_every_command_in_the_groups_of_the_help() -> None:
    listed = listed_in_readme()
    assert list(listed) == list(GROUPS)
    assert {group: sorted(names) for group, names in listed.items()} == {
        group: sorted(names) for group, names in GROUPS.items()
    }


def test_every_command_but_the_server_of_figures_takes_json() -> None:
    command: Any = typer.main.get_command(app)
    without = {
        name
        for name, each in command.commands.items()
        if not any("--json" in parameter.opts for parameter in each.params)
    }
    assert without == {"metrics"}
