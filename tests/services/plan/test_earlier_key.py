"""A new receipt key continues the weeks of the key before: late points are counted, and once."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from tests.fakes.bundle import MemoryBundle
from tests.fakes.chain.chain import FakeChain
from tests.fakes.chain.public_chain import FakePublicChain
from tests.fakes.store.store import FakeStore
from tests.fakes.wiki.wiki import wiki_in_memory
from tests.fakes.world import WEEK, World, chain_of, sign_and_send, store_of
from worker.core.findings import Outcome
from worker.core.lifecycle import Stage
from worker.core.payout.chain import Intent, Searched
from worker.core.plan.commitment import PlanDoesNotMatchRoot
from worker.core.plan.counted_contributions import points_window
from worker.core.plan.earlier_key import EarlierKey
from worker.core.plan.memo import GenesisMemo, MalformedMemo
from worker.core.plan.receipts import GENESIS_ID, ReceiptState, Resolution, genesis_ids
from worker.core.week import Week
from worker.services.context import Context
from worker.services.plan.genesis import (
    AnotherCutoff,
    CutoffImpossible,
    GenesisUnreadable,
    NoGenesis,
    WeekAnchoredBefore,
    WeeksBetween,
    earlier_key,
    first_week,
    make_genesis,
)
from worker.services.plan.plan_week import plan_week
from worker.services.plan.send_until_resolved import ReceiptUnknown
from worker.services.proof.publish_bundle import publish_week
from worker.services.proof.verify_bundle import verify_bundle, verify_on_chain
from worker.services.wiki.as_planned import as_planned

NEXT = WEEK.next()
THIRD = NEXT.next()


def pass_week(world: World) -> None:
    world.clock.sleep(timedelta(days=7).total_seconds())


def late(world: World, points: int, week: Week = WEEK) -> None:
    """A contribution of an earlier week, recorded now."""
    created, now = week.start + timedelta(days=1), world.clock.now()
    world.record("user 0", points, created_at=created, recorded_at=now)


def new_key(context: Context, name: str = "new key") -> Context:
    chain = chain_of(context)
    made = FakeChain(
        chain.ledger, source=chain.source, receipt_key=name, transfers_per_transaction=2
    )
    return replace(context, chain=made)


@pytest.fixture
def world() -> World:
    """A closed week of the old key with a late contribution after its cut-off, and one before."""
    world = World(batch_size=2)
    world.populate(2)
    late(world, 1_000, WEEK.previous())  # before the wiki's first week: never counts
    world.genesis()
    world.run()
    assert world.distribution().stage is Stage.COMPLETED
    world.clock.sleep(60)
    late(world, 500)
    world.contribute("user 1", 100, week=NEXT)
    pass_week(world)
    return world


def last_cutoff(world: World) -> int:
    planned = world.distribution().planned
    assert planned is not None
    return planned.header.cutoff


def test_late_points_after_the_last_cutoff_count_in_the_first_plan_of_a_new_key(
    world: World,
) -> None:
    rotated = new_key(world.first)
    make_genesis(rotated, NEXT)
    assert rotated.store.earlier_key() == EarlierKey(last_cutoff(world), WEEK)
    header = plan_week(rotated, NEXT).header
    assert (header.total_points, header.previous_root) == (600, b"")
    world.run(rotated)
    world.clock.sleep(60)
    late(world, 70)
    pass_week(world)
    assert plan_week(rotated, THIRD).header.total_points == 70


def test_an_operator_with_an_empty_database_reads_it_from_the_chain(world: World) -> None:
    rotated = new_key(world.first)
    make_genesis(rotated, NEXT)
    rival = world.add_operator()
    store_of(rival).restore(store_of(world.first).snapshot())
    state = store_of(rival).state
    for table in (state.weeks, state.rewards, state.payouts, state.first_week, state.earlier_key):
        table.clear()
    rival = new_key(rival)

    assert earlier_key(rival, NEXT, first_week(rival)) == EarlierKey(last_cutoff(world), WEEK)
    assert make_genesis(rival, NEXT)[1] is False
    assert rival.store.earlier_key() == EarlierKey(last_cutoff(world), WEEK)


def without_weeks(world: World) -> Context:
    """The operator of a new key, whose database lacks the weeks before."""
    state = store_of(world.first).state
    for table in (state.weeks, state.rewards, state.payouts, state.first_week):
        table.clear()
    return new_key(world.first)


def test_the_genesis_of_a_faster_operator_counts_even_if_it_is_returned_only_once(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Operators with different cut-offs would make different plans."""
    rotated, rival = new_key(world.first), new_key(world.add_operator())
    named = last_cutoff(world) + 1

    def be_overtaken(method: str) -> None:
        if method == "sign":
            chain_of(rotated).before = lambda _: None
            make_genesis(rival, NEXT, after_cutoff=named)

    chain_of(rotated).before = be_overtaken
    monkeypatch.setattr(
        chain_of(rotated), "search_execution", lambda receipt_id, place: Searched(None, None)
    )

    make_genesis(rotated, NEXT)

    assert rotated.store.earlier_key() == rival.store.earlier_key()
    assert last_cutoff(world) != named


def test_the_last_cutoff_is_named_where_the_database_lacks_it(world: World) -> None:
    cutoff, rotated = last_cutoff(world), without_weeks(world)
    make_genesis(rotated, NEXT, after_cutoff=cutoff)
    assert rotated.store.earlier_key() == EarlierKey(cutoff, NEXT.back(4))
    assert plan_week(rotated, NEXT).header.total_points == 600
    named = rf"is {cutoff + 1}, but by the genesis on chain the last .* before is {cutoff}\."
    with pytest.raises(AnotherCutoff, match=named):
        make_genesis(rotated, NEXT, after_cutoff=cutoff + 1)
    assert make_genesis(rotated, NEXT, after_cutoff=cutoff)[1] is False


@pytest.mark.parametrize("late_by", [0, 10**9])
def test_a_cutoff_may_be_named_from_the_end_of_the_week_before_until_now(
    world: World, late_by: int
) -> None:
    world.clock.sleep(1 - world.clock.now().timestamp() % 1)
    earliest, now = int(NEXT.start.timestamp()), int(world.clock.now().timestamp())
    assert world.clock.now().timestamp() == now
    named, rotated = min(earliest + late_by, now), without_weeks(world)
    make_genesis(rotated, NEXT, after_cutoff=named)
    assert rotated.store.earlier_key() == EarlierKey(named, NEXT.back(4))


def test_a_cutoff_is_named_for_a_genesis_that_cannot_be_read(world: World) -> None:
    cutoff = last_cutoff(world)
    make_genesis(new_key(world.first), NEXT)
    rotated = without_weeks(world)
    store_of(rotated).state.earlier_key.clear()
    chain_of(rotated).has_history = False
    make_genesis(rotated, NEXT, after_cutoff=cutoff)
    assert rotated.store.earlier_key() == EarlierKey(cutoff, NEXT.back(4))


def test_the_record_of_an_unreadable_genesis_follows_the_weeks_before_its_own(
    world: World,
) -> None:
    rotated = new_key(world.first)
    make_genesis(rotated, NEXT)
    world.run(rotated)
    assert world.distribution(NEXT).stage is Stage.COMPLETED
    for table in (store_of(rotated).state.first_week, store_of(rotated).state.earlier_key):
        table.clear()
    chain_of(rotated).has_history = False
    make_genesis(rotated, NEXT)
    assert rotated.store.earlier_key() == EarlierKey(last_cutoff(world), WEEK)


def test_a_third_key_remembers_the_first_week_of_the_first_one(world: World) -> None:
    """Late points of the first key's weeks still count, although its weeks are gone."""
    second = new_key(world.first)
    make_genesis(second, NEXT)
    plan_week(second, NEXT)
    world.run(second)
    pass_week(world)
    del store_of(second).state.weeks[WEEK]
    third = new_key(second, "a third key")
    make_genesis(third, THIRD)
    recorded = third.store.earlier_key()
    assert recorded is not None
    assert recorded.first_week == WEEK


def test_a_week_without_a_recorded_genesis_is_the_first_one_of_its_key(world: World) -> None:
    store_of(world.first).state.first_week.clear()
    rotated = new_key(world.first)
    make_genesis(rotated, NEXT)
    assert rotated.store.earlier_key() == EarlierKey(last_cutoff(world), WEEK)


@pytest.mark.parametrize("named", [1, int(NEXT.start.timestamp()) - 1, 2**40])
def test_an_impossible_cutoff_is_refused(world: World, named: int) -> None:
    with pytest.raises(CutoffImpossible, match="unix seconds"):
        make_genesis(without_weeks(world), NEXT, after_cutoff=named)


def test_weeks_between_the_last_known_one_and_the_first_one_need_an_answer(world: World) -> None:
    """Another database may have paid them: their late points would count twice."""
    with pytest.raises(WeeksBetween, match=f"name {last_cutoff(world)}"):
        make_genesis(new_key(world.first), THIRD)
    elsewhere = int(THIRD.start.timestamp()) + 700
    with pytest.raises(CutoffImpossible):
        make_genesis(new_key(world.first), THIRD, after_cutoff=elsewhere - 1_000_000)
    pass_week(world)
    make_genesis(new_key(world.first), THIRD, after_cutoff=elsewhere)
    assert world.first.store.earlier_key() == EarlierKey(elsewhere, THIRD.back(4))
    assert make_genesis(new_key(world.first), THIRD)[1] is False, "the chain knows it now"


def test_a_week_that_nobody_planned_is_not_the_last_one_of_the_key_before(world: World) -> None:
    world.first.store.ensure_distribution(NEXT, world.clock.now())
    with pytest.raises(WeeksBetween, match=f"database is 2024-W50.* name {last_cutoff(world)}"):
        make_genesis(new_key(world.first), THIRD)


@pytest.mark.parametrize("week", [WEEK, WEEK.previous()])
def test_a_new_key_cannot_begin_with_a_week_that_is_anchored(world: World, week: Week) -> None:
    with pytest.raises(WeekAnchoredBefore, match="2024-W50 is anchored with another receipt key"):
        make_genesis(new_key(world.first), week)


@pytest.mark.parametrize("silent", [(0, 1), (0,), (1,)])
@pytest.mark.parametrize("week", [WEEK, NEXT])
def test_no_genesis_is_made_while_an_endpoint_is_silent_about_it(
    world: World, week: Week, silent: tuple[int, ...]
) -> None:
    """Otherwise a week that another key has paid could be paid again, or its key be forgotten."""
    rotated = new_key(world.first)
    chain = chain_of(rotated)
    read, looks = chain.receipts, [silent]

    def once_silent(ids: list[str], *, not_before_slot: int = 0) -> dict[str, ReceiptState]:
        found = read(ids, not_before_slot=not_before_slot)
        hidden = [ids[number] for number in looks.pop()] if looks else []
        return found | dict.fromkeys(hidden, ReceiptState.UNKNOWN)

    chain.receipts = once_silent  # type: ignore[method-assign, assignment]
    sent = len(world.ledger.landed)
    with pytest.raises(ReceiptUnknown):
        make_genesis(rotated, week)
    assert len(world.ledger.landed) == sent
    if week == NEXT:
        make_genesis(rotated, week)
        assert rotated.store.earlier_key() == EarlierKey(last_cutoff(world), WEEK)


def test_operators_who_make_the_genesis_at_once_remember_the_same_key(world: World) -> None:
    """One of them has no week in the database, and only sees that the other one was faster."""
    faster, slower = new_key(world.first), replace(new_key(world.first), store=FakeStore())
    chain, overtaken = chain_of(slower), [True]

    def overtake(method: str) -> None:
        if method == "latest_blockhash" and overtaken:
            overtaken.clear()
            make_genesis(faster, NEXT)

    chain.before = overtake
    _, made = make_genesis(slower, NEXT)
    assert made
    assert faster.store.earlier_key() == EarlierKey(last_cutoff(world), WEEK)
    assert slower.store.earlier_key() == faster.store.earlier_key()


def test_a_new_key_may_begin_with_a_week_that_is_only_planned(world: World) -> None:
    plan_week(world.first, NEXT)
    assert world.distribution(NEXT).stage is Stage.PLANNED
    assert make_genesis(new_key(world.first), NEXT)[1] is True


def test_weeks_between_that_nobody_paid_count_as_late_if_the_operator_says_so(
    world: World,
) -> None:
    rotated, cutoff = new_key(world.first), last_cutoff(world)
    pass_week(world)
    make_genesis(rotated, THIRD, after_cutoff=cutoff)
    assert rotated.store.earlier_key() == EarlierKey(cutoff, WEEK)
    assert plan_week(rotated, THIRD).header.total_points == 600


def test_ignorance_of_a_genesis_is_not_recorded_as_no_earlier_key(world: World) -> None:
    make_genesis(new_key(world.first), NEXT)
    rotated = without_weeks(world)
    store_of(rotated).state.earlier_key.clear()
    chain_of(rotated).has_history = False
    with pytest.raises(GenesisUnreadable, match="or 0 if there was none"):
        make_genesis(rotated, NEXT)
    assert rotated.store.first_week() is None
    make_genesis(rotated, NEXT, after_cutoff=0)
    assert (rotated.store.first_week(), rotated.store.earlier_key()) == (NEXT, None)


def test_a_cutoff_that_differs_from_the_stored_plan_is_refused(world: World) -> None:
    cutoff = last_cutoff(world)
    named = rf"is {cutoff - 1}, but by the stored plan of 2024-W50 the last .* is {cutoff}\."
    with pytest.raises(AnotherCutoff, match=named):
        make_genesis(new_key(world.first), NEXT, after_cutoff=cutoff - 1)
    make_genesis(new_key(world.first), NEXT, after_cutoff=cutoff)


def test_a_stored_header_that_was_changed_is_not_continued(world: World) -> None:
    weeks = store_of(world.first).state.weeks
    known = weeks[WEEK].distribution
    old = str(last_cutoff(world)).encode()
    changed = (known.header or b"").replace(old, str(int(old) - 3600).encode())
    weeks[WEEK] = replace(weeks[WEEK], distribution=replace(known, header=changed))
    with pytest.raises(PlanDoesNotMatchRoot):
        make_genesis(new_key(world.first), NEXT)
    make_genesis(new_key(world.first), NEXT, after_cutoff=int(old))
    assert world.first.store.earlier_key() == EarlierKey(int(old), NEXT.back(4))


def test_a_wiki_without_weeks_continues_nothing() -> None:
    world = World()
    world.genesis()
    assert world.first.store.earlier_key() is None
    assert earlier_key(world.first, WEEK, WEEK) is None


def test_without_a_record_and_without_history_the_first_plans_wait(world: World) -> None:
    rotated = new_key(world.first)
    make_genesis(rotated, NEXT)
    store_of(rotated).state.first_week.clear()
    chain_of(rotated).has_history = False

    assert first_week(rotated) == NEXT
    with pytest.raises(GenesisUnreadable, match="kontrib genesis --first-week 2024-W51"):
        plan_week(rotated, NEXT)
    assert "GenesisUnreadable" not in (world.distribution().reason or "")
    assert earlier_key(rotated, NEXT.back(-4), NEXT) is None, "no late point is that old"
    make_genesis(rotated, NEXT)
    assert plan_week(rotated, NEXT).header.total_points == 600


def test_the_first_week_is_found_without_history_and_among_mentions(world: World) -> None:
    store_of(world.first).state.first_week.clear()
    chain = chain_of(world.first)
    for _ in range(30):
        world.ledger.stranger_mentions(chain.receipt_address(GENESIS_ID))
    world.ledger.finalize()
    chain.mentions_a_search = 5
    chain.has_history = False
    assert first_week(world.first) == WEEK


def test_a_genesis_receipt_that_somebody_added_decides_nothing(world: World) -> None:
    """Somebody with the receipt key allocates the receipt of an earlier first week."""
    chain = chain_of(world.first)
    _, forged = genesis_ids(chain.cluster_genesis(), chain.mint, WEEK.back(10))
    sign_and_send(world, Intent((forged,), Resolution.PAID, memo="forged"))
    store_of(world.first).state.first_week.clear()
    assert first_week(world.first) == WEEK
    chain.has_history = False
    with pytest.raises(NoGenesis):
        first_week(world.first)


def test_a_memo_with_an_earlier_key_is_read_back() -> None:
    memo = GenesisMemo(NEXT, "mint", EarlierKey(1_734_000_000, WEEK))
    assert GenesisMemo.parse(memo.text()) == memo
    assert GenesisMemo(NEXT, "mint").text() == (
        '{"first_week":"2024-12-16","kontrib":"1","mint":"mint"}'
    )
    for damaged in (
        memo.text().replace("1734000000", "soon"),
        memo.text().replace('"earlier_f', '"f'),
    ):
        with pytest.raises(MalformedMemo):
            GenesisMemo.parse(damaged)


# --- readers ---------------------------------------------------------------------------------


def test_a_stranger_verifies_the_first_week_of_a_new_key(world: World) -> None:
    rotated = new_key(world.first)
    make_genesis(rotated, NEXT)
    world.run(rotated)
    world.ledger.finalize()
    bundle = MemoryBundle()
    publish_week(rotated, NEXT, bundle)
    verified = verify_bundle(bundle)
    chain = FakePublicChain(world.ledger, chain_of(rotated).public_addresses)
    verify_on_chain(verified, bundle, chain)
    assert [str(each) for each in verified.findings if "genesis" in str(each)] == []
    assert verified.outcome is Outcome.OK, list(map(str, verified.findings))


@pytest.mark.parametrize(
    ("memo", "found"),
    [
        ('{"first_week":"2024-12-16","kontrib":"1","mint":"another"}', "the mint"),
        ('{"first_week":"2024-12-09","kontrib":"1","mint":"FakeMint"}', "the first week"),
        ('{ "first_week":"2024-12-16","kontrib":"1","mint":"FakeMint"}', "the genesis memo"),
        ("hello", "Not a memo of this system"),
    ],
)
def test_a_genesis_with_another_memo_is_named(world: World, memo: str, found: str) -> None:
    rotated = new_key(world.first)
    chain = chain_of(rotated)
    ids = genesis_ids(chain.cluster_genesis(), chain.mint, NEXT)
    (signed,) = chain.sign([Intent(ids, Resolution.PAID, memo=memo)], chain.latest_blockhash())
    chain.send([(signed.signature, signed.wire)])
    world.ledger.finalize()
    rotated.store.record_first_week(NEXT, EarlierKey(last_cutoff(world), WEEK))
    world.run(rotated)
    world.ledger.finalize()
    bundle = MemoryBundle()
    publish_week(rotated, NEXT, bundle)
    verified = verify_bundle(bundle)
    verify_on_chain(verified, bundle, FakePublicChain(world.ledger, chain.public_addresses))
    assert found in "\n".join(map(str, verified.findings))


def test_later_counts_use_the_window_of_the_plan(world: World) -> None:
    rotated = new_key(world.first)
    make_genesis(rotated, NEXT)
    plan_week(rotated, NEXT)
    planned = world.distribution(NEXT).planned
    assert planned is not None
    wiki = wiki_in_memory(store_of(rotated), world.clock)
    window, _ = as_planned(wiki, planned)
    assert window == points_window(NEXT, WEEK, planned.header.cutoff, last_cutoff(world))
