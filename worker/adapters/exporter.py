"""Exports the figures for Prometheus.

Moments are Unix timestamps, because only Prometheus knows the present time. 0 means never. Amounts
are base units and lamports, which are exact up to 2^53 (nine million KONTRIB).
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any, TypeVar

from prometheus_client import CollectorRegistry, start_http_server
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from worker.core.errors import KontribError
from worker.core.watch.figures import (
    RE_SIGNS,
    RPC_CALLS,
    RPC_ERRORS,
    BrokerFigures,
    EndpointFigures,
    Figures,
    FundsFigures,
    WeekFigures,
)

KEPT_SECONDS = 10.0
"""Figures are collected at most once in this time, however many readers ask."""

T = TypeVar("T")
Collect = Callable[[], Figures]
CollectBroker = Callable[[], BrokerFigures]
Collected = tuple[Figures | None, BrokerFigures | None]


class FiguresCollector(Collector):
    """Collects figures when Prometheus asks.

    Without a database, `database_up` is 0; without Redis, `redis_up` is 0.
    """

    def __init__(
        self, collect: Collect, collect_broker: CollectBroker, kept_seconds: float = KEPT_SECONDS
    ) -> None:
        self._collect, self._collect_broker = collect, collect_broker
        self._kept_seconds = kept_seconds
        self._lock = threading.Lock()
        self._kept: tuple[float, Collected] | None = None

    def collect(self) -> Iterator[Metric]:
        figures, broker = self._figures()
        yield _gauge(
            "redis_up",
            "1 if Redis can be used: it answers, and takes messages.",
            int(broker is not None),
        )
        if broker is not None:
            yield from _broker(broker)
        yield _gauge("database_up", "1 if the database answers.", int(figures is not None))
        if figures is not None:
            yield from _whole(figures)
            yield from _counts(figures.counts)
            yield from _funds(figures.funds)
            yield from _endpoints(figures.endpoints)
            yield from _weeks(figures.weeks)

    def _figures(self) -> Collected:
        with self._lock:
            now = time.monotonic()
            if self._kept is None or now - self._kept[0] >= self._kept_seconds:
                self._kept = (now, (_or_none(self._collect), _or_none(self._collect_broker)))
            return self._kept[1]


def _or_none(collect: Callable[[], T]) -> T | None:
    try:
        return collect()
    except KontribError:
        return None


def serve(collect: Collect, collect_broker: CollectBroker, address: str, port: int) -> Any:
    """Serve `/metrics` in the background; returns the server and its thread.

    Raises:
        OSError: the address is in use, or is not an address of this machine.
    """
    registry = CollectorRegistry(auto_describe=False)
    registry.register(FiguresCollector(collect, collect_broker))
    return start_http_server(port, address, registry)


def _broker(broker: BrokerFigures) -> Iterator[Metric]:
    waiting = GaugeMetricFamily("kontrib_queue_messages", "Waiting messages.", labels=["queue"])
    for queue, count in broker.waiting.items():
        waiting.add_metric([queue], count)
    yield waiting
    oldest = "When the message that waits longest was sent. 0 if no message waits."
    yield _gauge("queue_oldest_timestamp_seconds", oldest, broker.oldest_sent_at or 0)
    yield _gauge("workers", "Celery workers that answer.", broker.workers)


def _whole(figures: Figures) -> Iterator[Metric]:
    last = "The last time a week was completed."
    yield _gauge("last_success_timestamp_seconds", last, _seconds(figures.last_success))
    yield _gauge(
        "distributions_open", "Weeks that are over, but not completed.", figures.weeks_open
    )
    yield _gauge("distributions_stopped", "Weeks that wait for an operator.", figures.weeks_stopped)
    yield _gauge("paused", "1 if signing is paused.", int(figures.is_paused))
    beat = "The last sweep by a worker, on behalf of beat."
    yield _gauge("beat_timestamp_seconds", beat, _seconds(figures.beat_at))
    canary = "The last run of the task that runs every minute."
    yield _gauge("canary_timestamp_seconds", canary, _seconds(figures.canary_at))


def _counts(counts: Mapping[str, int]) -> Iterator[Metric]:
    again = CounterMetricFamily("kontrib_re_signs", "Payments signed again.")
    again.add_metric([], counts.get(RE_SIGNS, 0))
    yield again
    calls = CounterMetricFamily("kontrib_rpc_calls", "RPC calls.", labels=["method"])
    errors = CounterMetricFamily("kontrib_rpc_errors", "Failed RPC requests.", labels=["kind"])
    for name, count in sorted(counts.items()):
        if name.startswith(RPC_CALLS):
            calls.add_metric([name.removeprefix(RPC_CALLS)], count)
        if name.startswith(RPC_ERRORS):
            errors.add_metric([name.removeprefix(RPC_ERRORS)], count)
    yield calls
    yield errors


def _funds(funds: FundsFigures | None) -> Iterator[Metric]:
    seen = "The last time a worker read the balance of the treasury."
    yield _gauge("funds_timestamp_seconds", seen, _seconds(funds.at if funds else None))
    if funds is None:
        return
    yield _gauge("treasury_base_units", "Base units in the source account.", funds.base_units)
    needed = "Base units that the coming week and all open weeks need."
    yield _gauge("treasury_needed_base_units", needed, funds.base_units_needed)
    if funds.allowance_base_units is not None:
        allowance = "Base units that the delegate may still move."
        yield _gauge("allowance_base_units", allowance, funds.allowance_base_units)
    yield _gauge("fee_payer_lamports", "Lamports of the fee payer.", funds.lamports)
    needed = "Estimated lamports that the coming week and all open weeks need."
    yield _gauge("fee_payer_needed_lamports", needed, funds.lamports_needed)


def _endpoints(endpoints: Iterable[EndpointFigures]) -> Iterator[Metric]:
    text = "1 if a worker could use the RPC endpoint."
    usable = GaugeMetricFamily("kontrib_endpoint_usable", text, labels=["endpoint"])
    text = "Finalized slots of the RPC endpoint behind the newest one."
    behind = GaugeMetricFamily("kontrib_endpoint_slots_behind", text, labels=["endpoint"])
    for each in endpoints:
        usable.add_metric([each.host], int(not each.problem))
        behind.add_metric([each.host], each.slots_behind)
    yield from (usable, behind)


def _weeks(weeks: Iterable[WeekFigures]) -> Iterator[Metric]:
    rewards = _family("rewards", "Rewards of a week.", "status")
    payouts = _family("batches", "Batches of a week.", "status")
    amounts = _family("amount_base_units", "Base units of a week.", "state")
    stages = _family("stage_duration_seconds", "Seconds that a stage took.", "stage")
    compared = _family("reconciliation_timestamp_seconds", "The last comparison of the books.")
    mismatch = _family(
        "reconciliation_mismatch_base_units", "Difference between plan, database and chain."
    )
    differences = _family("reconciliation_differences", "Payouts that differ.")
    for week in weeks:
        label = week.week.label
        for family, values in (
            (rewards, week.rewards),
            (payouts, week.payouts),
            (amounts, week.amounts),
            (stages, week.stage_seconds),
        ):
            for key, value in values.items():
                family.add_metric([label, str(key)], value)
        if (found := week.reconciliation) is not None:
            compared.add_metric([label], _seconds(found.at))
            mismatch.add_metric([label], found.mismatch)
            differences.add_metric([label], found.differences)
    yield from (rewards, payouts, amounts, stages, compared, mismatch, differences)


def _family(name: str, text: str, *labels: str) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"kontrib_{name}", text, labels=["week", *labels])


def _gauge(name: str, text: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"kontrib_{name}", text, value=value)


def _seconds(moment: datetime | None) -> float:
    return moment.timestamp() if moment else 0.0
