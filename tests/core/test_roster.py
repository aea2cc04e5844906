"""Who takes part in a plan: packed, and always in the same order."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.core.strategies import digests, texts, user_ids, wallets
from worker.core.roster import Entrant, Roster

entrants = st.builds(
    Entrant,
    commitment=digests,
    user_id=user_ids,
    points=st.integers(1, 2**63 - 1),
    late_points=st.integers(0, 2**63 - 1),
    multiplier=st.integers(10**6, 10**7),
    wallet=st.just("") | wallets,
    hold=texts,
    needs_account=st.booleans(),
)


@given(st.lists(entrants, max_size=20, unique_by=lambda e: e.commitment))
def test_entrants_come_back_whole_and_ascending_by_commitment(some: list[Entrant]) -> None:
    roster = Roster(some)

    assert list(roster) == sorted(some, key=lambda e: e.commitment)
    assert len(roster) == len(some)


@given(st.lists(entrants, max_size=10, unique_by=lambda e: e.commitment), st.randoms())
def test_the_order_they_came_in_does_not_matter(some: list[Entrant], random) -> None:
    shuffled = list(some)
    random.shuffle(shuffled)

    assert list(Roster(iter(shuffled))) == list(Roster(some))


def test_a_roster_can_be_read_more_than_once() -> None:
    entrant = Entrant(b"\x01" * 32, "u1", 540, 40, 1_300_000, "Wa11et", "", needs_account=True)
    roster = Roster([entrant])

    assert list(roster) == list(roster) == [entrant]
    assert entrant.weight == 702_000_000


@pytest.mark.parametrize("count", [0, 1])
def test_a_roster_may_be_tiny(count: int) -> None:
    one = Entrant(bytes(32), "u", 1, 0, 10**6, "", "no wallet", needs_account=False)

    assert list(Roster([one] * count)) == [one] * count
