"""Token accounts at our cost: how long a creation is waited for, and which ones count as made."""

from __future__ import annotations

import pytest

from tests.fakes.chain.chain import FakeChain, wallet_named
from tests.fakes.world import WEEK, World, chain_of
from worker.core.payout.chain import Height
from worker.services.context import Deadline
from worker.services.payout.token_accounts import create_token_accounts

WALLETS = [wallet_named("a"), wallet_named("b")]


@pytest.fixture
def world() -> World:
    world = World()
    world.clock.sleep(20)  # until every endpoint sees the funds
    return world


def create(world: World, seconds: float = 600) -> set[str]:
    return create_token_accounts(world.first, WEEK, WALLETS, Deadline(world.clock, seconds))


def test_a_creation_can_land_until_its_last_valid_block_is_final(world: World) -> None:
    chain = chain_of(world.first)
    last = chain.latest_blockhash().last_valid_block_height

    def finalized_height() -> Height:
        world.ledger.holds_sends = False
        world.ledger.deliver()
        return Height(last, FakeChain.finalized_height(chain).slot)

    world.ledger.holds_sends = True
    chain.finalized_height = finalized_height  # type: ignore[method-assign]
    assert create(world) == set(WALLETS)


def test_after_that_it_is_given_up(world: World) -> None:
    chain, looks = chain_of(world.first), []
    last = chain.latest_blockhash().last_valid_block_height

    def finalized_height() -> Height:
        looks.append(last)
        return Height(last + 1, FakeChain.finalized_height(chain).slot)

    world.ledger.holds_sends = True
    chain.finalized_height = finalized_height  # type: ignore[method-assign]
    assert create(world) == set()
    assert len(looks) == 1


def test_accounts_that_were_made_are_told_from_the_others(world: World) -> None:
    chain = chain_of(world.first)
    chain.accounts_per_transaction = 1
    world.ledger.holds_sends = True

    def deliver_one(method: str) -> None:
        if method == "recipients" and len(world.ledger.in_flight) == 2:
            world.ledger.deliver([min(world.ledger.in_flight)])

    chain.before = deliver_one
    made = create(world, seconds=5)
    assert len(made) == 1
    assert made < set(WALLETS)
