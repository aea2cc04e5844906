"""Old weeks move to an archive: they count as done, and reports still find them."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from worker.core.lifecycle import Status
from worker.core.money import tokens_text
from worker.core.week import Week
from worker.core.wording import counted
from worker.ports.check import RetentionStore
from worker.ports.payout import Store

KEPT_FOR = timedelta(days=365)


@dataclass(slots=True)
class Archiving:
    """The weeks that were moved, and the old weeks that stay, with the reason."""

    moved: list[Week] = field(default_factory=list)
    kept: dict[Week, str] = field(default_factory=dict)

    def sentence(self) -> str:
        return f"{counted(len(self.moved), 'week')} archived, {len(self.kept)} old ones stay"


def archive_old_weeks(
    store: Store, retention: RetentionStore, now: datetime, *, dry_run: bool = False
) -> Archiving:
    """Move completed weeks that ended more than a year ago. Safe to repeat.

    A week with an unpaid reward stays, since archived weeks are never paid. The reward may wait for
    a wallet without a deadline.
    """
    result = Archiving()
    for week in retention.completed_before(now - KEPT_FOR):
        if why := _still_needed(store, week):
            result.kept[week] = why
            continue
        if not dry_run:
            retention.archive_week(week)
        result.moved.append(week)
    return result


def _still_needed(store: Store, week: Week) -> str:
    distribution = store.distribution(week)
    if distribution is None or distribution.plan_id is None:
        return ""  # the wiki wrote it before this system was there
    tallies = store.progress(distribution.plan_id).rewards
    unpaid = [tally for status, tally in tallies.items() if status is not Status.COMPLETED]
    count = sum(tally.count for tally in unpaid)
    amount = sum(tally.amount for tally in unpaid)
    return f"{counted(count, 'reward')} of {tokens_text(amount)} KONTRIB not paid" if count else ""
