"""Refuses to start Flower without a login.

Anyone who reaches an open Flower can read every task and, unless Flower is read-only, start and end
tasks. The check reads the options after Flower merged them from arguments, environment and
configuration file (`deploy/flower/flowerconfig.py`).
"""

from __future__ import annotations

import sys
from typing import Any

import click
from celery.signals import import_modules

from worker.core.errors import ExitCode

MESSAGE = (
    "error: Flower is not started, since anybody could use it: there is no password.\n"
    "Set FLOWER_PASSWORD_FILE or FLOWER_PASSWORD and start it as\n"
    "  celery -A worker.app flower --conf=deploy/flower/flowerconfig.py\n"
    "or give it --basic_auth=user:password, or --auth with OAuth.\n"
)


def is_open(options: Any) -> bool:
    """Whether Flower is open to everybody: it has no login, or one with an empty password."""
    if options.auth:
        return False
    logins = options.basic_auth or []
    return not logins or any(not login.partition(":")[2] for login in logins)


def refuse_open_flower(**_: Any) -> None:
    """Flower loads the tasks after reading its options and before opening its port."""
    command = click.get_current_context(silent=True)
    if command is None or command.info_name != "flower":
        return
    from tornado.options import options

    if is_open(options):
        sys.stderr.write(MESSAGE)
        raise SystemExit(ExitCode.NOT_READY)


import_modules.connect(refuse_open_flower, weak=False)
