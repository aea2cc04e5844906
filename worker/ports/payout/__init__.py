"""The ports that planning and paying use. Bulk and synchronous: many items in, many out.

Each port has a real adapter and an in-memory twin, and one contract suite that both pass
(tests/contracts). A method that cannot reach its server raises `Unreachable`. The outcome of the
request is then unknown, and the services treat it as unknown.
"""

from __future__ import annotations

from typing import Protocol

from worker.ports.payout.chain import (
    Chain,
    EndpointReport,
    Outflow,
    PublicAddresses,
    PublicChain,
    Signed,
)
from worker.ports.payout.control_store import ControlStore
from worker.ports.payout.cost_store import CostStore
from worker.ports.payout.payout_store import PayoutStore
from worker.ports.payout.plan_store import PlanStore
from worker.ports.payout.surroundings import Archive, Clock, Notifier
from worker.ports.payout.wiki_store import WikiStore

__all__ = [
    "Archive",
    "Chain",
    "Clock",
    "ControlStore",
    "CostStore",
    "EndpointReport",
    "Notifier",
    "Outflow",
    "PayoutStore",
    "PlanStore",
    "PublicAddresses",
    "PublicChain",
    "Signed",
    "Store",
    "WikiStore",
]


class Store(WikiStore, PlanStore, PayoutStore, CostStore, ControlStore, Protocol):
    """The whole database."""
