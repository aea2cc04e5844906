"""What keeps the wiki's own figures right: counters, stakes and votes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import structlog

from tasks.performing import WeekRefused, week_of
from worker.app import app, wiki
from worker.core.errors import KontribError, NotReady
from worker.core.week import Week
from worker.services.wiki.earned_tokens import due_recounts, recount_week
from worker.services.wiki.governance_clock import keep_governance
from worker.services.wiki.staking import keep_stakes

log = structlog.get_logger("kontrib.upkeep")


@app.task(name="tasks.stakes", throws=(WeekRefused,))
def stakes(**_: Any) -> str:
    """Accrue a day's interest, complete what is over, and keep users' sums right."""
    return _told(lambda: keep_stakes(wiki()).sentence())


@app.task(name="tasks.governance", throws=(WeekRefused,))
def governance(**_: Any) -> str:
    """Open and close votes on time, and execute what passed."""
    return _told(lambda: keep_governance(wiki()).sentence())


@app.task(name="tasks.recount", throws=(WeekRefused,))
def recount(*, week: str | None = None, **_: Any) -> str:
    """Count a week's rewards for its users and articles; without `week`, whichever are due."""

    def count() -> str:
        weeks = due_recounts(wiki()) if week is None else [week_of(week)]
        return "; ".join(map(_counted, weeks)) or "every closed week is counted"

    return _told(count)


def _counted(week: Week) -> str:
    return f"{week.label}: {recount_week(wiki(), week).sentence()}"


def _told(work: Callable[[], str]) -> str:
    """
    Raises:
        WeekRefused: an expected failure that waiting alone will not mend.
    """
    try:
        return work()
    except NotReady as error:
        log.warning("waits", reason=str(error))
        return f"waits: {error}"
    except KontribError as error:
        log.error("refused", reason=str(error))
        raise WeekRefused(str(error)) from None
