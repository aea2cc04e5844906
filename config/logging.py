"""Structured logs: JSON for machines, colours for people."""

from __future__ import annotations

import io
import logging
import sys
from collections.abc import Iterable, MutableMapping
from typing import Any, TextIO

import structlog

from config.secrets import Hiding
from config.visible_text import visible, visible_line


def configure_logging(
    log_format: str = "auto", level: str = "INFO", secrets: Iterable[str] = ()
) -> None:
    """Send structlog and the standard library's records to stderr in one format.

    `log_format` is `json`, `console`, or `auto`: console on a terminal, else JSON. Texts in
    `secrets` are hidden everywhere, even in the traceback of a library.
    """
    as_json = log_format == "json" or (log_format == "auto" and not sys.stderr.isatty())
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_HidingFormatter(secrets, as_json=as_json, shared=shared))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    # These log every request, with URLs that may carry an API key.
    for noisy in ("httpx", "httpx2", "httpcore", "httpcore2", "urllib3"):
        logging.getLogger(noisy).setLevel(logging.WARNING)


class _HidingFormatter(structlog.stdlib.ProcessorFormatter):
    """Writes a record, and hides secrets in the finished text.

    Our own code logs no secrets, but a library's error may contain one.
    """

    def __init__(self, secrets: Iterable[str], *, as_json: bool, shared: list[Any]) -> None:
        self._hiding = Hiding(secrets)
        renderer: Any = structlog.processors.JSONRenderer() if as_json else _console()
        before = structlog.processors.format_exc_info if as_json else _escape_values
        super().__init__(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                before,
                renderer,
            ],
        )

    def format(self, record: logging.LogRecord) -> str:
        return self._hiding(super().format(record))


def _console() -> structlog.dev.ConsoleRenderer:
    # The default prints the local variables of every frame, including keys and passwords.
    return structlog.dev.ConsoleRenderer(exception_formatter=_safe_traceback)


def _escape_values(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> Any:
    """Show control characters as escapes: only the renderer may colour a line."""
    return {
        key: visible_line(value) if isinstance(value, str) else value
        for key, value in event.items()
    }


def _safe_traceback(stream: TextIO, exception: Any) -> None:
    text = io.StringIO()
    structlog.dev.plain_traceback(text, exception)
    stream.write(visible(text.getvalue()))
