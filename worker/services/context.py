"""The context of every service: the ports, and a few limits."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta

from worker.core.errors import NotReady, Refused
from worker.core.payout.looks.pace import Pace
from worker.core.payout.looks.paid_receipts import PaidReceipts
from worker.core.plan.rules import Rules, rules_from
from worker.ports.payout import Archive, Chain, Clock, Store


class Paused(NotReady):
    """An operator paused all signing."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"Signing is paused ({reason}). Continue with `kontrib resume`.")


class OutOfTime(Refused):
    """A piece of work took longer than its task may take."""

    def __init__(self) -> None:
        super().__init__(
            "The work took longer than a task may take, and was given up; nothing is left of it. "
            "Raise TASK_SOFT_LIMIT_SECONDS, or find what is slow: the database, an endpoint, or "
            "the plan archive."
        )


class Stopping(NotReady):
    """The worker is being stopped. Another one does its work."""

    def __init__(self) -> None:
        super().__init__("The worker was stopped during the work, which begins anew.")


@dataclass(frozen=True, slots=True)
class Limits:
    """Sizes and times. They change when work is done, never who is paid or how much."""

    plan_grace: timedelta = timedelta(minutes=10)
    clock_difference_max: timedelta = timedelta(minutes=5)
    """Less than the grace, so that a clock within it closes no running week."""
    lease: timedelta = timedelta(seconds=120)
    batches_per_task: int = 1024
    batches_in_flight: int = 2048
    batches_per_claim: int = 128
    poll_seconds: float = 0.5
    backoff_scale: float = 1.0


@dataclass(frozen=True, slots=True)
class Context:
    """The ports to the outside."""

    store: Store
    chain: Chain
    archive: Archive
    clock: Clock
    limits: Limits = field(default_factory=Limits)
    deadline: Deadline | None = None
    """The end of the time for writing a plan; None without an end."""
    paid_receipts: PaidReceipts = field(default_factory=PaidReceipts)
    """The receipts of genesis and roots that this process has read as paid."""
    pace: Pace = field(default_factory=Pace)
    """How long this process waits between two looks at the chain."""
    counted: Counter[str] = field(default_factory=Counter)
    """The counts of this process, for metrics."""

    def rules(self) -> Rules:
        return rules_from(self.store.rules_document())

    def wait_for_chain(self) -> None:
        """Sleep until a transaction of the last look has probably changed its state."""
        self.clock.sleep(self.pace.pause_seconds(self.limits.poll_seconds))

    def refuse_if_paused(self) -> None:
        """
        Raises:
            Paused: an operator stopped all signing.
        """
        if (reason := self.store.paused()) is not None:
            raise Paused(reason)

    def refuse_if_late(self) -> None:
        """
        Raises:
            OutOfTime, Stopping: the deadline has passed.
        """
        if self.deadline is not None and self.deadline.passed:
            raise Stopping if self.deadline.stopping else OutOfTime


class Deadline:
    """The end of the time that one piece of work may take.

    The deadline passes at once when `stopping` reports that this process is ending.
    """

    def __init__(
        self, clock: Clock, seconds: float, stopping: Callable[[], bool] = lambda: False
    ) -> None:
        self._clock, self._seen = clock, clock.now()
        self._end = self._seen + timedelta(seconds=seconds)
        self._stopping = stopping

    @property
    def stopping(self) -> bool:
        """Whether this process is ending."""
        return self._stopping()

    @property
    def left(self) -> timedelta:
        """The time until the end; zero after it."""
        return max(timedelta(), self._end - self._clock.now())

    @property
    def passed(self) -> bool:
        now = self._clock.now()
        if now < self._seen:
            self._end -= self._seen - now  # a clock that is set back gives no more time
        self._seen = now
        return self.stopping or now >= self._end
