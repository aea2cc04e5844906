"""Finds in the services' source every external call that the faults must cover."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import worker.services
from tests.simulation.faults.faults import Call
from worker.ports.payout import Archive, Chain, Store

SERVICES = Path(worker.services.__file__).parent
PORTS = {"store": Store, "chain": Chain, "archive": Archive}

_SIGNS = ("sign", "sign_account_creations", "send", "record_attempts", "settle", "publish")
_PLANS = (
    "write_rewards",
    "write_payouts",
    "install_plan",
    "discard_plan",
    "discard_drafts",
    "discard_other_plans",
    "reset_week",
    "advance",
    "approve",
    "record_first_week",
)
_ORDERS = (
    "claim",
    "release",
    "mark_processing",
    "postpone",
    "record_failure",
    "requeue",
    "set_aside",
    "redirect",
    "hold",
    "mark_accounts_made",
)
DECIDES_PAYMENTS = frozenset(_SIGNS + _PLANS + _ORDERS)
"""A module that calls one of these can affect payments. The others read, or write notes."""

LEFT_OUT = {
    "watch/doctor.py": "its archive probe publishes a file of no week, and it reads the rest"
}
"""Modules that call one of them and cannot affect payments, each with the reason."""


@dataclass(frozen=True, slots=True, order=True)
class Site:
    """One call of a port's method in the source. `file` is relative to worker/services."""

    file: str
    first_line: int
    last_line: int
    method: str

    def is_hit_by(self, call: Call) -> bool:
        return (
            call.method == self.method
            and Path(call.file) == SERVICES / self.file
            and self.first_line <= call.line <= self.last_line
        )

    def __str__(self) -> str:
        return f"{self.file}:{self.first_line} {self.method}"


def money_path() -> list[Path]:
    """The modules that can affect payments, and all services that they import."""
    modules = {_below(module): module for module in SERVICES.rglob("*.py")}
    deciding = [m for name, m in modules.items() if name not in LEFT_OUT and _decides(m)]
    found, queue = set(deciding), list(deciding)
    while queue:
        for name in _imports(queue.pop()) & modules.keys():
            if modules[name] not in found:
                found.add(modules[name])
                queue.append(modules[name])
    return sorted(found)


def call_sites() -> list[Site]:
    """Every call of a store's, chain's or archive's method on the money path."""
    return [site for module in money_path() for site in _sites_of(module)]


def _decides(module: Path) -> bool:
    return any(site.method in DECIDES_PAYMENTS for site in _sites_of(module))


def _imports(module: Path) -> set[str]:
    """The services that a module imports from, as files relative to worker/services."""
    froms = [n for n in ast.walk(ast.parse(module.read_text())) if isinstance(n, ast.ImportFrom)]
    prefix = "worker.services."
    names = [node.module or "" for node in froms]
    ours = (name.removeprefix(prefix) for name in names if name.startswith(prefix))
    return {f"{name.replace('.', '/')}.py" for name in ours}


def _below(module: Path) -> str:
    return module.relative_to(SERVICES).as_posix()


def _sites_of(module: Path) -> Iterator[Site]:
    for node in ast.walk(ast.parse(module.read_text())):
        if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)):
            continue
        port = PORTS.get(_last_name(node.func.value))
        if port is not None and hasattr(port, node.func.attr):
            yield Site(_below(module), node.lineno, node.end_lineno or node.lineno, node.func.attr)


def _last_name(node: ast.expr) -> str:
    """The last name of an expression, such as `store` of `self._context.store`."""
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""
