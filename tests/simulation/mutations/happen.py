"""Steps that several scenarios of this folder share."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from datetime import timedelta

from tests.fakes.chain.chain import FakeChain
from tests.fakes.world import WEEK, World, chain_of, user_id_of
from worker.core.errors import KontribError
from worker.core.plan.commitment import Row
from worker.core.plan.receipts import ReceiptState
from worker.services.context import Context

NEXT = WEEK.next()


def attempt(action: Callable[[], object]) -> None:
    """Do something that the system may rightly refuse."""
    with contextlib.suppress(KontribError):
        action()


def refuses(action: Callable[[], object], error: type[KontribError]) -> bool:
    """Whether the system refuses an action with this error."""
    try:
        action()
    except KontribError as refusal:
        return isinstance(refusal, error)
    return False


def end_next_week(world: World, *names: str) -> None:
    """The users contribute 50 points each in the next week, which ends."""
    for name in names:
        world.contribute(name, 50, week=NEXT)
    due = NEXT.end + timedelta(hours=1) - world.clock.now()
    world.clock.sleep(due.total_seconds())


def hide_receipts(context: Context, concerns: Callable[[str], bool]) -> Callable[[], None]:
    """No endpoint answers about some receipts, until the returned function is called."""
    chain = chain_of(context)
    hidden = [True]

    def receipts(ids: Sequence[str], *, not_before_slot: int = 0) -> dict[str, ReceiptState]:
        found = FakeChain.receipts(chain, ids, not_before_slot=not_before_slot)
        unknown = dict.fromkeys(filter(concerns, ids), ReceiptState.UNKNOWN)
        return found | unknown if hidden else found

    chain.receipts = receipts  # type: ignore[method-assign]
    return hidden.clear


def row_of(world: World, name: str) -> Row | None:
    """A user's row in the week's plan."""
    reward = world.first.store.reward(WEEK, user_id_of(name))
    return reward.row if reward else None


def creations(world: World) -> int:
    """Token accounts that we paid for."""
    return sum(
        len(landed.request.creations)
        for landed in world.ledger.landed.values()
        if landed.error is None
    )
