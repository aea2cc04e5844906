"""`python -m deploy.local up|down|status|demo`: the services around kontrib, on one machine."""

from __future__ import annotations

import sys

from deploy.local.cli.commands import local_app
from worker.cli import write_anything
from worker.cli.main import run
from worker.cli.program import hints_follow

if __name__ == "__main__":
    write_anything()
    hints_follow(sys.executable)
    sys.exit(run(sys.argv[1:], commands=local_app, name="python -m deploy.local"))
