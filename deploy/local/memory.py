"""The memory of a state folder between commands: the engine and the port of each service."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

from deploy.local.state_files import write_atomically

MEMORY_FILE = "stack.json"


@dataclass(frozen=True)
class StackMemory:
    """The decisions of earlier commands. `external_uri` is the user's own MongoDB, if given."""

    engine: str | None = None
    external_uri: str | None = None
    ports: Mapping[str, int] = field(default_factory=dict)

    @classmethod
    def read(cls, state: Path) -> StackMemory:
        """The memory of a state folder; empty before the first `up`."""
        with contextlib.suppress(FileNotFoundError):
            return cls(**json.loads((state / MEMORY_FILE).read_text()))
        return cls()

    def write(self, state: Path) -> None:
        write_atomically(state / MEMORY_FILE, json.dumps(asdict(self), indent=1))
