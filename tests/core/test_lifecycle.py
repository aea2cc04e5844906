"""States, and the only transitions there are between them."""

from __future__ import annotations

from itertools import product

import pytest

from worker.core.lifecycle import (
    PAYOUTS,
    STAGES,
    IllegalTransition,
    PayoutStatus,
    Stage,
    Status,
    check_transition,
    status_of,
)

TABLES = [(STAGES, Stage), (PAYOUTS, PayoutStatus)]
LEGAL_STAGES = {
    (Stage.DUE, Stage.PLANNED),
    (Stage.PLANNED, Stage.PLANNED),
    (Stage.PLANNED, Stage.ANCHORED),
    (Stage.ANCHORED, Stage.PREPARED),
    (Stage.PREPARED, Stage.COMPLETED),
    (Stage.COMPLETED, Stage.PREPARED),
}


@pytest.mark.parametrize(("table", "states"), TABLES)
def test_the_tables_hold_every_state_and_lead_to_states_only(table, states) -> None:
    assert set(table) == set(states)
    assert all(following <= set(states) for following in table.values())


@pytest.mark.parametrize(("table", "states"), TABLES)
def test_every_state_is_reached_from_the_first_one(table, states) -> None:
    reached = {next(iter(states))}
    while more := set().union(*(table[state] for state in reached)) - reached:
        reached |= more

    assert reached == set(states)


@pytest.mark.parametrize(("current", "wanted"), list(product(Stage, Stage)))
def test_a_week_moves_along_the_table_and_no_other_way(current: Stage, wanted: Stage) -> None:
    if (current, wanted) in LEGAL_STAGES:
        assert check_transition(STAGES, "2024-W50", current, wanted) is None
    else:
        with pytest.raises(IllegalTransition) as raised:
            check_transition(STAGES, "2024-W50", current, wanted)
        assert f"2024-W50 is {current.value} and cannot become {wanted.value}" in str(raised.value)


@pytest.mark.parametrize(("current", "wanted"), list(product(PayoutStatus, PayoutStatus)))
def test_a_resolved_payout_never_changes_and_a_signed_one_never_forgets_it(
    current: PayoutStatus, wanted: PayoutStatus
) -> None:
    back = current is PayoutStatus.PROCESSING and wanted is PayoutStatus.PENDING
    if current is wanted or not (current.is_resolved or back):
        assert check_transition(PAYOUTS, "batch", current, wanted) is None
    else:
        with pytest.raises(IllegalTransition) as raised:
            check_transition(PAYOUTS, "batch", current, wanted)
        assert f"is {current.value} and cannot become {wanted.value}" in str(raised.value)


def test_no_frozen_week_can_be_planned_again() -> None:
    frozen = {stage for stage in Stage if stage.is_frozen}

    assert frozen == {Stage.ANCHORED, Stage.PREPARED, Stage.COMPLETED}
    assert all(STAGES[stage] <= frozen for stage in frozen)


def test_only_prepared_weeks_pay_and_each_of_them_is_frozen() -> None:
    payable = {stage for stage in Stage if stage.is_payable}

    assert payable == {Stage.PREPARED, Stage.COMPLETED}
    assert all(stage.is_frozen for stage in payable)


@pytest.mark.parametrize(
    ("stage", "stopped", "status"),
    [
        (Stage.DUE, False, Status.PENDING),
        (Stage.PLANNED, False, Status.PENDING),
        (Stage.ANCHORED, False, Status.PROCESSING),
        (Stage.PREPARED, False, Status.PROCESSING),
        (Stage.COMPLETED, False, Status.COMPLETED),
        (Stage.DUE, True, Status.FAILED),
        (Stage.PLANNED, True, Status.FAILED),
        (Stage.ANCHORED, True, Status.FAILED),
        (Stage.PREPARED, True, Status.FAILED),
        (Stage.COMPLETED, True, Status.COMPLETED),
    ],
)
def test_the_owners_word_for_a_distribution(stage: Stage, stopped: bool, status: Status) -> None:
    assert status_of(stage, stopped=stopped) is status


def test_the_owners_four_words_are_those_of_the_schema() -> None:
    assert {status.value for status in Status} == {"pending", "processing", "completed", "failed"}
