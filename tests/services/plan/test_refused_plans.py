"""A refusal before or at the anchor says what is missing, and with which values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from fractions import Fraction

import pytest

from tests.fakes.chain.chain import FakeChain
from tests.fakes.world import WEEK, World, chain_of, store_of
from worker.core.errors import KontribError
from worker.core.lifecycle import Stage
from worker.core.payout.chain import Blockhash, Intent
from worker.core.payout.looks.unknown_receipts import UNKNOWN_MAX
from worker.core.plan.commitment import MalformedPlan
from worker.core.plan.fates import Fates
from worker.core.plan.receipts import ReceiptState, Resolution, genesis_ids
from worker.ports.payout.chain import Signed
from worker.services.context import Deadline
from worker.services.plan.anchor import PlanIsStale, _stale, anchor_week
from worker.services.plan.approval import ApprovalMissing, most_left_out
from worker.services.plan.genesis import (
    DistributedBefore,
    GenesisExists,
    NoGenesis,
    first_week,
    make_genesis,
)
from worker.services.plan.plan_week import DistributedElsewhere, dry_run, plan_week
from worker.services.plan.seal import NotAnchored, anchored_seal, read_published
from worker.services.plan.send_until_resolved import (
    ReceiptUnknown,
    TransactionRefused,
    send_until_resolved,
)

HALF = Fraction(1, 2)

INTENT = Intent(("a receipt",), Resolution.PAID)


@pytest.fixture
def planned(world: World) -> World:
    world.populate(3)
    world.genesis()
    plan_week(world.first, WEEK)
    return world


def plan_of(world: World):
    found = world.distribution().planned
    assert found is not None
    return found


# --- approval --------------------------------------------------------------------------------


def test_a_missing_approval_has_no_other_reason(planned: World) -> None:
    store_of(planned.first).set_rules(require_approval=True)
    with pytest.raises(ApprovalMissing) as caught:
        anchor_week(planned.first, WEEK, Deadline(planned.clock, 60))
    assert str(caught.value).startswith("2024-W50 is planned and waits for approval. Look at it")


@pytest.mark.parametrize(
    ("fates", "said"),
    [
        (None, ""),
        (Fates(4, 2, 0, 2, 0, 0, 10, 10), ""),
        (Fates(5, 2, 0, 3, 0, 0, 10, 10), "60.0% of its contributions or points cannot count"),
    ],
)
def test_half_of_the_points_may_be_left_out(fates: Fates | None, said: str) -> None:
    found = most_left_out(fates, HALF)
    assert found.startswith(said)
    assert bool(found) is bool(said)


# --- the anchor ------------------------------------------------------------------------------


def test_a_stale_plan_is_forgotten_unless_it_is_another_one_or_anchored(planned: World) -> None:
    context, plan = planned.first, plan_of(planned)
    other = _stale(context, WEEK, "another", "it is old")
    assert planned.distribution().plan_id == plan.plan_id

    planned.run()
    _stale(context, WEEK, plan.plan_id, "it is old")
    assert planned.distribution().plan_id == plan.plan_id
    assert planned.distribution().stage is Stage.COMPLETED
    assert isinstance(other, PlanIsStale)
    assert str(other) == "The plan of 2024-W50 no longer fits: it is old. It is made again."


def test_a_stale_plan_of_a_lost_week_is_reported_only(planned: World) -> None:
    plan = plan_of(planned)
    store_of(planned.first).state.weeks.clear()
    assert "it is old" in str(_stale(planned.first, WEEK, plan.plan_id, "it is old"))
    assert planned.first.store.distribution(WEEK) is None


def test_a_plan_without_an_anchor_shows_the_state_of_its_root(planned: World) -> None:
    with pytest.raises(NotAnchored, match="its root receipt is free") as caught:
        anchored_seal(planned.first, plan_of(planned))
    assert caught.value.state is ReceiptState.FREE


def test_a_refused_transaction_is_named_with_its_error(world: World) -> None:
    world.ledger.put_account(
        chain_of(world.first).fee_payer,
        replace(world.ledger.account(chain_of(world.first).fee_payer), lamports=10_000),
    )
    with pytest.raises(TransactionRefused) as caught:
        send_until_resolved(world.first, INTENT, ReceiptState.FREE)
    assert caught.value.error == "insufficient lamports"
    assert str(caught.value) == (
        "The chain refused a receipt: insufficient lamports. Nothing moved."
    )


# --- genesis ---------------------------------------------------------------------------------


def test_without_a_genesis_the_values_are_shown(world: World) -> None:
    with pytest.raises(NoGenesis) as caught:
        first_week(world.first)
    assert str(caught.value).startswith(
        "No genesis for mint FakeMint and first week none recorded (not made yet, or not "
        "readable now). Nothing is planned without it."
    )


def test_a_genesis_with_a_missing_receipt_shows_both(world: World) -> None:
    world.first.store.record_first_week(WEEK)
    with pytest.raises(NoGenesis) as caught:
        first_week(world.first)
    assert str(caught.value).startswith(
        "No genesis for mint FakeMint and first week 2024-W50 (genesis: free, genesis: free)."
    )


def test_a_second_genesis_shows_the_first_week_of_the_first_one(planned: World) -> None:
    with pytest.raises(GenesisExists, match=r"with other values \(first week 2024-W50\)\."):
        make_genesis(planned.first, WEEK.next())
    chain_of(planned.first).has_history = False
    with pytest.raises(GenesisExists, match=r"with other values \(its memo is unreadable\)\."):
        make_genesis(planned.first, WEEK.next())


def test_a_genesis_that_lands_beside_ours_is_found(world: World) -> None:
    """Another operator's genesis lands between our look and our transaction."""
    chain, other = chain_of(world.first), FakeChain(world.ledger)

    def race(method: str) -> None:
        if method == "sign":
            chain.before = lambda _: None
            ids = genesis_ids("FakeGenesis", "FakeMint", WEEK.next())
            memo = '{"first_week":"2024-12-16","kontrib":"1","mint":"FakeMint"}'
            intent = Intent(ids, Resolution.PAID, memo=memo)
            (signed,) = other.sign([intent], other.latest_blockhash())
            other.send([(signed.signature, signed.wire)])

    chain.before = race
    with pytest.raises(KontribError, match=r"first week 2024-W51|already in use"):
        make_genesis(world.first, WEEK)
    assert world.first.store.first_week() is None


def test_a_distributed_week_is_shown(world: World) -> None:
    store_of(world.first).add_distribution(
        {
            "week_start": WEEK.start,
            "week_end": WEEK.end,
            "total_points": 100,
            "total_tokens": 10_000.0,
            "user_count": 45,
            "status": "completed",
        }
    )
    with pytest.raises(DistributedBefore) as caught:
        make_genesis(world.first, WEEK)
    assert "Begin with 2024-W51 or later. 2024-W50 was distributed by another system" in str(
        caught.value
    )


def test_a_week_that_another_system_distributed_is_not_even_drafted(world: World) -> None:
    world.genesis()
    store_of(world.first).add_distribution(
        {"week_start": WEEK.start, "week_end": WEEK.end, "status": "completed"}
    )
    with pytest.raises(DistributedElsewhere, match="2024-W50 was distributed by another system"):
        dry_run(world.first, WEEK)


@pytest.mark.parametrize(
    ("first", "second", "refusal"),
    [
        (ReceiptState.UNKNOWN, ReceiptState.UNKNOWN, ReceiptUnknown),
        (ReceiptState.UNKNOWN, ReceiptState.PAID, ReceiptUnknown),
        (ReceiptState.UNKNOWN, ReceiptState.FREE, NoGenesis),
        (ReceiptState.PAID, ReceiptState.FREE, NoGenesis),
    ],
)
def test_a_genesis_that_is_not_shown_is_not_a_missing_one(
    world: World,
    monkeypatch: pytest.MonkeyPatch,
    first: ReceiptState,
    second: ReceiptState,
    refusal: type[KontribError],
) -> None:
    world.first.store.record_first_week(WEEK)
    states = dict(zip(genesis_ids("FakeGenesis", "FakeMint", WEEK), (first, second), strict=True))
    monkeypatch.setattr(chain_of(world.first), "receipts", lambda ids: {i: states[i] for i in ids})

    with pytest.raises(refusal):
        first_week(world.first)


def test_a_transaction_may_take_longer_than_an_endpoint_may_be_silent(world: World) -> None:
    chain, began, slots = chain_of(world.first), world.clock.now(), list[int]()
    receipts = chain.receipts

    def note(ids: Sequence[str], *, not_before_slot: int = 0) -> dict[str, ReceiptState]:
        slots.append(not_before_slot)
        return receipts(ids, not_before_slot=not_before_slot)

    def land(_: str) -> None:
        if world.clock.now() > began + UNKNOWN_MAX + timedelta(seconds=30):
            world.ledger.holds_sends = False

    chain.receipts, chain.before = note, land  # type: ignore[method-assign]
    world.ledger.holds_sends = True

    assert send_until_resolved(world.first, INTENT, ReceiptState.FREE)
    assert slots == sorted(slots)
    assert slots[0] > 0, "an older view could hide a receipt"


def test_an_empty_file_is_no_plan() -> None:
    with pytest.raises(MalformedPlan, match=r"\(the file is empty\)"):
        read_published(iter(()))


def test_a_transaction_that_expired_is_signed_again_as_a_retry(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    chain, retries = chain_of(world.first), list[bool]()
    sign = chain.sign

    def note(intents: Sequence[Intent], blockhash: Blockhash) -> list[Signed]:
        retries.extend(intent.is_retry for intent in intents)
        world.ledger.holds_sends = len(retries) == 1
        if len(retries) > 1:
            world.ledger.in_flight.clear()
        return sign(intents, blockhash)

    monkeypatch.setattr(chain, "sign", note)

    assert send_until_resolved(world.first, INTENT, ReceiptState.FREE)
    assert retries == [False, True]


def test_each_intent_is_signed_or_none_is_sent(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chain_of(world.first), "sign", lambda intents, blockhash: [])
    with pytest.raises(ValueError, match="shorter"):
        send_until_resolved(world.first, INTENT, ReceiptState.FREE)
    assert world.ledger.landed == {}


def test_our_own_transaction_is_read_by_its_signature(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The search among a receipt's mentions finds nothing, as when strangers mention it often."""
    monkeypatch.setattr(chain_of(world.first), "executions", lambda ids: {})

    executed = send_until_resolved(world.first, INTENT, ReceiptState.FREE)

    assert executed is not None
    assert [executed.signature] == list(world.ledger.landed)


def test_a_new_genesis_is_known_by_its_signature(world: World) -> None:
    (signature, made) = make_genesis(world.first, WEEK)

    assert ([signature], made) == (list(world.ledger.landed), True)
