"""Expected failures: one family, so that a bug is never mistaken for one of them.

Each error is named by what happened, carries the facts as attributes, and its message says what
to do. The command line turns `exit_code` into its own; no traceback is shown for any of them.
"""

from __future__ import annotations


class KontribError(Exception):
    """An expected failure. Every other exception is a bug."""

    exit_code = 1


class UsageError(KontribError):
    """The request makes no sense; asking again will not help."""

    exit_code = 2


class NotReady(KontribError):
    """Something outside must happen first: funds, genesis, an approval, a reachable server."""

    exit_code = 3


class Unreachable(NotReady):
    """A server did not answer. Whether it acted on the request is unknown."""


class Refused(KontribError):
    """A safeguard refused. Nothing was signed or sent."""
