"""A worker with sweeps that records expected failures and continues."""

from __future__ import annotations

from tests.fakes.world import WEEK, World
from tests.simulation.facts import audit_world
from worker.core.errors import KontribError
from worker.core.lifecycle import Stage
from worker.core.week import Week
from worker.services.context import Context
from worker.services.week.due import find_work
from worker.services.week.run import do_work

SWEEP_SECONDS = 300
ROUNDS_MAX = 60


def sweep(context: Context) -> list[str]:
    """Do all work until none is due, in spite of failures; return the failures' names."""
    failures: list[str] = []
    for _ in range(ROUNDS_MAX):
        try:
            work = find_work(context)
        except KontribError as error:
            return [*failures, type(error).__name__]
        if not work:
            return failures
        for item in work:
            try:
                do_work(context, item, seconds=600)
            except KontribError as error:
                failures.append(type(error).__name__)
    raise AssertionError(f"still busy after {ROUNDS_MAX} rounds: {failures[-5:]}")


def sweep_until_closed(
    world: World, *contexts: Context, week: Week = WEEK, sweeps: int = 12
) -> list[str]:
    """Sweep with each operator in turn until all close the week; return the failures' names."""
    operators, failures = contexts or (world.first,), []
    for _ in range(sweeps):
        for context in operators:
            failures += sweep(context)
        if all(is_closed(context, week) for context in operators):
            return failures
        world.clock.sleep(SWEEP_SECONDS)
    raise AssertionError(f"{week} is not closed after {sweeps} sweeps: {failures[-5:]}")


def is_closed(context: Context, week: Week = WEEK) -> bool:
    distribution = context.store.distribution(week)
    return distribution is not None and distribution.stage is Stage.COMPLETED


def assert_clean(world: World, **inputs: object) -> None:
    """Assert that the auditor finds nothing once all transactions are final."""
    world.ledger.finalize()
    findings = audit_world(world, **inputs).findings  # type: ignore[arg-type]
    assert findings == []
