"""Plans that wait for a person, anchors that endpoints show late, and empty files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction

import pytest

from tests.fakes.chain.chain import FakeChain
from tests.fakes.world import WEEK, World, chain_of, restarted
from tests.simulation.faults.traps import do
from worker.core.lifecycle import Stage
from worker.core.plan.commitment import MalformedPlan
from worker.core.plan.receipts import ReceiptState
from worker.services.plan.approval import (
    ApprovalMissing,
    MostLeftOut,
    PlanReplaced,
    check_approved,
)
from worker.services.plan.planned_week import planned_week
from worker.services.plan.seal import NotAnchored, anchored_seal, read_published
from worker.services.week.story import Job


@pytest.mark.parametrize(
    ("limit", "error"),
    [(Fraction(1, 2), None), (Fraction(49, 100), MostLeftOut), (Fraction(51, 100), None)],
)
def test_a_plan_waits_if_it_leaves_out_more_than_the_limit(
    world: World, limit: Fraction, error: type[Exception] | None
) -> None:
    names = ("seen", "counted", "late", "excluded", "malformed", "after_cutoff")
    fates = dict(zip(names, (20, 5, 5, 7, 3, 0), strict=True))
    notes = {"contributions": fates | {"points": 10, "points_left_out": 4}}
    world.populate(3)
    world.genesis()
    do(world.first, Job.PLAN)
    planned = planned_week(world.first.store, WEEK)
    rules = replace(world.first.rules(), max_left_out=limit)

    def check(*, approved: bool, plan_id: str = planned.plan_id, notes: object = notes) -> None:
        document = {"plan_id": plan_id, "approved": approved, "notes": notes}
        world.first.store.notes = lambda week: document  # type: ignore[method-assign]
        check_approved(world.first.store, rules, planned)

    check(approved=True)
    if error is None:
        check(approved=False)
    else:
        with pytest.raises(error, match=r"50\.0% of its contributions"):
            check(approved=False)
    rules = replace(rules, max_left_out=Fraction(1), require_approval=True)
    check(approved=True)
    with pytest.raises(ApprovalMissing):
        check(approved=False)
    with pytest.raises(PlanReplaced):
        check(approved=True, plan_id="another")
    with pytest.raises(ApprovalMissing, match="nothing shows what it leaves out"):
        check(approved=False, notes=None)


@pytest.mark.parametrize(("stage", "seconds"), [(Stage.ANCHORED, 7), (Stage.PLANNED, 0)])
def test_an_anchor_that_was_seen_before_is_looked_for_some_seconds(
    world: World, stage: Stage, seconds: int
) -> None:
    world.populate(3)
    world.genesis()
    do(world.first, Job.PLAN, Job.ANCHOR)
    planned = replace(planned_week(world.first.store, WEEK), stage=stage)
    chain, began = chain_of(world.first), world.clock.now()

    def receipts(ids: Sequence[str], *, not_before_slot: int = 0) -> dict[str, ReceiptState]:
        waited = (world.clock.now() - began).total_seconds()
        shows = waited >= shown_after
        found = FakeChain.receipts(chain, ids, not_before_slot=not_before_slot)
        return found if shows else dict.fromkeys(ids, ReceiptState.FREE)

    chain.receipts = receipts  # type: ignore[method-assign]
    shown_after = 1000
    with pytest.raises(NotAnchored):
        anchored_seal(restarted(world.first), planned)
    assert (world.clock.now() - began).total_seconds() == seconds

    began, shown_after = world.clock.now(), seconds
    assert anchored_seal(restarted(world.first), planned).root == planned.root


def test_an_empty_file_is_no_plan() -> None:
    with pytest.raises(MalformedPlan, match="the file is empty"):
        read_published(iter([]))
