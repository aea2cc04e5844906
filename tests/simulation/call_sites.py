"""Where the services call the outside, read from their source: what the faults must cover."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import worker.services
from tests.simulation.faults import Call
from worker.ports import Archive, Chain, Store

SERVICES = Path(worker.services.__file__).parent
PORTS = {"store": Store, "chain": Chain, "archive": Archive}

NOT_ON_THE_MONEY_PATH = {
    "doctor.py": "only reads; its archive probe writes a file of no week",
    "counting.py": "adds to running counts for metrics",
    "ingest.py": "records contributions; every contribution counts once by its id",
    "metrics.py": "only reads, from the database alone",
    "preview.py": "only reads: what a plan would cost",
    "status.py": "only reads, from the database alone",
    "verdict.py": "only reads: what a person is told",
    "watch.py": "notes for people; no task of a payment calls it",
}
"""Modules without call sites to cover, each with the reason."""


@dataclass(frozen=True, slots=True, order=True)
class Site:
    """One call of a port's method in the source."""

    file: str
    first_line: int
    last_line: int
    method: str

    def is_hit_by(self, call: Call) -> bool:
        return (
            call.method == self.method
            and Path(call.file).name == self.file
            and self.first_line <= call.line <= self.last_line
        )

    def __str__(self) -> str:
        return f"{self.file}:{self.first_line} {self.method}"


def call_sites() -> list[Site]:
    """Every call of a store's, chain's or archive's method on the money path."""
    modules = sorted(SERVICES.glob("*.py"))
    return [s for m in modules if m.name not in NOT_ON_THE_MONEY_PATH for s in _sites_of(m)]


def _sites_of(module: Path) -> Iterator[Site]:
    for node in ast.walk(ast.parse(module.read_text())):
        if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)):
            continue
        port = PORTS.get(_last_name(node.func.value))
        if port is not None and hasattr(port, node.func.attr):
            yield Site(module.name, node.lineno, node.end_lineno or node.lineno, node.func.attr)


def _last_name(node: ast.expr) -> str:
    """`store` for `store`, `context.store` and `self._context.store` alike."""
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""
