"""Messages to people."""

from __future__ import annotations

from typing import Protocol


class Notifier(Protocol):
    """Tells people, somewhere they look at."""

    def notify(self, text: str) -> None:
        """
        Raises:
            Unreachable: it may not have arrived.
        """
        ...
