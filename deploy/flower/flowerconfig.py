"""Flower's configuration: `celery -A worker.app flower --conf=deploy/flower/flowerconfig.py`.

It reads from the environment:

FLOWER_PASSWORD_FILE or FLOWER_PASSWORD  the password; required
FLOWER_USER                              default: kontrib
FLOWER_PORT, FLOWER_ADDRESS              default: 5555 on 127.0.0.1
FLOWER_READ_ONLY                         default: true; false only if Flower is private
FLOWER_DB                                the file that keeps the events Flower has seen
FLOWER_STATE_SAVE_INTERVAL               milliseconds, default: 30000
"""

import os
import sys
from pathlib import Path

from flower.urls import settings

from worker import flower_rows
from worker.core.errors import ExitCode


def _password() -> str:
    if file := os.environ.get("FLOWER_PASSWORD_FILE"):
        try:
            return Path(file).read_text().strip()
        except OSError as error:
            sys.stderr.write(f"error: FLOWER_PASSWORD_FILE cannot be read: {error.strerror}\n")
            raise SystemExit(ExitCode.NOT_READY) from None
    return os.environ.get("FLOWER_PASSWORD", "")


def _whole(name: str, default: str) -> int:
    """A whole number in the digits 0 to 9. `int` would also take `5_555` and other digits."""
    text = os.environ.get(name, default)
    if not (text.isascii() and text.isdigit()):
        sys.stderr.write(f"error: {name} is not a whole number in the digits 0 to 9\n")
        raise SystemExit(ExitCode.NOT_READY)
    return int(text)


port = _whole("FLOWER_PORT", "5555")
address = os.environ.get("FLOWER_ADDRESS", "127.0.0.1")
# An empty password is refused when Flower starts: see worker/flower.py.
basic_auth = [f"{os.environ.get('FLOWER_USER', 'kontrib')}:{_password()}"]
read_only = os.environ.get("FLOWER_READ_ONLY", "true").lower() != "false"
persistent = True
db = os.environ.get("FLOWER_DB", "flower.db")
# Milliseconds. Flower also saves at its end, unless it is killed.
state_save_interval = _whole("FLOWER_STATE_SAVE_INTERVAL", "30000")
max_tasks = 20_000
# Seconds after which a missing worker, for one of an earlier deployment, leaves the list.
purge_offline_workers = 3600
tasks_columns = flower_rows.COLUMNS
format_task = flower_rows.format_task
settings["template_loader"] = flower_rows.WholeSentences(settings["template_path"])
