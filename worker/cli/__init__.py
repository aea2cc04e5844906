"""The operator's command, `kontrib`.

Functions import the libraries of databases, chains and Celery late, so that `--help` stays fast.
"""

from __future__ import annotations

import io
import sys


def main() -> None:
    """Run the installed command."""
    from worker.cli.main import run
    from worker.cli.program import hints_follow

    write_anything()
    hints_follow(sys.argv[0])
    sys.exit(run(sys.argv[1:]))


def write_anything() -> None:
    """Make stdout print every text, even the name of a folder that is not UTF-8.

    Characters outside stdout's encoding are printed as escapes such as \\udcff.
    """
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")
