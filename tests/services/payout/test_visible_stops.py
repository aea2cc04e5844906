"""A week that stops, or does not close, names the first few causes."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.fakes.world import WEEK, World, chain_of, store_of
from worker.core.errors import NotReady
from worker.core.findings import Check
from worker.core.lifecycle import Stage
from worker.core.money import BaseUnits
from worker.core.payout.records import Distribution
from worker.services.payout.close import BooksDisagree
from worker.services.payout.reconcile import Reconciliation, reconcile_or_report
from worker.services.plan.planned_week import NotPlanned
from worker.services.week.story import Job, Work


def test_three_of_the_waiting_payouts_are_named() -> None:
    world = World(batch_size=1)
    world.populate(5)
    world.genesis()
    for job in (Job.PLAN, Job.ANCHOR, Job.ACCOUNTS):
        world.do(world.first, Work(job, WEEK))
    state = store_of(world.first).state
    for stored in list(state.rewards[world.distribution().plan_id or ""].values())[:4]:
        row = stored.reward.row
        state.put_reward(stored, row=replace(row, amount=BaseUnits(row.amount + 1)))

    world.do(world.first, Work(Job.PAY, WEEK, 0, 10))

    stopped = world.distribution()
    assert (stopped.stopped, stopped.attempts) == (True, 0)
    reason = stopped.reason or ""
    assert reason.startswith(
        "4 payouts wait for a person: 2024-12-09/00000: Batch 2024-12-09/00000 does not match"
    )
    assert reason.count("; 2024-12-09/0000") == 2
    assert reason.endswith(
        "until then it is not paid. Mend the cause, then run `kontrib retry 2024-W50`."
    )


def test_ten_differences_are_listed_a_line_each() -> None:
    check = Check("chain")
    for number in range(11):
        check.wrong(f"payout {number:02}", "it differs")
    result = Reconciliation(WEEK, planned=7, check=check)

    error = BooksDisagree(result)

    first, *lines = str(error).splitlines()
    assert error.result is result
    assert first == (
        "2024-W50: MISMATCH of 7 base units, 11 differences. "
        "Look with `kontrib reconcile 2024-W50`."
    )
    assert len(lines) == 10
    assert all(line[:2] == "  " and f"payout {i:02}" in line for i, line in enumerate(lines))


@pytest.mark.parametrize(("planned", "exact"), [(0, True), (7, False)])
def test_an_exact_result_says_so(planned: int, exact: bool) -> None:
    result = Reconciliation(WEEK, planned=planned)
    assert result.is_exact is exact
    assert ("plan = database = chain" in result.sentence()) is exact


def test_a_changed_plan_becomes_a_finding_of_its_week(world: World) -> None:
    world.populate(3)
    world.genesis()
    world.run()
    state = store_of(world.first).state
    for stored in list(state.payouts[world.distribution().plan_id or ""].values()):
        state.put_payout(replace(stored, root=b"\1" * 32))

    found = reconcile_or_report(world.first, world.distribution())

    assert (found.week, found.planned, found.mismatch) == (WEEK, 0, 0)
    (line,) = found.differences
    assert line.startswith(
        "chain, 2024-W50: The stored plan of 2024-W50 does not match the anchored"
    )


def test_an_unknown_chain_and_a_missing_plan_are_no_findings(world: World) -> None:
    world.populate(3)
    world.genesis()
    with pytest.raises(NotPlanned):
        reconcile_or_report(world.first, Distribution(WEEK, Stage.DUE))
    world.run()
    chain_of(world.first).endpoints[0].down = True
    with pytest.raises(NotReady):
        reconcile_or_report(world.first, world.distribution())
