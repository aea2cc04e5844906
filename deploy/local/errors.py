"""Failures of the local stack, one family. Each message names the next step."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from worker.core.errors import KontribError


class LocalStackError(KontribError):
    """The local stack cannot do its work. The base of every error in this package."""


class NoMongoEngine(LocalStackError):
    """No MongoDB engine is available here. `reasons` names the obstacle of each way."""

    def __init__(self, reasons: Mapping[str, str]) -> None:
        self.reasons = dict(reasons)
        ways = "\n".join(f"  - {way}: {reason}" for way, reason in self.reasons.items())
        super().__init__(f"No MongoDB engine can be started here. Open one of these ways:\n{ways}")


class EngineInstallFailed(LocalStackError):
    """A step of the one-time engine installation failed. The next run starts afresh."""

    def __init__(self, step: str, log: Path, log_tail: str) -> None:
        self.step = step
        self.log = log
        super().__init__(
            f"Installing the MongoDB engine failed at: {step}. Check the network and the disk "
            f"(1 GB), then run the command again. Full log: {log}\n{log_tail}"
        )


class LocalServiceFailed(LocalStackError):
    """A service of the stack did not start, or did not answer in time."""

    def __init__(self, name: str, reason: str, log: Path, log_tail: str) -> None:
        self.name = name
        self.reason = reason
        self.log = log
        shown = log_tail or "(the log is empty)"
        super().__init__(f"{name} {reason}. The end of its log, {log}:\n{shown}")


class ServiceNotKnown(LocalStackError):
    """The stack has no service of that name."""

    def __init__(self, name: str, known: list[str]) -> None:
        self.name = name
        super().__init__(f"No service named {name!r}. This stack has: {', '.join(known)}.")


class MongoUriUnreachable(LocalStackError):
    """The user's MONGO_URI does not answer. The stack never starts or replaces that server."""

    def __init__(self, reason: str) -> None:
        super().__init__(
            "MONGO_URI is set, but nothing answers there. Start that server, or unset MONGO_URI "
            f"to let the local stack start an engine of its own. Reason: {reason}"
        )


class EngineDataLost(LocalStackError):
    """The engine's files with this state's data are gone."""

    def __init__(self, root: Path) -> None:
        super().__init__(
            f"The database of this state lived in {root}, which is gone. Stop the stack with "
            "purge to begin with an empty database."
        )
