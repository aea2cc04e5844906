"""A week is reported as stuck when it stopped, or when it is open for too long."""

from __future__ import annotations

import pytest

from worker.core.lifecycle import Stage
from worker.core.payout.records import Distribution
from worker.core.watch.stuck import stuck_text
from worker.core.week import Week

WEEK = Week.parse("2024-W50")


def test_an_overdue_week_that_nobody_began_is_stuck() -> None:
    assert stuck_text(WEEK, None, overdue=False) is None
    assert stuck_text(WEEK, None, overdue=True) == (
        "2024-W50 is stuck (due): no worker has planned it. Look with `kontrib status 2024-W50`."
    )


@pytest.mark.parametrize("stage", [stage for stage in Stage if stage is not Stage.COMPLETED])
def test_an_open_week_is_stuck_with_its_stage_and_reason(stage: Stage) -> None:
    text = stuck_text(WEEK, Distribution(WEEK, stage, reason="No funds."), overdue=True)
    assert text is not None
    assert text.startswith(f"2024-W50 is stuck ({stage.value}): No funds. ")


@pytest.mark.parametrize("stage", list(Stage))
def test_a_stopped_week_is_reported_at_once(stage: Stage) -> None:
    stopped = Distribution(WEEK, stage, reason="No tries are left.", stopped=True)
    text = stuck_text(WEEK, stopped, overdue=False)
    assert text is not None
    assert text.startswith("2024-W50 stopped: No tries are left. ")


def test_a_completed_week_is_not_stuck() -> None:
    assert stuck_text(WEEK, Distribution(WEEK, Stage.COMPLETED), overdue=True) is None
