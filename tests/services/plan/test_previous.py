"""What a plan takes over from the plan before: proven by the chain, whatever the database says."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from tests.fakes.chain.faults import FakeEndpoint
from tests.fakes.world import WEEK, World, chain_of, restarted, store_of
from worker.core.plan.commitment import Header
from worker.core.plan.earlier_key import EarlierKey
from worker.core.plan.receipts import anchor_id
from worker.services.context import Deadline
from worker.services.payout.rebuild import rebuild_week
from worker.services.plan.anchor import anchor_week
from worker.services.plan.anchored.previous import Previous, PreviousWeekOpen, previous_plan
from worker.services.plan.anchored.read_anchor import AnchorUnreadable, read_anchor
from worker.services.plan.plan_week import plan_week
from worker.services.plan.seal import AnchorUnknown, anchored_seal

NEXT = WEEK.next()


@pytest.fixture
def world() -> World:
    """A week of two users is anchored, the next one is over, and points came late."""
    world = World(batch_size=2)
    world.populate(2)
    world.genesis()
    plan_week(world.first, WEEK)
    anchor_week(world.first, WEEK, Deadline(world.clock, 600))
    world.clock.sleep(timedelta(days=7).total_seconds())
    world.contribute("user 0", 50, week=NEXT)
    return world


def change_header(world: World, **changes: object) -> None:
    weeks = store_of(world.first).state.weeks
    known = weeks[WEEK].distribution
    header = replace(Header.parse(known.header or b""), **changes)  # type: ignore[arg-type]
    weeks[WEEK] = replace(weeks[WEEK], distribution=replace(known, header=header.canonical()))


def forget_root(world: World) -> None:
    weeks = store_of(world.first).state.weeks
    changed = replace(weeks[WEEK].distribution, root=b"x" * 32)
    weeks[WEEK] = replace(weeks[WEEK], distribution=changed)


def damage_header(world: World) -> None:
    weeks = store_of(world.first).state.weeks
    changed = replace(weeks[WEEK].distribution, header=b"{}")
    weeks[WEEK] = replace(weeks[WEEK], distribution=changed)


def move_cutoff(world: World) -> None:
    change_header(world, cutoff=int(WEEK.start.timestamp()))


def lose_the_week(world: World) -> None:
    store_of(world.first).state.weeks.pop(WEEK)


def change_a_batch_root(world: World) -> None:
    state = store_of(world.first).state
    payouts = state.payouts[world.distribution().plan_id or ""]
    (batch,) = (it for it in payouts.values() if it.root)
    payouts[batch.payout.id] = replace(batch, root=b"x" * 32)


CHANGES = [move_cutoff, damage_header, forget_root, lose_the_week, change_a_batch_root]


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("source", ["the file", "the memo"])
def test_a_changed_record_of_the_week_before_counts_no_points_again(
    world: World, change: Callable[[World], None], source: str
) -> None:
    true = previous_plan(world.first, NEXT, WEEK)
    change(world)
    if source == "the memo":
        world.archive.files.clear()

    assert previous_plan(world.first, NEXT, WEEK) == true
    assert plan_week(world.first, NEXT).header.total_points == 50


def test_an_anchored_record_is_enough_without_file_and_history(world: World) -> None:
    true = previous_plan(world.first, NEXT, WEEK)
    world.archive.files.clear()
    chain_of(world.first).has_history = False

    assert previous_plan(world.first, NEXT, WEEK) == true


def test_a_record_that_is_only_planned_is_not_followed() -> None:
    world = World()
    world.populate(2)
    world.genesis()
    plan_week(world.first, WEEK)

    with pytest.raises(PreviousWeekOpen):
        previous_plan(world.first, NEXT, WEEK)


def test_the_first_week_continues_the_key_before(world: World) -> None:
    cutoff, since = int(WEEK.start.timestamp()) + 60, WEEK.back(2)
    assert previous_plan(world.first, WEEK, WEEK) == Previous(WEEK)
    world.first.store.record_first_week(WEEK, EarlierKey(cutoff, since))

    assert previous_plan(world.first, WEEK, WEEK) == Previous(since, cutoff=cutoff)
    assert previous_plan(world.first, NEXT, WEEK).since == since


def test_a_changed_file_is_not_believed(world: World) -> None:
    true = previous_plan(world.first, NEXT, WEEK)
    lose_the_week(world)
    [(name, content)] = world.archive.files.items()
    cutoff = str(true.cutoff).encode()
    world.archive.files[name] = content.replace(cutoff, b"1733702400")
    assert previous_plan(world.first, NEXT, WEEK) == true
    chain_of(world.first).has_history = False
    with pytest.raises(AnchorUnreadable):
        previous_plan(world.first, NEXT, WEEK)


def test_a_week_that_is_not_anchored_stops_the_next_one(world: World) -> None:
    lose_the_week(world)
    later = NEXT.next()
    with pytest.raises(PreviousWeekOpen):
        previous_plan(world.first, later, WEEK)
    chain_of(world.first).endpoints = [FakeEndpoint(), FakeEndpoint(down=True)]
    with pytest.raises(PreviousWeekOpen):
        previous_plan(world.first, NEXT, WEEK)


def test_a_root_that_not_every_endpoint_shows_is_not_final(world: World) -> None:
    planned = world.distribution().planned
    assert planned is not None
    anchored_seal(world.first, planned)
    chain_of(world.first).endpoints = [FakeEndpoint(), FakeEndpoint(down=True)]
    with pytest.raises(AnchorUnknown):
        anchored_seal(restarted(world.first), planned)


def test_a_final_root_is_read_once_by_a_process_and_again_where_it_matters(world: World) -> None:
    planned, calls = world.distribution().planned, list[str]()
    assert planned is not None
    anchored_seal(world.first, planned)
    chain_of(world.first).before = calls.append

    anchored_seal(world.first, planned)
    assert calls == []
    anchored_seal(world.first, planned, anew=True)
    assert calls == ["receipts"]


# --- an anchor whose transaction cannot be read --------------------------------------------------


def test_the_published_file_of_a_paid_root_replaces_history(world: World) -> None:
    memo = read_anchor(world.first, WEEK)
    chain_of(world.first).has_history = False
    assert read_anchor(world.first, WEEK) == memo
    world.archive.files[world.archive.location(WEEK, b"o" * 32)] = b"a plan that was not anchored"
    assert read_anchor(world.first, WEEK) == memo
    world.archive.files.clear()
    with pytest.raises(AnchorUnreadable, match="no endpoint returns the transaction"):
        read_anchor(world.first, WEEK)


def test_the_mentions_of_strangers_are_read_on_from_try_to_try(world: World) -> None:
    memo, chain = read_anchor(world.first, WEEK), chain_of(world.first)
    for _ in range(25):
        world.ledger.stranger_mentions(chain.receipt_address(anchor_id(WEEK)))
    world.ledger.finalize()
    world.archive.files.clear()
    chain.mentions_a_search = 10

    for _ in range(2):
        with pytest.raises(AnchorUnreadable, match="the next try reads on"):
            read_anchor(world.first, WEEK)
        world.ledger.stranger_mentions(chain.receipt_address(anchor_id(WEEK)))
        world.ledger.finalize()

    assert read_anchor(world.first, WEEK) == memo
    with pytest.raises(AnchorUnreadable):
        read_anchor(world.first, WEEK)  # the place is forgotten: the search begins anew


def test_a_week_is_adopted_without_history(world: World) -> None:
    root = world.distribution().root
    state = store_of(world.first).state
    for table in (state.weeks, state.rewards, state.payouts):
        table.clear()
    chain_of(world.first).has_history = False
    found = plan_week(world.first, WEEK)
    assert (found.how, found.root) == ("adopted", root)
    assert world.archive.roots(WEEK) == [root]
    anchor_week(world.first, WEEK, Deadline(world.clock, 600))
    assert plan_week(world.first, NEXT).header.previous_root == root


def test_a_week_is_rebuilt_without_history(world: World) -> None:
    root = world.distribution().root
    state = store_of(world.first).state
    for table in (state.weeks, state.rewards, state.payouts):
        table.clear()
    chain_of(world.first).has_history = False
    rebuilt = rebuild_week(world.first, WEEK, Deadline(world.clock, 600))
    assert (rebuilt.root, world.distribution().root) == (root, root)
    assert world.distribution().stage.is_frozen
