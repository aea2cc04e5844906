"""The decorator that adds a command with examples in its help."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import typer

Command = TypeVar("Command", bound=Callable[..., None])


def command(
    commands: typer.Typer, *examples: str, name: str | None = None
) -> Callable[[Command], Command]:
    """Add the decorated function to `commands`, by default under its own name."""
    title = "Example: " if len(examples) == 1 else "Examples:\n\n"
    epilog = title + "\n\n".join(examples)

    def add(function: Command) -> Command:
        named = name or function.__name__.replace("_", "-")
        return commands.command(named, epilog=epilog)(function)

    return add
