"""Faults of a fake chain: of its endpoints, and before or after each call."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import wraps
from typing import Concatenate, ParamSpec, Protocol, TypeVar


class Observed(Protocol):
    """Functions that run before or after a call, to fail, crash or change something."""

    before: Callable[[str], None]
    after: Callable[[str], None]


P = ParamSpec("P")
R = TypeVar("R")
S = TypeVar("S", bound=Observed)


@dataclass(slots=True)
class FakeEndpoint:
    """One view of the ledger: a URL with many nodes. It can lag behind, or not answer."""

    lag_slots: int = 0
    down: bool = False
    late: dict[str, int] = field(default_factory=dict)
    """Further slots by which the nodes that answer a method are behind, by its name."""
    refuses_samples: str = ""
    """Why it takes no transaction of the largest size; empty if it does."""

    def lag(self, method: str) -> int:
        return self.lag_slots + self.late.get(method, 0)


def observed(
    method: Callable[Concatenate[S, P], R],
) -> Callable[Concatenate[S, P], R]:
    """Call `before` and `after` around a method, with its name."""

    @wraps(method)
    def wrapped(self: S, /, *args: P.args, **kwargs: P.kwargs) -> R:
        self.before(method.__name__)
        result = method(self, *args, **kwargs)
        self.after(method.__name__)
        return result

    return wrapped
