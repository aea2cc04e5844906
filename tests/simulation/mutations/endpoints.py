"""Safeguards of reading a cluster: several endpoints, and the last block of an attempt."""

from __future__ import annotations

from collections.abc import Sequence

from tests.fakes.chain.chain import FakeChain
from tests.fakes.chain.faults import FakeEndpoint
from tests.fakes.world import World, chain_of, store_of
from tests.simulation.faults.traps import do
from tests.simulation.mutations.safeguard import Safeguard, Scenario, both, edit, promise
from worker.core.payout import decision
from worker.core.payout.looks.heights import SeenHeights
from worker.core.payout.records import Attempt, PayoutKind
from worker.core.plan import receipts
from worker.core.plan.receipts import ReceiptState
from worker.services.plan.cluster import look
from worker.services.week.story import Job

LAGS = 200


def paying_with(*endpoints: FakeEndpoint) -> Scenario:
    """Everything is prepared when the nodes that show receipts change. Nothing is signed then."""

    def scenario(world: World) -> None:
        world.clock.sleep(LAGS)  # the genesis is older than every lag
        do(world.first, Job.PLAN, Job.ANCHOR, Job.ACCOUNTS)
        chain = chain_of(world.first)
        before = chain.endpoints

        def change(method: str) -> None:
            chain.endpoints = list(endpoints) if method == "receipts" else before

        chain.before = change
        do(world.first, Job.PAY, seconds=20)
        promise(not world.ledger.payments(), "paid without a majority that agrees")
        chain.before, chain.endpoints = lambda method: None, before

    return scenario


def an_endpoint_denies_every_receipt(world: World) -> None:
    """It has reached the same slot as the two others, and shows no account."""
    do(world.first, Job.PLAN, Job.ANCHOR, Job.ACCOUNTS)
    chain = chain_of(world.first)

    def found(ids: Sequence[str], *, not_before_slot: int = 0) -> dict[str, ReceiptState]:
        states = FakeChain.receipts(chain, ids, not_before_slot=not_before_slot)
        views = {each: (state, state, ReceiptState.FREE) for each, state in states.items()}
        return {each: receipts.agreed_state(view) for each, view in views.items()}

    chain.receipts = found  # type: ignore[method-assign]
    do(world.first, Job.PAY, seconds=20)
    promise(not world.ledger.payments(), "paid without a majority that agrees")


def payments_land_in_their_last_block(world: World) -> None:
    """That block is not final yet when the worker looks again."""
    do(world.first, Job.PLAN, Job.ANCHOR, Job.ACCOUNTS)
    ledger = world.ledger
    ledger.holds_sends = True
    do(world.first, Job.PAY, seconds=1)
    first = _attempts(world)
    world.clock.sleep(decision.YOUNG.total_seconds())
    last_valid = max(each.last_valid_block_height for each in first)
    ledger.advance(last_valid + 1 - ledger.block(0).height)
    ledger.deliver()
    ledger.advance(last_valid - ledger.block(ledger.finalized_lag_slots).height)
    do(world.first, Job.PAY, seconds=1)
    promise(_attempts(world) == first, "signed anew while an attempt may land")
    ledger.holds_sends = False


def _attempts(world: World) -> list[Attempt]:
    stored = store_of(world.first).state.payouts[world.distribution().plan_id or ""].values()
    batches = [each.payout for each in stored if each.payout.kind is PayoutKind.BATCH]
    return [batch.attempt for batch in batches if batch.attempt is not None]


def an_attempt_expires_while_receipts_lag(world: World) -> None:
    """A payment landed, and the nodes that read receipts do not show it yet."""
    do(world.first, Job.PLAN, Job.ANCHOR, Job.ACCOUNTS)
    world.ledger.advance(LAGS)  # so that the anchor stays visible
    world.ledger.holds_sends = True
    do(world.first, Job.PAY, seconds=1)
    first = _attempts(world)
    world.ledger.deliver()
    world.ledger.advance(LAGS)
    chain_of(world.first).endpoints = [FakeEndpoint(late={"receipts": LAGS + 20})]
    do(world.first, Job.PAY, seconds=1)
    promise(_attempts(world) == first, "signed anew from an old receipt")
    chain_of(world.first).endpoints = [FakeEndpoint()]
    world.ledger.holds_sends = False


SAFEGUARDS = [
    Safeguard(
        "a majority of the endpoints answers",
        edit(receipts.agreed_state, ("len(given) < majority_of(len(views)) or ", "")),
        paying_with(FakeEndpoint(), FakeEndpoint(down=True), FakeEndpoint(down=True)),
        "paid without a majority that agrees",
    ),
    Safeguard(
        "a majority is more than half",
        edit(receipts.majority_of, ("count // 2 + 1", "(count + 1) // 2")),
        paying_with(FakeEndpoint(), FakeEndpoint(down=True)),
        "paid without a majority that agrees",
    ),
    Safeguard(
        "all endpoints that answer agree",
        edit(receipts.agreed_state, ("len(set(given)) != 1", "not given")),
        an_endpoint_denies_every_receipt,
        "paid without a majority that agrees",
    ),
    Safeguard(
        "an attempt may land one block after its last valid height",
        both(
            edit(
                decision.next_step,
                (
                    "finalized_block_height > attempt.last_valid_block_height",
                    "finalized_block_height >= attempt.last_valid_block_height",
                ),
            ),
            edit(
                decision.may_be_resolved,
                (
                    "finalized_block_height > attempt.last_valid_block_height",
                    "finalized_block_height >= attempt.last_valid_block_height",
                ),
            ),
        ),
        payments_land_in_their_last_block,
        "signed anew while an attempt may land",
    ),
    Safeguard(
        "a receipt is read at the height that shows an expiry",
        both(
            edit(look.look_at, ("not_before_slot=slot", "not_before_slot=0")),
            edit(
                SeenHeights.receipts_read_at,
                ("max(min(lag, LAG_MAX), self._slots_behind - 1)", "0"),
            ),
        ),
        an_attempt_expires_while_receipts_lag,
        "signed anew from an old receipt",
    ),
]
