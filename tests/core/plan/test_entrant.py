"""Entrants of a plan survive packing and unpacking."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import example, given

from tests.core.strategies import entrants
from worker.core.plan.entrant import Entrant, commitment_of, pack, unpack

ADA = Entrant(b"\x01" * 32, "ad" * 12, 540, 40, 1_300_000, "Wa11et", "", needs_account=True)


@given(entrants)
@example(replace(ADA, user_id="", wallet="", hold="\ud800"))
@example(replace(ADA, user_id="AD" * 12))
@example(replace(ADA, user_id="ad " * 8))
@example(replace(ADA, user_id="\u0661" * 24))
def test_an_entrant_comes_back_whole(entrant: Entrant) -> None:
    assert unpack(pack(entrant)) == entrant
    assert commitment_of(pack(entrant)) == entrant.commitment


@given(entrants, entrants)
def test_the_packed_sort_by_commitment(one: Entrant, other: Entrant) -> None:
    by_bytes = sorted([one, other], key=pack)

    assert [e.commitment for e in by_bytes] == sorted([one.commitment, other.commitment])


def test_a_usual_entrant_takes_about_120_bytes() -> None:
    assert len(pack(replace(ADA, wallet="W" * 44))) == 122


@pytest.mark.parametrize("length", [255, 256, 70_000])
def test_a_text_may_be_long(length: int) -> None:
    entrant = replace(ADA, user_id="u" * length, wallet="w" * length, hold="h" * length)

    assert unpack(pack(entrant)) == entrant


def test_a_weight_is_points_times_the_multiplier() -> None:
    assert ADA.weight == 702_000_000
