"""A week creates only so many token accounts; the other users' rewards are held."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from worker.core.plan.entrant import OVER_ACCOUNT_CAP, Entrant, cap_new_accounts

ENTRANT = Entrant(
    commitment=bytes(32),
    user_id="ada",
    points=1,
    late_points=0,
    multiplier=1_000_000,
    wallet="wallet",
    hold="",
    needs_account=False,
)


@given(st.lists(st.booleans(), max_size=20), st.integers(0, 20))
def test_the_first_ones_get_an_account_and_the_rest_is_held(
    needing: list[bool], limit: int
) -> None:
    entrants = [
        replace(ENTRANT, user_id=str(i), needs_account=needs) for i, needs in enumerate(needing)
    ]

    capped = list(cap_new_accounts(entrants, limit))

    over = [e for e in entrants if e.needs_account][limit:]
    assert [e.user_id for e in capped] == [e.user_id for e in entrants]
    assert [e.user_id for e in capped if e.hold == OVER_ACCOUNT_CAP] == [e.user_id for e in over]
    assert sum(e.needs_account for e in capped) == min(limit, sum(needing))
    assert all((e.wallet == "") is bool(e.hold) for e in capped)
