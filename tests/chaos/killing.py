"""Kills worker processes like a machine without free memory: at once and at random."""

from __future__ import annotations

import contextlib
import random
import signal
from dataclasses import dataclass, field

import psutil

from tests.end_to_end.support.cluster import Cluster


@dataclass
class Killer:
    """Keeps `workers` workers running, and kills one of their processes on demand."""

    cluster: Cluster
    seed: int
    workers: int = 2
    children: int = 0
    parents: int = 0
    _random: random.Random = field(init=False)

    def __post_init__(self) -> None:
        self._random = random.Random(self.seed)
        for number in range(self.workers):
            self._start(number)

    @property
    def kills(self) -> int:
        return self.children + self.parents

    def kill_one(self) -> None:
        """Kill a random parent or child with SIGKILL; a parent is started again."""
        number = self._random.randrange(self.workers)
        parent = psutil.Process(self.cluster.processes[_name(number)].pid)
        family = [parent, *parent.children()]
        victim = self._random.choice(family)
        with contextlib.suppress(psutil.NoSuchProcess):
            victim.send_signal(signal.SIGKILL)
        if victim == parent:
            self.cluster.processes[_name(number)].wait(60)
            self.parents += 1
            self._start(number)
        else:
            self.children += 1

    def _start(self, number: int) -> None:
        self.cluster.start_worker(_name(number), concurrency=2)


def _name(number: int) -> str:
    return f"worker{number}"
