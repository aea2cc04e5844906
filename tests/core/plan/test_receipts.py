"""P2: the ids and seeds under which the chain itself enforces once."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.core.strategies import A_WEEK, digests, wallets, weeks
from worker.core.plan.receipts import (
    GENESIS_ID,
    BatchId,
    ReceiptState,
    Resolution,
    agreed_state,
    anchor_id,
    anchor_ids,
    genesis_ids,
    majority_of,
    receipt_seed,
    single_id,
    state_of,
    unknown_because,
)
from worker.core.week import Week

ROOT = bytes(range(32))


def test_the_ids_are_written_as_the_format_says() -> None:
    assert anchor_id(A_WEEK) == "2024-12-09/anchor"
    assert anchor_ids(A_WEEK, ROOT) == ("2024-12-09/anchor", f"2024-12-09/root/{ROOT.hex()}")
    assert str(BatchId(A_WEEK, 7)) == "2024-12-09/00007"
    assert str(BatchId(A_WEEK, 123_456)) == "2024-12-09/123456"
    assert single_id(A_WEEK, ROOT) == f"2024-12-09/u/{ROOT.hex()}"


@given(st.text(max_size=80))
def test_a_seed_is_the_first_half_of_a_versioned_hash(receipt_id: str) -> None:
    digest = hashlib.sha256(b"kontrib/1/" + receipt_id.encode()).hexdigest()

    seed = receipt_seed(receipt_id)

    assert seed == digest[:32]
    assert len(seed.encode()) == 32  # the longest seed of the System program


ids = (
    st.builds(lambda week, index: str(BatchId(week, index)), weeks, st.integers(0, 10**6))
    | st.builds(anchor_id, weeks)
    | st.builds(lambda week, root: anchor_ids(week, root)[1], weeks, digests)
    | st.builds(single_id, weeks, digests)
    | st.builds(lambda c, m, w: genesis_ids(c, m, w)[1], wallets, wallets, weeks)
    | st.just(GENESIS_ID)
)


@given(st.sets(ids, min_size=2, max_size=30))
def test_different_ids_have_different_seeds(some: set[str]) -> None:
    assert len({receipt_seed(one) for one in some}) == len(some)


def test_no_two_things_of_a_few_weeks_share_an_id() -> None:
    many = [Week.parse("2024-12-09").back(i) for i in range(4)]
    roots = [bytes([i]) * 32 for i in range(4)]
    made = [str(BatchId(week, i)) for week in many for i in range(300)]
    made += [anchor_id(week) for week in many]
    made += [anchor_ids(week, root)[1] for week in many for root in roots]
    made += [single_id(week, root) for week in many for root in roots]
    made += [GENESIS_ID]

    assert len(set(made)) == len(made)
    assert len({receipt_seed(one) for one in made}) == len(made)


def test_genesis_commits_to_the_cluster_the_mint_and_the_first_week() -> None:
    values = ("cluster", "mint", A_WEEK)
    others = [("c", "mint", A_WEEK), ("cluster", "m", A_WEEK), ("cluster", "mint", A_WEEK.next())]

    first, second = genesis_ids(*values)

    assert first == GENESIS_ID
    assert second == f"genesis/{hashlib.sha256(b'cluster/mint/2024-12-09').hexdigest()}"
    assert genesis_ids(*values) == (first, second)
    assert all(genesis_ids(*other)[0] == first for other in others)
    assert len({second, *(genesis_ids(*other)[1] for other in others)}) == 4


@pytest.mark.parametrize(
    ("data_length", "state"),
    [
        (None, ReceiptState.FREE),
        (0, ReceiptState.FREE),  # lamports that a stranger sent
        (1, ReceiptState.PAID),
        (2, ReceiptState.VOID),
        (3, ReceiptState.UNKNOWN),
        (165, ReceiptState.UNKNOWN),
        (-1, ReceiptState.UNKNOWN),
    ],
)
def test_the_length_of_a_receipt_says_how_it_was_resolved(data_length, state) -> None:
    assert state_of(data_length) is state


def test_every_resolution_is_read_back_and_none_leaves_a_receipt_free() -> None:
    assert {state_of(r) for r in Resolution} == {ReceiptState.PAID, ReceiptState.VOID}


@given(st.lists(st.builds(BatchId, weeks, st.integers(0, 99_999)), max_size=20))
def test_batches_sort_like_their_ids(batches: list[BatchId]) -> None:
    assert [str(batch) for batch in sorted(batches)] == sorted(map(str, batches))


@pytest.mark.parametrize(
    ("count", "majority"), [(1, 1), (2, 2), (3, 2), (4, 3), (5, 3), (6, 4), (7, 4)]
)
def test_a_majority_is_more_than_half(count: int, majority: int) -> None:
    assert majority_of(count) == majority
    for answers in range(count + 1):
        views = [ReceiptState.PAID] * answers + [None] * (count - answers)
        state = ReceiptState.PAID if answers >= majority else ReceiptState.UNKNOWN
        assert agreed_state(views) is state


def test_all_endpoints_that_answer_must_agree() -> None:
    free, paid, unknown = ReceiptState.FREE, ReceiptState.PAID, ReceiptState.UNKNOWN

    assert agreed_state([]) is unknown
    assert agreed_state([free]) is free
    assert agreed_state([paid, paid, free]) is unknown
    assert agreed_state([free, paid, None]) is unknown
    assert agreed_state([paid, unknown, paid]) is unknown


def test_an_unknown_receipt_names_the_troubles_of_the_endpoints() -> None:
    assert unknown_because(["a is down", "b lags"]) == "a is down; b lags"
    assert unknown_because([]) == "endpoints disagree, or lie too far behind each other"
