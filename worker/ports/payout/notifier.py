"""Messages to people."""

from __future__ import annotations

from typing import Protocol


class Notifier(Protocol):
    """Sends messages to a place where people read them."""

    def notify(self, text: str) -> None:
        """
        Raises:
            Unreachable: the message may not have arrived.
        """
        ...
