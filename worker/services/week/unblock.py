"""Lets a waiting week continue: approve its plan, end a pause, or try again now."""

from __future__ import annotations

from worker.core.errors import Refused
from worker.core.lifecycle import Stage
from worker.core.week import Week
from worker.ports.payout import Store
from worker.services.plan.planned_week import planned_distribution


class AnotherPlan(Refused):
    """The week has another plan than the one that an operator approves."""

    def __init__(self, week: Week, asked: bytes | None, root: bytes) -> None:
        what = "is to be named" if asked is None else f"is not {asked.hex()} any more"
        super().__init__(
            f"The plan of {week.label} {what}: the week has the plan {root.hex()}. Look at it with "
            f"`kontrib status {week.label}`, then run "
            f"`kontrib approve {week.label} --root {root.hex()}`."
        )


def approve_week(store: Store, week: Week, root: bytes | None) -> bool:
    """Let the plan with this root be anchored, and no other. False if the week is anchored.

    Raises:
        NotPlanned: there is no plan to approve.
        AnotherPlan: the week's plan has another root, or none was named.
    """
    known = planned_distribution(store, week)
    if known.stage.is_frozen:
        return False
    if root is None or not store.approve(week, root):
        raise AnotherPlan(week, root, known.root or b"")
    store.requeue(week)
    return True


def resume_signing(store: Store) -> None:
    """End a pause, and make every open week due now."""
    store.pause(None)
    for distribution in store.distributions():
        if distribution.stage is not Stage.COMPLETED:
            store.requeue(distribution.week)


def forget_waits(store: Store, week: Week) -> None:
    """Make due what waits for its next try: this week, and earlier ones that come before it.

    A week that stopped, or is completed, stays as it is until `retry`.
    """
    for known in store.distributions():
        is_over = known.stopped or known.stage is Stage.COMPLETED
        if known.week <= week and known.next_attempt_at is not None and not is_over:
            store.requeue(known.week)


def retry_week(store: Store, week: Week) -> int:
    """Make everything unresolved of a week due now, and return how many. Sends nothing itself.

    Safe at any state, any number of times.
    """
    return store.requeue(week)
