"""The effects and costs of a preview, compared with those of the paid plan."""

from __future__ import annotations

from fractions import Fraction

from tests.fakes.world import WEEK, World, chain_of
from worker.core.lifecycle import Stage
from worker.core.money import ONE_TOKEN
from worker.core.year_cost import SIZES
from worker.services.plan.funds import payer_reserve
from worker.services.plan.plan_week import dry_run, plan_week
from worker.services.plan.preview import Preview, preview


def previewed(world: World) -> Preview:
    return preview(world.first, dry_run(world.first, WEEK))


def test_the_owners_example_has_the_ratio_0_8(world: World) -> None:
    world.add_user("ada")
    world.contribute("ada", 540)
    for i in range(8):
        world.add_user(f"u{i}")
        world.contribute(f"u{i}", 1120)
    for _ in range(3):
        world.contribute("ada", 1000)
    world.genesis()
    assert previewed(world).header.total_points == 540 + 8 * 1120 + 3000
    assert previewed(world).ratio == Fraction(10_000, 12_500)


def test_the_largest_rewards_come_first(world: World) -> None:
    world.populate(20)
    world.genesis()
    top = previewed(world).top
    assert [r.points for r, _ in top] == sorted((r.points for r, _ in top), reverse=True)
    assert len(top) == 10


def test_the_estimate_is_what_the_funds_are_checked_against(world: World) -> None:
    for i in range(7):
        world.add_user(f"u{i}", account=i % 2 == 0, wallet=None if i == 6 else "own")
        world.contribute(f"u{i}", 100)
    world.genesis()
    found = previewed(world)
    costs = chain_of(world.first).costs()
    fee = costs.fee_per_signature * costs.signatures + costs.priority_fee_max
    assert found.estimate.new_accounts == 3
    assert (found.estimate.batches, found.estimate.singles) == (2, 1)
    assert found.estimate.receipts_rent == (2 + 2 + 1) * costs.receipt_rent
    assert found.estimate.accounts_rent == 3 * costs.token_account_rent
    assert found.estimate.fees == (1 + 2 + 1 + 1) * fee
    assert found.estimate.lamports + payer_reserve(costs) == found.funds.needed.lamports
    assert found.funds.is_enough


def test_what_is_short_is_named_to_the_base_unit(world: World) -> None:
    world.populate(3)
    world.genesis()
    world.fund(tokens=-(1_000_000 - 9_999) * ONE_TOKEN)
    world.clock.sleep(30)  # until the change is final
    assert previewed(world).funds.tokens_short == ONE_TOKEN


def test_a_preview_writes_nothing(world: World) -> None:
    world.populate(3)
    world.genesis()
    before = chain_of(world.first).ledger.slot
    previewed(world)
    assert world.first.store.distribution(WEEK) is None
    assert world.archive.files == {}
    assert chain_of(world.first).ledger.slot == before


def test_a_preview_of_a_planned_week_says_so(world: World) -> None:
    world.populate(3)
    world.genesis()
    plan_week(world.first, WEEK)
    assert previewed(world).stage is Stage.PLANNED


def test_a_week_without_contributions_has_no_ratio(world: World) -> None:
    world.genesis()
    found = previewed(world)
    assert found.ratio == 0
    assert [now.contributors for now, _ in found.years] == sorted(SIZES)
