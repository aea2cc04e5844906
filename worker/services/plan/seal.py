"""The seal of a stored plan: rebuilt from the database, and trusted only if the chain agrees."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from worker.core.errors import NotReady, Refused
from worker.core.plan.commitment import (
    Header,
    MalformedPlan,
    PlanDoesNotMatchRoot,
    Row,
    Seal,
    SealBuilder,
)
from worker.core.plan.planned_week import PlannedWeek
from worker.core.plan.receipts import ReceiptState, anchor_ids, unknown_because
from worker.core.week import Week
from worker.services.ahead import ahead
from worker.services.context import Context
from worker.services.plan.cluster.founding_receipts import founding_receipts

CHUNK_ROWS = 2500
READ_AGAIN_SECONDS = (1, 2, 4)


class NotAnchored(Refused):
    """The plan's root is not final on chain, so no payment may be signed."""

    def __init__(self, week: Week, state: ReceiptState) -> None:
        self.state = state
        super().__init__(
            f"The plan of {week.label} is not anchored at finalized (its root "
            f"receipt is {state.value}). Nothing is signed until it is; the sweeper tries again."
        )


class AnchorUnknown(NotReady):
    """The endpoints do not show now whether a plan is anchored. The plan may be fine."""

    def __init__(self, week: Week, troubles: Sequence[str]) -> None:
        super().__init__(
            f"The endpoints do not show now whether a plan of {week.label} is anchored: "
            f"{unknown_because(troubles)}. Nothing is signed until they do; the sweeper tries "
            "again."
        )


def stored_seal(context: Context, planned: PlannedWeek) -> Seal:
    """The seal as the database has it, proven against the stored root.

    Raises:
        PlanDoesNotMatchRoot: the stored header or batch roots were changed.
    """
    batch_roots = tuple(context.store.batch_roots(planned.plan_id))
    seal = Seal(header=planned.header, batch_roots=batch_roots, held_root=planned.held_root)
    if seal.root != planned.root:
        what = f"The stored plan of {planned.week.label}"
        raise PlanDoesNotMatchRoot(what, planned.root, seal.root)
    return seal


def anchored_seal(context: Context, planned: PlannedWeek, *, anew: bool = False) -> Seal:
    """The seal of a plan whose root receipt is final, as a majority of the endpoints confirms.

    With `anew` the receipt is read, although this process may have read it some minutes ago.

    Raises:
        NotAnchored: the root has no such receipt, and nothing may be signed.
        AnchorUnknown: no majority of the endpoints answers, or they disagree.
    """
    seal = stored_seal(context, planned)
    _, root_id = anchor_ids(planned.week, seal.root)
    if anew:
        context.paid_receipts.forget([root_id])
    state = founding_receipts(context, [root_id])[root_id]
    for pause in READ_AGAIN_SECONDS:
        if state is not ReceiptState.FREE or not planned.stage.is_frozen:
            break
        # The receipt was read before this stage, so a node that shows none lags.
        context.clock.sleep(pause)
        state = founding_receipts(context, [root_id])[root_id]
    if state is ReceiptState.UNKNOWN:
        raise AnchorUnknown(planned.week, context.chain.endpoint_troubles)
    if state is not ReceiptState.PAID:
        raise NotAnchored(planned.week, state)
    return seal


def stored_rows(context: Context, plan_id: str, positions: range) -> Iterator[Row]:
    """Stored rows in canonical order. The next ones are read while the caller uses the last."""
    for rows in ahead(_stored_chunks(context, plan_id, positions)):
        yield from rows


def _stored_chunks(context: Context, plan_id: str, positions: range) -> Iterator[list[Row]]:
    for first in range(0, len(positions), CHUNK_ROWS):
        context.refuse_if_late()
        yield list(context.store.rows(plan_id, positions[first:][:CHUNK_ROWS]))


def seal_of(header: Header, rows: Iterable[Row]) -> Seal:
    return seal_of_lines(header, (row.canonical() for row in rows))


def seal_of_lines(header: Header, lines: Iterable[bytes]) -> Seal:
    """The seal of rows by their canonical lines."""
    builder = SealBuilder(header)
    for line in lines:
        builder.add_line(line)
    return builder.seal()


def read_published(lines: Iterator[bytes]) -> tuple[Header, Iterator[Row]]:
    """
    Raises:
        MalformedPlan: the file is empty, or not a plan.
    """
    return read_header(lines), (Row.parse(line) for line in lines)


def read_header(lines: Iterator[bytes]) -> Header:
    """Take the first line of a published plan.

    Raises:
        MalformedPlan: the file is empty, or its first line is no header.
    """
    first = next(lines, None)
    if first is None:
        raise MalformedPlan(b"", "the file is empty")
    return Header.parse(first)
