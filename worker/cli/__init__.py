"""The operator's command, `kontrib`."""

from __future__ import annotations

import io
import sys


def main() -> None:
    """Entry point of the installed command."""
    from worker.cli.main import run

    write_anything()
    sys.exit(run(sys.argv[1:]))


def write_anything() -> None:
    """Let every text be printed: the name of a folder may not be UTF-8.

    Such characters are written as JSON writes them.
    """
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")
