"""A batch is void only when it can never be paid as it was planned."""

from __future__ import annotations

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.core.payout.chain import AccountProblem, Recipient
from worker.core.payout.decision import must_be_void

problems = st.one_of(st.none(), st.sampled_from(AccountProblem))
recipients = st.builds(Recipient, st.just("wallet"), problems, st.booleans())
GOOD, MISSING = Recipient("good", None, True), Recipient("missing", None, False)


@given(st.lists(recipients), st.booleans())
def test_one_recipient_decides_for_the_whole_batch(batch: list[Recipient], refused: bool) -> None:
    assert must_be_void(batch, refused=refused) == any(
        must_be_void([recipient], refused=refused) for recipient in batch
    )


@pytest.mark.parametrize(
    ("problem", "refused", "exists"), list(product(AccountProblem, [True, False], [True, False]))
)
def test_a_problem_voids_at_once(problem: AccountProblem, refused: bool, exists: bool) -> None:
    assert must_be_void([GOOD, Recipient("wallet", problem, exists)], refused=refused)


def test_a_missing_account_voids_only_after_the_chain_refused_the_payment() -> None:
    assert not must_be_void([GOOD, MISSING], refused=False)
    assert must_be_void([GOOD, MISSING], refused=True)


def test_a_refusal_alone_voids_nothing() -> None:
    assert not must_be_void([GOOD, GOOD], refused=True)
    assert not must_be_void([], refused=True)
