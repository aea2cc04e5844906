"""A table that keeps each value at the end of every recent slot."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Generic, TypeVar

V = TypeVar("V")

KEPT_SLOTS = 600


class Versions(Generic[V]):
    """Values by key, now and at recent slots. The latest slots can be undone."""

    def __init__(self) -> None:
        self._versions: dict[str, list[tuple[int, V | None]]] = {}
        self._changes: list[tuple[int, str]] = []

    def now(self, key: str) -> V | None:
        versions = self._versions.get(key)
        return versions[-1][1] if versions else None

    def at(self, key: str, slot: int) -> V | None:
        """The value at the end of a slot; None if the key did not exist."""
        for changed, value in reversed(self._versions.get(key, ())):
            if changed <= slot:
                return value
        return None

    def values(self) -> Iterator[V]:
        return (value for versions in self._versions.values() if (value := versions[-1][1]))

    def put(self, key: str, slot: int, value: V | None) -> None:
        versions = self._versions.setdefault(key, [])
        if versions and versions[-1][0] == slot:
            versions[-1] = (slot, value)
            return
        versions.append((slot, value))
        self._changes.append((slot, key))
        while len(versions) > 1 and versions[1][0] < slot - KEPT_SLOTS:
            versions.pop(0)

    def drop_after(self, slot: int) -> None:
        """Undo every change after a slot."""
        while self._changes and self._changes[-1][0] > slot:
            _, key = self._changes.pop()
            self._versions[key].pop()
            if not self._versions[key]:
                del self._versions[key]
