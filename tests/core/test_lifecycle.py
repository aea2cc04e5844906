"""States, and the only allowed transitions between them."""

from __future__ import annotations

from itertools import product

import pytest

from worker.core.lifecycle import (
    STAGES,
    IllegalTransition,
    PayoutStatus,
    Stage,
    Status,
    check_transition,
    status_of,
)

LEGAL_STAGES = {
    (Stage.DUE, Stage.PLANNED),
    (Stage.PLANNED, Stage.PLANNED),
    (Stage.PLANNED, Stage.ANCHORED),
    (Stage.ANCHORED, Stage.PREPARED),
    (Stage.PREPARED, Stage.COMPLETED),
    (Stage.COMPLETED, Stage.PREPARED),
}


def test_the_table_holds_every_stage_and_leads_to_stages_only() -> None:
    assert set(STAGES) == set(Stage)
    assert all(following <= set(Stage) for following in STAGES.values())


def test_every_stage_is_reached_from_the_first_one() -> None:
    reached = {Stage.DUE}
    while more := set[Stage]().union(*(STAGES[stage] for stage in reached)) - reached:
        reached |= more

    assert reached == set(Stage)


@pytest.mark.parametrize(("current", "wanted"), list(product(Stage, Stage)))
def test_a_week_moves_along_the_table_and_no_other_way(current: Stage, wanted: Stage) -> None:
    if (current, wanted) in LEGAL_STAGES:
        assert check_transition(STAGES, "2024-W50", current, wanted) is None
    else:
        with pytest.raises(IllegalTransition) as raised:
            check_transition(STAGES, "2024-W50", current, wanted)
        assert f"2024-W50 is {current.value} and cannot become {wanted.value}" in str(raised.value)


def test_only_the_chains_word_resolves_a_payout() -> None:
    resolved = {status for status in PayoutStatus if status.is_resolved}

    assert resolved == {PayoutStatus.PAID, PayoutStatus.VOID}


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
