"""Hypothesis strategies and factories for the core, in one place."""

from __future__ import annotations

import string
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Any

from hypothesis import strategies as st

from worker.core.money import BaseUnits
from worker.core.plan.allocation import Policy, StakingBonus
from worker.core.plan.commitment import Header, Row
from worker.core.plan.entrant import Entrant
from worker.core.plan.receipts import BatchId
from worker.core.week import Week

BASE58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
FIRST_MONDAY = date(1970, 1, 5)
A_WEEK = Week(date(2024, 12, 9))

digests = st.binary(min_size=32, max_size=32)
weeks = st.integers(0, 50 * 400).map(lambda n: Week(FIRST_MONDAY + timedelta(weeks=n)))
wallets = st.text(BASE58, min_size=32, max_size=44)
texts = st.text(st.characters(codec="utf-8"), max_size=20)
object_ids = st.text(string.hexdigits, min_size=24, max_size=24)
user_ids = object_ids | texts.filter(bool)
any_texts = st.text(st.characters(), max_size=20)
"""Any text in Python, lone surrogates included."""
_uint64 = st.integers(0, 2**64 - 1)
entrants = st.builds(
    Entrant,
    commitment=digests,
    user_id=user_ids | any_texts,
    points=_uint64,
    late_points=_uint64,
    multiplier=_uint64,
    wallet=st.just("") | wallets | any_texts,
    hold=st.just("") | any_texts,
    needs_account=st.booleans(),
)
rosters = st.lists(entrants, max_size=20, unique_by=lambda entrant: entrant.commitment)

_few_points = st.integers(1, 12)  # many ties
_any_points = st.integers(1, 10**12)  # huge skew
_multipliers = st.sampled_from([10**6, 10**6, 1_100_000, 1_300_000, 1_600_000, 2 * 10**6])


@dataclass(frozen=True)
class Split:
    """The input of one allocation."""

    points: list[int]
    multipliers: list[int]
    policy: Policy

    def in_order(self, order: Sequence[int]) -> Split:
        return replace(
            self,
            points=[self.points[i] for i in order],
            multipliers=[self.multipliers[i] for i in order],
        )


@st.composite
def splits(draw: st.DrawFn, *, users_min: int = 1, users_max: int = 25) -> Split:
    """Inputs with ties, skew, multipliers, tiny pools, and all kinds of floors."""
    points = draw(st.lists(_few_points | _any_points, min_size=users_min, max_size=users_max))
    count = len(points)
    multipliers = draw(st.lists(_multipliers, min_size=count, max_size=count))
    pool = draw(st.integers(0, 100) | st.integers(0, 10**13))
    even = pool // max(1, count)
    floor = draw(st.sampled_from([0, 1, even // 3, even - even // 9, even, even + 1]))
    policy = Policy(BaseUnits(pool), BaseUnits(floor), draw(st.sampled_from(StakingBonus)))
    return Split(points, multipliers, policy)


json_texts = st.recursive(
    texts, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3)
)
rules_snapshots = st.dictionaries(texts, json_texts, max_size=4)


def a_row(number: int, **changes: Any) -> Row:
    """A row that is different for each number."""
    row = Row(
        user=number.to_bytes(32),
        wallet=f"Wa11et{number}",
        points=100 + number,
        weight=(100 + number) * 10**6,
        amount=BaseUnits(80 * 10**9 + number),
        batch="",
    )
    return replace(row, **changes)


def a_header(*, payable: int = 0, held: int = 0, batch_size: int = 1, **changes: Any) -> Header:
    """A header whose counts fit each other."""
    header = Header(
        week=A_WEEK,
        cutoff=1734307201,
        previous_root=b"",
        mint="So11111111111111111111111111111111111111112",
        rules={"pool": "10000000000000"},
        batch_size=batch_size,
        batches=-(-payable // batch_size),
        rewards=payable + held,
        held=held,
        total_points=12_500,
        total_weight=12_500 * 10**6,
        total_amount=BaseUnits(10_000 * 10**9),
        floor_waived=False,
    )
    return replace(header, **changes)


def rows_of(header: Header) -> list[Row]:
    """Rows in canonical order that fit a header."""
    payable = header.rewards - header.held
    batched = [
        a_row(i, batch=str(BatchId(header.week, i // header.batch_size))) for i in range(payable)
    ]
    return batched + [a_row(i, wallet="") for i in range(payable, header.rewards)]


rows = st.builds(
    Row,
    user=digests,
    wallet=st.just("") | wallets,
    points=st.integers(1, 10**15),
    weight=st.integers(1, 10**21),
    amount=st.integers(0, 2**63 - 1).map(BaseUnits),
    batch=st.just("") | st.builds(lambda w, i: str(BatchId(w, i)), weeks, st.integers(0, 10**6)),
)

_counts = st.integers(0, 10**9)
headers = st.builds(
    Header,
    week=weeks,
    cutoff=st.integers(0, 2**40),
    previous_root=st.just(b"") | digests,
    mint=wallets,
    rules=rules_snapshots,
    batch_size=st.integers(1, 64),
    batches=_counts,
    rewards=_counts,
    held=_counts,
    total_points=_counts,
    total_weight=st.integers(0, 10**24),
    total_amount=st.integers(0, 2**63 - 1).map(BaseUnits),
    floor_waived=st.booleans(),
)
