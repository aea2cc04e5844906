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
    """A folder's name need not be UTF-8, and saying it must not fail after the work is done. What
    is written in its place is what JSON has for it, too."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")
