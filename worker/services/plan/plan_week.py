"""Plan a week: compute it, write it under a draft id, read it back, publish it, make it the plan.

Every contribution counts in exactly one week. So the cut-off of an anchored week is read from the
chain, and only a week without an anchor takes it from the clock. Weeks are planned in order, empty
ones too.
"""

from __future__ import annotations

import math
import uuid
from dataclasses import dataclass
from datetime import timedelta

from worker.core.errors import NotReady, Refused, UsageError
from worker.core.payout.historic import HistoricWeek
from worker.core.plan.commitment import Header
from worker.core.plan.memo import AnchorMemo
from worker.core.plan.receipts import ReceiptState, anchor_id, anchor_ids
from worker.core.week import Week
from worker.services.context import Context
from worker.services.plan.adopt import adopt_anchored_plan
from worker.services.plan.draft import Draft, Previous, make_draft
from worker.services.plan.genesis import BeforeFirstWeek, first_week
from worker.services.plan.publish import (
    install_plan,
    publish_plan,
    with_marks,
    write_plan,
)
from worker.services.plan.seal import AnchorUnknown


class WeekNotOver(UsageError):
    """The week, or its grace, still runs."""

    def __init__(self, week: Week, until: str) -> None:
        super().__init__(f"{week.label} is not over: it can be planned from {until} UTC on.")


class PreviousWeekOpen(NotReady):
    """Weeks are planned in order, and the one before is not anchored yet."""

    def __init__(self, week: Week, previous: Week) -> None:
        super().__init__(
            f"{week.label} waits for {previous.label}, which is not anchored yet. "
            f"See `kontrib status {previous.label}`."
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
        MintUnusable, ...: see `check_plannable` and `make_draft`.
    """
    first = check_plannable(context, week, at_once=at_once)
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
    draft = make_draft(context, week, first, _next_cutoff(context), previous)
    return _install(context, draft)


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
    cutoff = math.ceil(context.clock.now().timestamp())
    try:
        previous = previous_plan(context, week, first)
    except PreviousWeekOpen:
        previous = Previous()
    return make_draft(context, week, first, cutoff, previous)


def previous_plan(context: Context, week: Week, first: Week) -> Previous:
    """Root and cut-off of the week before, as the chain confirms them.

    The stored header is used if its root has a receipt, else the memo of the anchor.

    Raises:
        PreviousWeekOpen: the week before is not anchored at finalized.
    """
    if week == first:
        return Previous()
    before = week.previous()
    stored = context.store.distribution(before)
    if stored and stored.root:
        _, root_id = anchor_ids(before, stored.root)
        is_anchored = context.chain.receipts([root_id])[root_id] is ReceiptState.PAID
        if is_anchored and (planned := stored.planned) is not None:
            return Previous(planned.root, planned.header.cutoff)
    execution = context.chain.executions([anchor_id(before)]).get(anchor_id(before))
    if execution is None:
        raise PreviousWeekOpen(week, before)
    memo = AnchorMemo.parse(execution.memo)
    return Previous(memo.root, memo.cutoff)


def _next_cutoff(context: Context) -> int:
    """Wait for the next whole second and return it. Contributions recorded later are late."""
    cutoff = math.floor(context.clock.now().timestamp()) + 1
    while (remaining := cutoff - context.clock.now().timestamp()) > 0:
        context.clock.sleep(remaining)
    return cutoff


def _install(context: Context, draft: Draft) -> Planned:
    """Write, read back, publish, and make it the plan by compare-and-set."""
    plan_id, week = uuid.uuid4().hex, draft.header.week
    rewards = with_marks(context, week, draft.rewards(plan_id))
    seal = write_plan(context, draft.header, rewards, plan_id)
    publish_plan(context, seal, plan_id)
    if install_plan(context, seal, draft.notes, plan_id, replacing=None):
        return Planned("made", draft.header, seal.root)
    winner = context.store.distribution(week)
    if winner is None or (planned := winner.planned) is None:
        raise PlanningRaced(week)
    return Planned("found", planned.header, planned.root)
