"""Expected failures. They form one family: every other exception is a bug.

The name of each error says what happened, and its message says what to do. A command that fails
with such an error exits with its `exit_code` and shows no traceback.
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
    """The request is wrong. It fails again until it is corrected."""

    exit_code = ExitCode.WRONG_USAGE


class NotReady(KontribError):
    """An outside event must come first: funds, genesis, an approval, a reachable server."""

    exit_code = ExitCode.NOT_READY


class Unreachable(NotReady):
    """A server did not answer. It may have acted on the request."""


class Refused(KontribError):
    """A safeguard refused. Nothing was signed or sent."""
