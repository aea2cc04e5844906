"""Events of the cluster and of time: forks, transactions in flight, endpoints, strangers."""

from __future__ import annotations

from tests.fakes.chain.transactions import signature_of
from tests.fakes.world import chain_of
from tests.simulation.faults.moods import MoodyChain
from tests.simulation.town import Town

LATE_METHODS = {
    "finalized_height": 5,
    "receipts": 7,
    "statuses": 11,
    "executions": 13,
    "accounts": 17,
    "latest_blockhash": 19,
}
"""The reads of an endpoint, with a prime each that spreads their lags."""


def wait(town: Town, number: int) -> None:
    town.world.clock.sleep((1, 20, 80, 150, 400, 7 * 3600)[number % 6])


def begin_next_week(town: Town, number: int) -> None:
    """Add contributions of another week, and pass its end."""
    if len(town.weeks) <= 3 and number % 2 == 0:
        town.add_week()


def fork(town: Town, number: int) -> None:
    depth = min((1, 3, 8, 31)[number % 4], town.world.ledger.blocks_not_final)
    town.dropped += town.world.ledger.fork(depth)


def land_dropped(town: Town, number: int) -> None:
    """Nodes send transactions again that a fork dropped."""
    for wire in town.dropped[number % 3 :]:
        town.world.ledger.submit(signature_of(wire), wire)
    town.dropped.clear()


def hold_sends(town: Town, number: int) -> None:
    town.world.ledger.holds_sends = number % 3 > 0


def deliver(town: Town, number: int) -> None:
    """Any transaction in flight lands, in any order."""
    flying = sorted(town.world.ledger.in_flight)
    if flying:
        town.world.ledger.deliver([flying[number % len(flying)]])


def lose_in_flight(town: Town, number: int) -> None:
    flying = sorted(town.world.ledger.in_flight)
    if flying:
        town.world.ledger.lose(flying[number % len(flying)])


def change_endpoint(town: Town, number: int) -> None:
    """An endpoint lags, stops or recovers."""
    chain = chain_of(town.operators[number % 2])
    endpoint = chain.endpoints[number // 2 % 3]
    endpoint.lag_slots = (0, 5, 40, 200)[number // 6 % 4]
    endpoint.down = number // 24 % 3 == 1


def spread_nodes(town: Town, number: int) -> None:
    """The nodes behind an endpoint's URL drift apart: each method answers some blocks late."""
    chain = chain_of(town.operators[number % 2])
    chain.endpoints[number // 2 % 3].late = {
        method: (number * prime) % 9 for method, prime in LATE_METHODS.items()
    }


def forget_statuses(town: Town, number: int) -> None:
    chain = town.operators[number % 2].chain
    assert isinstance(chain, MoodyChain)
    chain.forgets_statuses = number // 2 % 2 == 0


def lose_history(town: Town, number: int) -> None:
    chain_of(town.operators[number % 2]).has_history = number // 2 % 2 == 1


def delay_history(town: Town, number: int) -> None:
    """Transactions are readable some blocks after their receipts, with or without their time."""
    chain = chain_of(town.operators[number % 2])
    chain.history_lag_slots = (0, 3, 8, 60)[number // 2 % 4]
    chain.has_block_times = number // 8 % 2 == 0


def refuse_sends(town: Town, number: int) -> None:
    chain_of(town.operators[number % 2]).refuses_sends = "behind" if number // 2 % 2 else None


def stranger(town: Town, number: int) -> None:
    """A stranger funds and mentions a receipt."""
    week = town.weeks[number % len(town.weeks)]
    names = (f"{week.id}/anchor", f"{week.id}/00000", f"{week.id}/00001", f"{week.id}/00002")
    address = chain_of(town.operators[0]).receipt_address(names[number % 4])
    town.world.ledger.give_lamports(address, 1 + number)
    town.world.ledger.stranger_mentions(address)
