"""Token accounts at our cost: how long a creation is waited for, and which ones count as made."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

import pytest

from tests.fakes.chain.chain import FakeChain, wallet_named
from tests.fakes.chain.transactions import TokenAccount, token_address
from tests.fakes.world import WEEK, World, chain_of
from worker.core.cost import Charge
from worker.core.payout.chain import Blockhash, Height, Landing, SendResult, SignatureStatus
from worker.core.payout.looks.pace import LOOKS_UNSEEN
from worker.ports.payout import Signed
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


def charges(world: World) -> list[Charge | None]:
    found = world.first.store.other_transactions(WEEK, "", 9)
    return [each.charge for each in found]


def test_a_creation_that_a_node_shows_as_pending_for_ever_is_given_up(world: World) -> None:
    chain, began = chain_of(world.first), world.clock.now()
    pending = SignatureStatus(Landing.PENDING)
    chain.statuses = lambda signatures: [pending for _ in signatures]  # type: ignore[method-assign]
    world.ledger.holds_sends = True
    assert create(world) == set()
    assert (world.clock.now() - began).total_seconds() < 300


def test_the_fee_payers_balance_proves_what_creations_cost(world: World) -> None:
    chain = chain_of(world.first)
    chain.accounts_per_transaction = 1

    assert create(world) == set(WALLETS)

    signatures = [each.signature for each in world.first.store.other_transactions(WEEK, "", 9)]
    world.clock.sleep(20)
    assert charges(world) == [chain.charges([it])[it] for it in signatures]
    assert len(signatures) == 2


def test_an_account_that_somebody_else_made_leaves_the_charge_to_be_read(world: World) -> None:
    chain, sign = chain_of(world.first), chain_of(world.first).sign_account_creations

    def overtaken(wallets: Sequence[str], blockhash: Blockhash) -> list[Signed]:
        world.ledger.put_token_account(token_address(WALLETS[0]), TokenAccount(WALLETS[0]))
        return sign(wallets, blockhash)

    chain.sign_account_creations = overtaken  # type: ignore[method-assign]
    assert create(world) == set(WALLETS)

    assert charges(world) == [None]


def test_only_a_creation_that_no_node_has_seen_is_sent_again(world: World) -> None:
    chain, sent = chain_of(world.first), list[int]()
    chain.accounts_per_transaction = 1
    send, submit = chain.send, world.ledger.submit

    def lose_the_first(signature: str, wire: bytes) -> None:
        if sent != [2]:
            submit(signature, wire)
        else:
            sent.append(0)

    def count(wires: Sequence[tuple[str, bytes]]) -> list[SendResult]:
        sent.append(len(wires))
        return send(wires)

    chain.send = count  # type: ignore[method-assign]
    world.ledger.submit = lose_the_first  # type: ignore[method-assign]

    assert create(world) == set(WALLETS)
    assert sent == [2, 0, 1]


def test_accounts_that_were_made_are_told_from_the_others(world: World) -> None:
    chain = chain_of(world.first)
    chain.accounts_per_transaction = 1
    world.ledger.holds_sends = True

    def deliver_one(method: str) -> None:
        if method == "statuses" and len(world.ledger.in_flight) == 2:
            world.ledger.deliver([min(world.ledger.in_flight)])

    chain.before = deliver_one
    made = create(world, seconds=5)
    assert len(made) == 1
    assert made < set(WALLETS)


def test_a_refused_creation_makes_no_account(world: World) -> None:
    chain = chain_of(world.first)

    def spend_the_rent(method: str) -> None:
        payer = world.ledger.account(chain.fee_payer)
        if method == "send" and payer is not None:
            world.ledger.put_account(chain.fee_payer, replace(payer, lamports=10_000))

    chain.before = spend_the_rent
    assert create(world) == set()


def test_an_answer_that_misses_a_status_proves_no_account(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.ledger.holds_sends = True
    monkeypatch.setattr(chain_of(world.first), "statuses", lambda signatures: [])

    with pytest.raises(ValueError, match="shorter"):
        create(world)


def test_a_creation_is_looked_at_as_soon_as_a_node_can_show_it(world: World) -> None:
    chain, began, looks = chain_of(world.first), world.clock.now(), list[datetime]()

    def note(method: str) -> None:
        if method == "statuses":
            looks.append(world.clock.now())

    chain.before = note
    create(world)

    seconds = (looks[0] - began).total_seconds()
    assert seconds == LOOKS_UNSEEN * world.first.limits.poll_seconds
