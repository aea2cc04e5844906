"""Looks at every RPC endpoint: for the doctor, and for watchers that have no endpoints."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

from worker.core.watch.figures import EndpointFigures
from worker.ports.payout import EndpointReport, Store
from worker.services.context import Context

ENDPOINTS = "endpoints"
SLOTS_BEHIND_MAX = 150
"""A node that is further behind knows no blockhash that is still valid."""


def problem_of(report: EndpointReport) -> str:
    """Why an endpoint cannot be used; empty for one that can."""
    far = f"it is {report.slots_behind} slots behind"
    return report.problem or (far if report.slots_behind > SLOTS_BEHIND_MAX else "")


def limits_text(reports: Sequence[EndpointReport]) -> str:
    """The limits of the endpoints, which kontrib keeps to, and how far they are behind."""
    notes = [f"{it.host}: {', '.join(it.limits)}" for it in reports if it.limits]
    notes += [f"{it.host}: {it.slots_behind} slots behind" for it in reports if it.slots_behind]
    return "; ".join(notes)


def record_endpoints(context: Context) -> list[EndpointFigures]:
    """Ask every endpoint, and store the answers."""
    found = [
        EndpointFigures(it.host, problem_of(it), it.slots_behind)
        for it in context.chain.endpoint_reports()
    ]
    context.store.record_figures(ENDPOINTS, {"endpoints": [asdict(each) for each in found]})
    return found


def endpoint_figures(store: Store) -> list[EndpointFigures]:
    """The endpoints as a worker last saw them."""
    found = store.figures(ENDPOINTS)
    return [EndpointFigures(**each) for each in found["endpoints"]] if found else []
