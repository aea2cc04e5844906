"""Take over a plan that is anchored on chain, but is not in our database.

Another operator anchored first, the database was lost, or an old backup was restored. The chain
names the plan's root, the published file holds its rows, and the root proves the file.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from worker.core.chunks import chunks
from worker.core.errors import NotReady
from worker.core.identity import user_commitment
from worker.core.lifecycle import Status
from worker.core.payout.chain import missing_wallets
from worker.core.payout.records import PlanNotes, Reward
from worker.core.plan.allocation import MULTIPLIER_SCALE
from worker.core.plan.commitment import Header, Row, Seal
from worker.core.plan.entrant import commitment_of
from worker.core.plan.memo import AnchorMemo
from worker.core.week import Week
from worker.services.context import Context
from worker.services.plan.anchored.previous import previous_plan
from worker.services.plan.anchored.read_anchor import read_anchor
from worker.services.plan.draft import make_draft
from worker.services.plan.publish import (
    counted_try,
    install_plan,
    is_published,
    new_draft,
    with_marks,
    write_and_publish_plan,
    write_plan,
)
from worker.services.plan.roster import sorted_outside
from worker.services.plan.seal import CHUNK_ROWS, read_published, seal_of


class AnchoredPlanMissing(NotReady):
    """The anchored plan is not published here, and our data gives another plan."""

    def __init__(self, week: Week, root: bytes, location: str) -> None:
        super().__init__(
            f"{week.label} is anchored with the plan {root.hex()}. The plan is not at {location}, "
            "and our data gives another one. Copy the file there from the operator who anchored "
            "it, or set PLAN_ARCHIVE_URL to its place."
        )


def adopt_anchored_plan(context: Context, week: Week, first: Week) -> Seal:
    """Store the anchored plan as the week's plan.

    Raises:
        AnchorUnreadable, AnchoredPlanMissing: the anchored plan cannot be read now.
        NoRoomToSort: the users need a temporary file, and there is no room for it.
        PlanDoesNotMatchRoot: the published file was changed.
    """
    memo = read_anchor(context, week)
    known = context.store.ensure_distribution(week, context.clock.now())
    with counted_try(context, week), new_draft(context, week) as plan_id:
        written = _write_published(context, week, memo.root, plan_id)
        seal, notes = written or _plan_again(context, week, first, memo, plan_id)
    install_plan(context, seal, notes, plan_id, replacing=known.plan_id)
    return seal


def _write_published(
    context: Context, week: Week, root: bytes, plan_id: str
) -> tuple[Seal, PlanNotes] | None:
    """Write the rewards of a published plan; None if it is not published."""
    published = context.archive.fetch(week, root)
    if published is None:
        return None
    check_file(context, week, root)
    with published as lines:
        header, rows = read_published(lines)
        rewards = rewards_of_rows(context, header, rows, plan_id)
        seal = write_plan(context, header, with_marks(context, week, rewards), plan_id)
    return seal, PlanNotes(floor_waived=header.floor_waived)


def check_file(context: Context, week: Week, root: bytes) -> None:
    """
    Raises:
        AnchoredPlanMissing: no file is published under that root.
        PlanDoesNotMatchRoot: the published file holds another plan.
    """
    if not is_published(context, week, root):
        raise AnchoredPlanMissing(week, root, context.archive.location(week, root))


def _plan_again(
    context: Context, week: Week, first: Week, memo: AnchorMemo, plan_id: str
) -> tuple[Seal, PlanNotes]:
    """Compute the plan again with the anchored cut-off. Only the anchored root is accepted."""
    previous = previous_plan(context, week, first)
    # Without today's holds: most of them are from after the anchor.
    draft = make_draft(context, week, memo.cutoff, previous, batch_size=memo.batch_size, held=())
    if seal_of(draft.header, (r.row for r in draft.rewards(plan_id))).root != memo.root:
        location = context.archive.location(week, memo.root)
        raise AnchoredPlanMissing(week, memo.root, location)
    rewards = with_marks(context, week, draft.rewards(plan_id))
    seal = write_and_publish_plan(context, draft.header, rewards, plan_id)
    return seal, draft.notes


def rewards_of_rows(
    context: Context, header: Header, rows: Iterator[Row], plan_id: str
) -> Iterator[Reward]:
    """Rewards for published rows. Users are found by their commitments.

    A row whose user is not in our data is kept under its commitment. It is paid, since the row
    holds the wallet. A row needs an account only if its wallet lacks one now.
    """
    names = sorted_outside(_names(context, header.week))
    for chunk in chunks(enumerate(with_user_ids(rows, names)), CHUNK_ROWS):
        wallets = sorted({row.wallet for _, (row, _) in chunk if row.batch})
        missing = missing_wallets(context.chain.recipients(wallets))
        for position, (row, user_id) in chunk:
            yield Reward(
                plan_id=plan_id,
                position=position,
                user_id=user_id,
                row=row,
                late_points=0,
                multiplier=row.weight // row.points if row.points else MULTIPLIER_SCALE,
                status=Status.PENDING,
                reason=None if row.batch else "held by the anchored plan",
                needs_account=bool(row.batch) and row.wallet in missing,
            )


def _names(context: Context, week: Week) -> Iterator[bytes]:
    """The commitment and id of every user of the wiki, since late points may be of any user."""
    salt = context.chain.plan_salt(week)
    return (user_commitment(salt, each) + each.encode() for each in context.store.user_ids())


def with_user_ids(rows: Iterable[Row], names: Iterable[bytes]) -> Iterator[tuple[Row, str]]:
    """Each row with its user id. `names`: a commitment and the user id after it, ascending.

    Rows ascend too, so both are read side by side. At held rows the reading begins again with the
    first name. It does so at rows in a wrong order, too: the format forbids this order, but a plan
    with it may be anchored.
    """
    ahead, before = iter(names), b""
    name = next(ahead, b"")
    for row in rows:
        if row.user < before:
            ahead = iter(names)
            name = next(ahead, b"")
        while name and commitment_of(name) < row.user:
            name = next(ahead, b"")
        is_known = name and commitment_of(name) == row.user
        yield row, name[len(row.user) :].decode() if is_known else f"commitment:{row.user.hex()}"
        before = row.user
