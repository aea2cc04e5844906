"""The states of weeks, rewards and payouts, and the order of a week's stages.

Readers see the four words of the owner's schema (pending, processing, completed, failed).
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from typing import TypeVar

from worker.core.errors import Refused


class Stage(enum.StrEnum):
    """The stages of a week, in order. Only a completed week can go back, by one stage."""

    DUE = "due"
    PLANNED = "planned"
    ANCHORED = "anchored"
    PREPARED = "prepared"
    COMPLETED = "completed"

    @property
    def is_frozen(self) -> bool:
        """Whether the plan is final."""
        return self in (Stage.ANCHORED, Stage.PREPARED, Stage.COMPLETED)

    @property
    def is_payable(self) -> bool:
        return self is Stage.PREPARED or self is Stage.COMPLETED


class Status(enum.StrEnum):
    """The schema's words, for distributions and rewards alike."""

    PENDING = "pending"
    PROCESSING = "processing"
    COMPLETED = "completed"
    FAILED = "failed"


class PayoutStatus(enum.StrEnum):
    """The state of a payout. `PAID` and `VOID` come from the chain, and no write changes them.

    A `PROCESSING` payout was signed. It never goes back to `PENDING`.
    """

    PENDING = "pending"
    PROCESSING = "processing"
    PAID = "paid"
    VOID = "void"

    @property
    def is_resolved(self) -> bool:
        return self in (PayoutStatus.PAID, PayoutStatus.VOID)


class IllegalTransition(Refused):
    """The table of states does not allow the step."""

    def __init__(
        self,
        subject: str,
        current: object,
        wanted: object,
        hint: str = "Another worker or operator was faster; look with `kontrib status`.",
    ) -> None:
        super().__init__(f"{subject} is {current} and cannot become {wanted}. {hint}")


STAGES: Mapping[Stage, frozenset[Stage]] = {
    Stage.DUE: frozenset({Stage.PLANNED}),
    # A plan that another operator anchored first is adopted: the stage stays, the plan changes.
    Stage.PLANNED: frozenset({Stage.PLANNED, Stage.ANCHORED}),
    Stage.ANCHORED: frozenset({Stage.PREPARED}),
    Stage.PREPARED: frozenset({Stage.COMPLETED}),
    # A held reward that became payable reopens the week's books, not its plan.
    Stage.COMPLETED: frozenset({Stage.PREPARED}),
}

State = TypeVar("State", bound=enum.StrEnum)


def check_transition(
    table: Mapping[State, frozenset[State]], subject: str, current: State, wanted: State
) -> None:
    """
    Raises:
        IllegalTransition: the table does not allow the step.
    """
    if wanted not in table[current]:
        raise IllegalTransition(subject, current.value, wanted.value)


def status_of(stage: Stage, *, stopped: bool) -> Status:
    """The schema's word for a distribution. `stopped`: its retries ran out."""
    if stage is Stage.COMPLETED:
        return Status.COMPLETED
    if stopped:
        return Status.FAILED
    return Status.PENDING if stage in (Stage.DUE, Stage.PLANNED) else Status.PROCESSING
