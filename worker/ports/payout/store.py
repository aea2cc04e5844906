"""The whole database behind one port."""

from __future__ import annotations

from typing import Protocol

from worker.ports.payout.control_store import ControlStore
from worker.ports.payout.payout_store import PayoutStore
from worker.ports.payout.plan_store import PlanStore
from worker.ports.payout.wiki_store import WikiStore


class Store(WikiStore, PlanStore, PayoutStore, ControlStore, Protocol):
    """The whole database."""
