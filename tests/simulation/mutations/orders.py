"""Safeguards of orders that operators give: the approval of a plan, and a batch made void."""

from __future__ import annotations

from tests.fakes.world import WEEK, World, store_of
from tests.simulation.faults.sweeping import sweep, sweep_until_closed
from tests.simulation.faults.traps import do
from tests.simulation.mutations.anchoring import is_anchored
from tests.simulation.mutations.happen import attempt, hide_receipts, refuses
from tests.simulation.mutations.safeguard import Safeguard, both, edit, promise
from worker.core.errors import Refused
from worker.core.lifecycle import PayoutStatus, Stage
from worker.core.money import ONE_TOKEN
from worker.services.payout import override, prepare
from worker.services.payout.override import void_batch
from worker.services.plan.plan_week import plan_again
from worker.services.plan.seal import NotAnchored
from worker.services.week import unblock
from worker.services.week.story import Job

NAMES = [f"user {i}" for i in range(6)]
POOL = 10_000 * ONE_TOKEN
AN_HOUR = 3600


def _is_void(world: World) -> bool:
    counts = world.first.store.batch_counts(world.distribution().plan_id or "")
    return counts[PayoutStatus.VOID] > 0


def _has_order(world: World) -> bool:
    stored = store_of(world.first).state.payouts[world.distribution().plan_id or ""]
    return any(each.payout.void_reason is not None for each in stored.values())


def _is_anchored_with_accounts(world: World) -> None:
    do(world.first, Job.PLAN, Job.ANCHOR, Job.ACCOUNTS)


# --- the approval of a plan ----------------------------------------------------------------------


def the_plan_changes_before_its_approval(world: World) -> None:
    """An operator approves the plan that was shown, and another plan has replaced it."""
    store_of(world.first).set_rules(require_approval=True)
    do(world.first, Job.PLAN)
    shown = world.distribution().root
    world.contribute("user 0", 100)
    plan_again(world.first, WEEK)
    attempt(lambda: unblock.approve_week(world.first.store, WEEK, shown))
    do(world.first, Job.ANCHOR)
    promise(not is_anchored(world), "anchored a plan that nobody approved")


def a_plan_is_approved_after_its_anchor(world: World) -> None:
    do(world.first, Job.PLAN, Job.ANCHOR)
    root = world.distribution().root
    promise(
        not unblock.approve_week(world.first.store, WEEK, root),
        "an approval that changes nothing",
    )


# --- a batch made void ---------------------------------------------------------------------------


def a_batch_is_made_void(world: World) -> None:
    """Its rewards are paid alone, and every other batch is paid."""
    _is_anchored_with_accounts(world)
    void_batch(world.first, WEEK, 0, "a recipient refuses the tokens")
    sweep_until_closed(world)
    for _ in range(3):
        world.clock.sleep(12 * AN_HOUR)
        sweep(world.first)
    promise(_is_void(world), "paid a batch that is to be void")
    promise(sum(world.balances(NAMES).values()) == POOL, "a reward of a void batch is lost")


def a_batch_of_a_plan_without_an_anchor_is_made_void(world: World) -> None:
    do(world.first, Job.PLAN)
    promise(
        refuses(lambda: void_batch(world.first, WEEK, 0, "a doubt"), NotAnchored),
        "an order for a plan that may change",
    )
    promise(not _has_order(world), "an order for a plan that may change")


def a_batch_that_does_not_exist_is_made_void(world: World) -> None:
    _is_anchored_with_accounts(world)
    batches = world.distribution().planned
    assert batches is not None
    for index in (-1, batches.header.batches):
        order = _Order(world, index)
        promise(refuses(order, override.NoSuchBatch), "an order for no batch")


def a_batch_is_made_void_while_nobody_answers(world: World) -> None:
    _is_anchored_with_accounts(world)
    show = hide_receipts(world.first, lambda each: each[-5:].isdigit())
    promise(refuses(_Order(world, 0), override.NotOpen), "an order without a look at the chain")
    show()
    promise(not _has_order(world), "an order without a look at the chain")


def a_resolved_batch_is_made_void(world: World) -> None:
    """The batch is resolved, and its receipt is not visible: an endpoint lags."""
    sweep_until_closed(world)
    promise(world.distribution().stage is Stage.COMPLETED, "not closed")
    promise(refuses(_Order(world, 0), Refused), "an order for a resolved batch")


class _Order:
    def __init__(self, world: World, index: int) -> None:
        self._world, self._index = world, index

    def __call__(self) -> None:
        void_batch(self._world.first, WEEK, self._index, "a doubt")


SAFEGUARDS = [
    Safeguard(
        "an approval is for one root",
        edit(
            unblock.approve_week,
            ("store.approve(week, root)", "store.approve(week, known.root or b'')"),
        ),
        the_plan_changes_before_its_approval,
        "anchored a plan that nobody approved",
    ),
    Safeguard(
        "an approval after the anchor says so",
        edit(unblock.approve_week, ("if known.stage.is_frozen", "if False")),
        a_plan_is_approved_after_its_anchor,
        "an approval that changes nothing",
    ),
    Safeguard(
        "an ordered void pays nothing",
        edit(prepare.prepare_payments, ("void=True", "void=False")),
        a_batch_is_made_void,
        "BooksDisagree",
    ),
    Safeguard(
        "a batch with an order is not paid",
        edit(
            prepare.prepare_payments,
            ("ordered = rows.context.store.void_orders(", "ordered = set() and ("),
        ),
        a_batch_is_made_void,
        "paid a batch that is to be void",
    ),
    Safeguard(
        "only a batch of an anchored plan is made void",
        edit(override.void_batch, ("not planned.stage.is_frozen", "False")),
        a_batch_of_a_plan_without_an_anchor_is_made_void,
        "an order for a plan that may change",
    ),
    Safeguard(
        "only a batch that exists is made void",
        edit(override.void_batch, ("index not in range(header.batches)", "False")),
        a_batch_that_does_not_exist_is_made_void,
        "an order for no batch",
    ),
    Safeguard(
        "nothing is made void blindly",
        edit(override._open_batch, ("state is not ReceiptState.FREE", "False")),
        a_batch_is_made_void_while_nobody_answers,
        "an order without a look at the chain",
    ),
    Safeguard(
        "a resolved batch is not made void",
        both(
            edit(override._open_batch, ("state is not ReceiptState.FREE", "False")),
            edit(
                override._order_void,
                (
                    "not context.store.order_void(payout, reason)",
                    "context.store.order_void(payout, reason) and False",
                ),
            ),
        ),
        a_resolved_batch_is_made_void,
        "an order for a resolved batch",
    ),
]
