"""Expected failures: one family, so that no bug is taken for one of them.

The name of each error says what happened. It carries the facts as attributes, and its message
says what to do. A command that fails with one exits with its `exit_code` and shows no traceback.
"""

from __future__ import annotations

import enum


class ExitCode(enum.IntEnum):
    """The exit codes of `kontrib` and of the processes beside it."""

    DONE = 0
    FAILED = 1
    WRONG_USAGE = 2
    NOT_READY = 3
    INTERRUPTED = 130


class KontribError(Exception):
    """An expected failure. Every other exception is a bug."""

    exit_code = ExitCode.FAILED


class UsageError(KontribError):
    """The request makes no sense; asking again will not help."""

    exit_code = ExitCode.WRONG_USAGE


class NotReady(KontribError):
    """Something outside must happen first: funds, genesis, an approval, a reachable server."""

    exit_code = ExitCode.NOT_READY


class Unreachable(NotReady):
    """A server did not answer. Whether it acted on the request is unknown."""


class Refused(KontribError):
    """A safeguard refused. Nothing was signed or sent."""
