"""Refuses a one-time Celery command, such as `celery call`, while Redis cannot be used.

Celery itself would end such a command with a traceback, some only after many seconds. A worker,
beat and Flower start without Redis and wait for it.
"""

from __future__ import annotations

import sys

import click

from config.visible_text import visible
from worker.core.errors import ExitCode
from worker.redis_faults import RedisUnusable, require_redis

NEED_REDIS = {"call", "control", "events", "graph", "inspect", "list", "purge", "status"}


def refuse_without_redis(redis_url: str) -> None:
    """Called when Celery loads the application, which is after it has read the command's name.

    Raises:
        SystemExit: the command needs Redis, and Redis cannot be used.
    """
    context = click.get_current_context(silent=True)
    if context is None or context.command.name != "celery" or "--help" in sys.argv:
        return
    if context.invoked_subcommand in NEED_REDIS:
        try:
            require_redis(redis_url)
        except RedisUnusable as error:
            sys.stderr.write(visible(f"error: {error}\n"))
            raise SystemExit(ExitCode.NOT_READY) from None
