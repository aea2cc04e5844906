"""Tasks that update the wiki's figures: counters, stakes, votes, the running week."""

from __future__ import annotations

from typing import Any

from tasks.task import log, read_week, task
from worker.app import wiki
from worker.core.wording import counted
from worker.services.wiki.dashboard import record_running_week
from worker.services.wiki.earned_tokens import Recount, due_recounts, recount_week
from worker.services.wiki.governance_clock import keep_governance
from worker.services.wiki.staking import keep_stakes


@task
def stakes(**_: Any) -> str:
    """Accrue daily interest, complete stakes whose time is over, and update users' sums."""
    kept = keep_stakes(wiki())
    _log_replaced(kept.recount)
    return kept.sentence()


@task
def governance(**_: Any) -> str:
    """Open and close votes on time, and execute changes that passed."""
    return keep_governance(wiki()).sentence()


@task
def recount(*, week: str | None = None, **_: Any) -> str:
    """Count a week's rewards for its users and articles. Default: all weeks that are due."""
    weeks = due_recounts(wiki()) if week is None else [read_week(week)]
    lines = []
    for each in weeks:
        result = recount_week(wiki(), each)
        _log_replaced(result)
        lines.append(f"{each.label}: {result.sentence()}")
    return "; ".join(lines) or "every closed week is counted"


@task
def running_week(**_: Any) -> str:
    """Add up all points of the running week, for the estimates that users see."""
    found = record_running_week(wiki())
    return f"{found.week.label}: {counted(found.users, 'user')} with enough points so far"


def _log_replaced(result: Recount) -> None:
    if lines := result.change_lines():
        log.info("balances of the wiki's own replaced", changes=lines)
    if lines := result.unreadable_lines():
        log.warning("unreadable counters left", counters=lines)
