"""The Celery application: `celery -A worker.app worker|beat|flower`.

Messages only wake workers. MongoDB records all work, and the sweep finds the due work. So messages
carry ids only, Celery retries nothing, and a lost message loses nothing.
"""

from __future__ import annotations

import logging
import sys
import time
from functools import cache
from typing import Any

import structlog
from celery import Celery
from celery.signals import (
    beat_init,
    before_task_publish,
    setup_logging,
    task_postrun,
    task_prerun,
    worker_init,
    worker_process_init,
    worker_shutting_down,
)
from kombu.entity import Exchange, Queue

from config.broker import broker_tls, without_tls_options
from config.errors import ConfigurationUnusable
from config.logging import configure_logging
from config.schedule import beat_schedule
from config.settings import Settings, load_settings
from config.visible_text import visible
from worker import flower as _flower  # noqa: F401 - refuses an open Flower
from worker.bootstrap.contexts import (
    build_context,
    build_notifiers,
    build_wiki_context,
    count_keeper,
)
from worker.bootstrap.database import database_of
from worker.celery_command import refuse_without_redis
from worker.core.errors import ExitCode
from worker.memory import keep_small
from worker.ports.payout import Notifier
from worker.redis_faults import FaultsInWords, host_of
from worker.services.context import Context
from worker.services.watch.running_counts import CountKeeper
from worker.services.wiki_context import WikiContext
from worker.shutdown import ShutdownFlag

CONTROL, WEEK, PAYMENTS = "control", "week", "payments"


def _queue(name: str) -> Any:
    """A queue as an object, since Flower reads its name."""
    queue: Any = Queue
    exchange: Any = Exchange
    return queue(name, exchange(CONTROL), routing_key=name)


def celery_configuration(settings: Settings) -> dict[str, Any]:
    """Celery's settings. docs/adr/0004-celery-as-wake-up.md gives the reasons."""
    transport = {
        "visibility_timeout": settings.broker_visibility_timeout_seconds,
        # Without a timeout, a publish waits for ever if packets to Redis are lost.
        "socket_timeout": settings.broker_timeout_seconds,
        "socket_connect_timeout": settings.broker_timeout_seconds,
        "socket_keepalive": True,
        "retry_on_timeout": True,
        # A waiting worker detects a dead connection within three times this.
        "health_check_interval": max(1, round(settings.broker_timeout_seconds)),
    }
    return {
        "broker_url": without_tls_options(settings.redis_url.get_secret_value()),
        "broker_use_ssl": broker_tls(settings.redis_url.get_secret_value()),
        "broker_transport_options": transport,
        "broker_connection_retry_on_startup": True,
        # A worker waits for Redis as long as it takes: worker/consumer.py.
        "broker_connection_max_retries": None,
        "broker_channel_error_retry": True,
        "worker_consumer": "worker.consumer:PatientConsumer",
        # kombu's and the backend's own connections read these two.
        "visibility_timeout": settings.broker_visibility_timeout_seconds,
        "result_backend_transport_options": transport,
        "task_ignore_result": True,
        "task_serializer": "json",
        "result_serializer": "json",
        "accept_content": ["json"],
        "task_acks_late": True,
        "task_reject_on_worker_lost": False,
        "worker_prefetch_multiplier": 1,
        "task_soft_time_limit": settings.task_soft_limit_seconds,
        "task_time_limit": settings.task_hard_limit_seconds,
        "worker_soft_shutdown_timeout": 60,
        "worker_send_task_events": True,
        "task_send_sent_event": True,
        "task_track_started": True,
        "task_default_queue": CONTROL,
        "task_queues": [_queue(name) for name in (CONTROL, WEEK, PAYMENTS)],
        "task_create_missing_queues": False,
        "task_publish_retry_policy": {"max_retries": 2, "interval_start": 0.2},
        "worker_hijack_root_logger": False,
        "timezone": "UTC",
        "enable_utc": True,
        "beat_schedule": beat_schedule(settings.sweep_seconds),
        "beat_scheduler": "worker.beat:PulsingScheduler",
        "imports": ("tasks",),
    }


def _settings() -> Settings:
    try:
        return load_settings()
    except ConfigurationUnusable as error:
        sys.stderr.write(visible(f"{error}\n"))
        raise SystemExit(ExitCode.NOT_READY) from None


settings = _settings()
refuse_without_redis(settings.redis_url.get_secret_value())
app = Celery("kontrib")
app.conf.update(celery_configuration(settings))

shutdown = ShutdownFlag()


@before_task_publish.connect(weak=False)
def _note_sending(headers: dict[str, Any], **_: Any) -> None:
    """Lets watchers see how long a message has waited: Celery's own headers have no time."""
    headers["sent_at"] = time.time()


@cache
def context() -> Context:
    """This process's context, with one database client and one RPC client.

    It is made on first use, so that processes share no connection across a fork.
    """
    return build_context(settings)


@cache
def wiki() -> WikiContext:
    """The wiki's context, on the same database client."""
    return build_wiki_context(settings, database_of(context()))


@cache
def counts() -> CountKeeper:
    """The counts of this process, until they are flushed to the store."""
    return count_keeper(context())


@cache
def notifiers() -> dict[str, Notifier]:
    """Send messages to people."""
    return build_notifiers(settings)


@worker_process_init.connect(weak=False)
def _begin_process(**_: Any) -> None:
    for made in (context, wiki, counts):
        made.cache_clear()
    keep_small()


@worker_init.connect(weak=False)
def _refuse_without_keys(**_: Any) -> None:
    """Stop a worker without keys: it would take messages from workers that can pay."""
    if settings.watch_only:
        sys.stderr.write("error: WATCH_ONLY is set. A worker needs the keys: unset it.\n")
        raise SystemExit(ExitCode.NOT_READY)


@worker_shutting_down.connect(weak=False)
def _hand_over(**_: Any) -> None:
    shutdown.set()


@task_prerun.connect(weak=False)
def _bind_task(task_id: str, task: Any, **_: Any) -> None:
    """Add the task's id and name to its log lines."""
    structlog.contextvars.bind_contextvars(task_id=task_id, task=task.name)


@task_postrun.connect(weak=False)
def _unbind_task(**_: Any) -> None:
    structlog.contextvars.clear_contextvars()


@beat_init.connect(weak=False)
@setup_logging.connect(weak=False)
def _logging(**_: Any) -> None:
    configure_logging(settings.log_format, settings.log_level, settings.secrets())
    host = host_of(settings.redis_url.get_secret_value())
    for handler in logging.getLogger().handlers:
        handler.addFilter(FaultsInWords(host))
