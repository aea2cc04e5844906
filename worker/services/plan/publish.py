"""Make a plan durable before it is anchored: write a draft, publish its file, and install it."""

from __future__ import annotations

import itertools
import uuid
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import timedelta
from functools import partial

from worker.core.chunks import chunks
from worker.core.errors import Refused
from worker.core.lifecycle import Stage, Status
from worker.core.money import BaseUnits
from worker.core.payout.records import Payout, PayoutKind, PlanNotes, Reward
from worker.core.plan.commitment import Header, PlanDoesNotMatchRoot, Seal, SealBuilder
from worker.core.plan.planned_week import PlannedWeek
from worker.core.plan.receipts import anchor_id
from worker.core.week import Week
from worker.ports.payout import Store
from worker.services.ahead import meanwhile, side_by_side
from worker.services.context import Context, OutOfTime
from worker.services.plan.seal import read_header, seal_of_lines, stored_rows

CHUNK_WRITTEN = 600
KILLED_MAX = 3
TASK_OVERRUN = 2
"""A task ends within this many times its deadline: its hard limit comes soon after."""
_TRIES = "planning"
PLANNING_MAX = timedelta(hours=5)
"""A plan that took longer is not installed: another planner may be about to remove its draft."""
DRAFT_LIFETIME = PLANNING_MAX + timedelta(hours=1)
"""An older draft belongs to a planner that was killed, whatever the clocks differ by."""


class PlannerKilled(Refused):
    """The processes that planned a week ended without a word, several times in a row."""

    def __init__(self, week: Week, tries: int) -> None:
        super().__init__(
            f"{tries} workers were killed while they planned {week.label}: the memory was too "
            "small, or TASK_HARD_LIMIT_SECONDS was over. Look at the worker's and the system's log."
        )


@contextmanager
def counted_try(context: Context, week: Week) -> Iterator[None]:
    """Note a try of planning before it begins, because a killed process cannot count it.

    Another try may still run, on another worker. So one counts as killed after the time by which it
    would have ended.

    Raises:
        PlannerKilled: the last tries did not even end with an error.
    """
    found, now = context.store.figures(_TRIES), context.clock.now().timestamp()
    ends = found.get("ends", []) if found.get("week") == week.id else []
    killed = sum(end < now for end in ends)
    longest = PLANNING_MAX if context.deadline is None else TASK_OVERRUN * context.deadline.left
    ends = [*ends, now + longest.total_seconds()]
    context.store.record_figures(_TRIES, {"week": week.id, "ends": ends})
    try:
        if killed >= KILLED_MAX:
            raise PlannerKilled(week, killed)
        yield
    finally:
        context.store.record_figures(_TRIES, {"week": week.id, "ends": []})


@contextmanager
def new_draft(context: Context, week: Week) -> Iterator[str]:
    """A new plan id. After a failure, nothing that was written under it remains.

    Planners that were killed could not tidy up. The next one removes their drafts.

    Raises:
        OutOfTime: the draft is so old that another planner may remove it.
    """
    began = context.clock.now()
    context.store.discard_drafts(week, began - DRAFT_LIFETIME)
    plan_id = uuid.uuid4().hex
    try:
        yield plan_id
        if context.clock.now() - began > PLANNING_MAX:
            raise OutOfTime
    except BaseException:
        with suppress(Exception):  # the first failure is the reason
            context.store.discard_plan(plan_id)
        raise


def write_plan(context: Context, header: Header, rewards: Iterator[Reward], plan_id: str) -> Seal:
    """Write a draft's rewards and payouts. Returns the seal of the rows read back.

    Raises:
        PlanDoesNotMatchRoot: the rows read back differ from the rows written.
    """
    seal, amounts = _write_rewards(context, header, rewards)
    for _ in _lines_read_back(context, seal, plan_id):
        pass
    _write_payouts(context, seal, plan_id, amounts)
    return seal


def write_and_publish_plan(
    context: Context, header: Header, rewards: Iterator[Reward], plan_id: str
) -> Seal:
    """As `write_plan`, and publish the rows read back outside the database, under their root.

    One reading serves both: the archive keeps a file only if its last line was reached, and the
    error of rows that differ comes before it.

    Raises:
        PlanDoesNotMatchRoot: the rows read back differ from the rows written.
        Unreachable: the archive cannot be used, or does not return the file as it was written.
    """
    seal, amounts = _write_rewards(context, header, rewards)
    lines = itertools.chain([header.canonical()], _lines_read_back(context, seal, plan_id))
    with meanwhile(partial(_write_payouts, context, seal, plan_id, amounts)) as written:
        context.archive.publish(header.week, seal.root, lines)
    written.result()
    return seal


def _write_rewards(
    context: Context, header: Header, rewards: Iterator[Reward]
) -> tuple[Seal, list[int]]:
    """Write a draft's rewards. Returns their seal, and the amount of each batch in base units."""
    now, written = context.clock.now(), SealBuilder(header)
    amounts = [0] * header.batches

    def sealed() -> Iterator[list[Reward]]:
        for chunk in chunks(rewards, CHUNK_WRITTEN):
            context.refuse_if_late()
            for reward in chunk:
                written.add(reward.row)
                if reward.row.batch:
                    amounts[reward.position // header.batch_size] += reward.row.amount
            yield chunk

    def write(chunk: Sequence[Reward]) -> None:
        context.store.write_rewards(chunk, header.week, now)

    side_by_side(write, sealed())
    return written.seal(), amounts


def _lines_read_back(context: Context, seal: Seal, plan_id: str) -> Iterator[bytes]:
    """The canonical lines of a draft's rows, as they are stored.

    Raises:
        PlanDoesNotMatchRoot: after the last line, if the rows differ from those of the seal.
    """
    header, found = seal.header, SealBuilder(seal.header)
    for row in stored_rows(context, plan_id, range(header.rewards)):
        line = row.canonical()
        found.add_line(line)
        yield line
    if (root := found.seal().root) != seal.root:
        raise PlanDoesNotMatchRoot(f"The plan of {header.week} as written", seal.root, root)


def with_marks(context: Context, week: Week, rewards: Iterable[Reward]) -> Iterator[Reward]:
    """The rewards, with the holds and redirects that operators made under earlier plan ids."""
    marked = {reward.user_id: reward for reward in context.store.marked_rewards(week)}
    for reward in rewards:
        if (mark := marked.get(reward.user_id)) is None:
            yield reward
        else:
            hold, wallet = mark.operator_hold, mark.redirected_to
            yield replace(reward, operator_hold=hold, redirected_to=wallet)


def held_by_operators(store: Store, week: Week) -> set[str]:
    """The users whose reward an operator holds, under any plan id of the week."""
    return {r.user_id for r in store.marked_rewards(week) if r.operator_hold is not None}


def held_in_batches(store: Store, planned: PlannedWeek) -> list[Reward]:
    """Unpaid rewards that an operator holds, although the plan pays them with a batch."""
    return [
        reward
        for reward in store.marked_rewards(planned.week)
        if reward.plan_id == planned.plan_id and reward.operator_hold is not None
        if reward.row.batch and reward.status is not Status.COMPLETED
    ]


def _write_payouts(context: Context, seal: Seal, plan_id: str, amounts: Sequence[int]) -> None:
    header = seal.header
    anchor = Payout(
        id=anchor_id(header.week),
        plan_id=plan_id,
        week=header.week,
        kind=PayoutKind.ANCHOR,
        index=0,
        rewards=0,
        amount=BaseUnits(0),
    )
    context.store.write_payouts([anchor], [b""])

    def write(indexes: Sequence[int]) -> None:
        batches = [
            Payout(
                id=str(header.batch_id(index)),
                plan_id=plan_id,
                week=header.week,
                kind=PayoutKind.BATCH,
                index=index,
                rewards=len(header.batch_positions(index)),
                amount=BaseUnits(amounts[index]),
            )
            for index in indexes
        ]
        context.store.write_payouts(batches, [seal.batch_roots[i] for i in indexes])

    side_by_side(write, chunks(range(header.batches), CHUNK_WRITTEN))


def check_published(context: Context, seal: Seal) -> None:
    """
    Raises:
        PlanDoesNotMatchRoot: the published file is missing, or is not the plan.
    """
    if not is_published(context, seal.header.week, seal.root):
        raise PlanDoesNotMatchRoot(f"The published plan of {seal.header.week}", seal.root, b"")


def is_published(context: Context, week: Week, root: bytes) -> bool:
    """Whether the archive holds the file of the plan with that root.

    Raises:
        PlanDoesNotMatchRoot: the file holds another plan.
    """
    return published_header(context, week, root) is not None


def published_header(context: Context, week: Week, root: bytes) -> Header | None:
    """The header of the published plan with that root, proven by all its rows; None without a file.

    The root commits to every byte of each line, so the rows need no parsing.

    Raises:
        PlanDoesNotMatchRoot: the file holds another plan.
        MalformedPlan: the file is not a plan.
    """
    published = context.archive.fetch(week, root)
    if published is None:
        return None
    with published as lines:
        header = read_header(lines)
        found = seal_of_lines(header, lines).root
    if found != root:
        raise PlanDoesNotMatchRoot(f"The published plan of {week.label}", root, found)
    return header


def install_plan(
    context: Context, seal: Seal, notes: PlanNotes, plan_id: str, *, replacing: str | None
) -> bool:
    """Make a draft the week's plan. False if another draft was faster: this one is discarded."""
    now = context.clock.now()
    plan = PlannedWeek(
        seal.header.week, plan_id, seal.header, seal.root, seal.held_root, Stage.PLANNED
    )
    installed = context.store.install_plan(plan, notes, replacing=replacing, now=now)
    obsolete = replacing if installed else plan_id
    if obsolete is not None:
        context.store.discard_plan(obsolete)
    return installed
