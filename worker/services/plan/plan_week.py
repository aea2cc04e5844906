"""Plan a week: compute it, write it under a draft id, read it back, publish it, make it the plan.

Every contribution counts in exactly one week. So the cut-off of an anchored week is read from the
chain, and only a week without an anchor takes it from the clock. Weeks are planned in order, empty
ones too.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import timedelta

from worker.core.errors import NotReady, Refused, UsageError
from worker.core.payout.historic import HistoricWeek
from worker.core.plan.commitment import Header
from worker.core.plan.receipts import ReceiptState, anchor_id
from worker.core.week import Week
from worker.services.context import Context
from worker.services.plan.adopt import adopt_anchored_plan
from worker.services.plan.anchored.previous import Previous, PreviousWeekOpen, previous_plan
from worker.services.plan.cluster.clock import check_clock, check_order, next_cutoff
from worker.services.plan.draft import Draft, make_draft
from worker.services.plan.genesis import first_week
from worker.services.plan.publish import (
    counted_try,
    install_plan,
    new_draft,
    with_marks,
    write_and_publish_plan,
)
from worker.services.plan.seal import AnchorUnknown


class WeekNotOver(UsageError):
    """The week, or its grace, still runs."""

    def __init__(self, week: Week, until: str) -> None:
        super().__init__(f"{week.label} is not over: it can be planned from {until} UTC on.")


class BeforeFirstWeek(UsageError):
    """The week lies before the first one that this receipt key may pay."""

    def __init__(self, week: Week, first_week: Week) -> None:
        super().__init__(
            f"{week.label} lies before the first week, {first_week.label}. It is never planned."
        )


class DistributedElsewhere(Refused):
    """Another system has distributed the week."""

    def __init__(self, week: Week, historic: HistoricWeek) -> None:
        super().__init__(historic.blocks(week))


class PlanningRaced(NotReady):
    """Another worker changed the week while this one planned it."""

    def __init__(self, week: Week) -> None:
        super().__init__(f"{week.label} was changed by another worker; it is planned again.")


@dataclass(frozen=True, slots=True)
class Planned:
    """A week's plan, and how it got into the database: `made`, `adopted` or `found`."""

    how: str
    header: Header
    root: bytes


def check_plannable(context: Context, week: Week, *, at_once: bool) -> Week:
    """Check that a week may be planned, and return the first week. `at_once` skips the grace.

    Raises:
        NoGenesis, BeforeFirstWeek, WeekNotOver: the week is not planned.
        DistributedElsewhere: another system has distributed the week.
    """
    grace = timedelta() if at_once else context.limits.plan_grace
    if context.clock.now() < week.end + grace:
        raise WeekNotOver(week, f"{week.end + grace:%Y-%m-%d %H:%M}")
    first = first_week(context)
    if week < first:
        raise BeforeFirstWeek(week, first)
    known = context.store.distribution(week)
    if known is not None and known.historic is not None:
        raise DistributedElsewhere(week, known.historic)
    return first


def plan_week(context: Context, week: Week, *, at_once: bool = False) -> Planned:
    """Make the week's plan, or adopt the one that is anchored. Idempotent.

    Raises:
        PreviousWeekOpen: the week before is not anchored.
        ClockDiffers, BlockTimeUnknown, CutoffBeforeLast: the cut-off could lose or repeat points.
        MintUnusable, ...: see `check_plannable` and `make_draft`.
    """
    first = check_plannable(context, week, at_once=at_once)
    if context.store.distribution(week) is None:
        # A failure from here on needs a place for its reason.
        context.store.ensure_distribution(week, context.clock.now())
    context.chain.check_mint()
    context.chain.check_endpoints()
    known = context.store.ensure_distribution(week, context.clock.now())
    if known.historic is not None:  # since the check above
        raise DistributedElsewhere(week, known.historic)
    if (planned := known.planned) is not None:
        return Planned("found", planned.header, planned.root)
    anchor = context.chain.receipts([anchor_id(week)])[anchor_id(week)]
    if anchor is ReceiptState.UNKNOWN:
        raise AnchorUnknown(week, context.chain.endpoint_troubles)
    if anchor is not ReceiptState.FREE:
        seal = adopt_anchored_plan(context, week, first)
        return Planned("adopted", seal.header, seal.root)
    previous = previous_plan(context, week, first)
    cutoff = next_cutoff(context, week, previous.cutoff)
    with counted_try(context, week):
        return _install(context, make_draft(context, week, cutoff, previous))


def plan_again(context: Context, week: Week) -> Planned:
    """Forget a plan that is not anchored, and plan the week from today's data.

    If the old plan's anchor lands nevertheless, its published file is adopted.
    """
    known = context.store.distribution(week)
    if known is not None and known.plan_id is not None and not known.stage.is_frozen:
        context.store.reset_week(week, context.clock.now())
    return plan_week(context, week, at_once=True)


def dry_run(context: Context, week: Week) -> Draft:
    """The plan that the current data gives, even if the week before is open. Writes nothing."""
    first = check_plannable(context, week, at_once=True)
    context.chain.check_mint()
    context.chain.check_endpoints()
    try:
        previous = previous_plan(context, week, first)
    except PreviousWeekOpen:
        previous = Previous(first)
    check_clock(context)
    cutoff = math.ceil(context.clock.now().timestamp())
    check_order(week, cutoff, previous.cutoff)
    return make_draft(context, week, cutoff, previous)


def _install(context: Context, draft: Draft) -> Planned:
    """Write, read back, publish, and make it the plan by compare-and-set."""
    week = draft.header.week
    with new_draft(context, week) as plan_id:
        rewards = with_marks(context, week, draft.rewards(plan_id))
        seal = write_and_publish_plan(context, draft.header, rewards, plan_id)
    if install_plan(context, seal, draft.notes, plan_id, replacing=None):
        return Planned("made", draft.header, seal.root)
    winner = context.store.distribution(week)
    if winner is None or (planned := winner.planned) is None:
        raise PlanningRaced(week)
    return Planned("found", planned.header, planned.root)
