"""The contract of every `PublicChain`, on the fake cluster and on the real machine."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import pytest

from tests.contracts.chain.chain_worlds import ChainWorld, FakeWorld
from tests.contracts.chain.cluster_world import ClusterWorld
from tests.contracts.chain.opening import ANOTHER, open_world, worlds
from tests.fakes.chain.public_chain import FakePublicChain
from worker.adapters.solana.errors import AddressUnusable
from worker.adapters.solana.public_chain import PublicSolanaChain
from worker.adapters.solana.rpc.endpoint import Retries
from worker.core.errors import Unreachable
from worker.core.money import BaseUnits
from worker.core.payout.chain import Execution, Intent, Transfer
from worker.core.plan.receipts import ReceiptState, Resolution
from worker.ports.payout import PublicAddresses, PublicChain

_numbers = itertools.count()


@pytest.fixture(scope="module", params=worlds("fake", "token", ANOTHER))
def world(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ChainWorld]:
    with open_world(request.param, tmp_path_factory.mktemp("chain")) as opened:
        yield opened


@pytest.fixture(scope="module")
def public(world: ChainWorld) -> PublicChain:
    """A client of the same cluster without keys."""
    addresses = world.chain.public_addresses
    if isinstance(world, ClusterWorld):
        return PublicSolanaChain([world.url], world.chain.mint, addresses)
    assert isinstance(world, FakeWorld)
    return FakePublicChain(world.ledger, addresses)


def pay(world: ChainWorld, *, receipts: int = 1, amounts: tuple[int, ...] = (5, 7)) -> Execution:
    """One of our payments, finalized and read back."""
    ids = tuple(f"public/{next(_numbers)}" for _ in range(receipts))
    wallets = world.new_wallets(len(amounts))
    transfers = tuple(
        Transfer(wallet, BaseUnits(amount)) for wallet, amount in zip(wallets, amounts, strict=True)
    )
    intent = Intent(ids, Resolution.PAID, transfers, memo=ids[0])
    (signed,) = world.chain.sign([intent], world.chain.latest_blockhash())
    world.chain.send([(signed.signature, signed.wire)])
    world.finalize()
    return world.chain.executions(ids)[ids[0]]


def test_a_stranger_reads_what_we_read(world: ChainWorld, public: PublicChain) -> None:
    paid = pay(world)
    assert public.cluster_genesis() == world.chain.cluster_genesis()
    states = public.receipts([paid.receipt, "public/never"])
    assert states == {paid.receipt: ReceiptState.PAID, "public/never": ReceiptState.FREE}
    assert public.executions([paid.receipt, "public/never"]) == {paid.receipt: paid}
    assert public.executions_of({paid.receipt: paid.signature}) == {paid.receipt: paid}


def test_the_source_account_tells_every_payment_within_the_slots(
    world: ChainWorld, public: PublicChain
) -> None:
    first, second = pay(world), pay(world)
    assert public.source_history(first.slot, second.slot) == [second.signature, first.signature]
    assert public.source_history(second.slot, second.slot) == [second.signature]
    assert public.source_history(second.slot + 1, second.slot + 10**6) == []


def test_outflows_are_what_left_the_source_account(world: ChainWorld, public: PublicChain) -> None:
    paid = pay(world, amounts=(11, 13))
    found = public.outflows([paid.signature])[paid.signature]
    assert (found.amount, found.slot, found.memo) == (24, paid.slot, paid.receipt)


# --- the real client ---------------------------------------------------------------------------

ADDRESSES = PublicAddresses("11111111111111111111111111111112", "11111111111111111111111111111113")


@pytest.mark.parametrize("name", ["receipt_key", "source_account"])
def test_what_is_no_address_is_refused_at_once(name: str) -> None:
    values = {
        "receipt_key": ADDRESSES.receipt_key,
        "source_account": ADDRESSES.source_account,
    } | {name: "nonsense"}
    with pytest.raises(AddressUnusable, match="nonsense"):
        PublicSolanaChain(["http://127.0.0.1:9"], ADDRESSES.receipt_key, PublicAddresses(**values))


def test_nobody_answering_is_no_answer() -> None:
    chain = PublicSolanaChain(
        ["http://127.0.0.1:9"], ADDRESSES.receipt_key, ADDRESSES, retries=Retries(attempts=1)
    )
    with pytest.raises(Unreachable):
        chain.source_history(0, 10)
    with pytest.raises(Unreachable):
        chain.outflows(["1" * 64])
    chain.close()
