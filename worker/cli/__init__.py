"""The operator's command, `kontrib`."""

from __future__ import annotations

import sys


def main() -> None:
    """Entry point of the installed command."""
    from worker.cli.main import run

    sys.exit(run(sys.argv[1:]))
