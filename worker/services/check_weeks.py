"""Every contribution counts in exactly one week: what no plan counted, and what it cannot show.

A plan is a snapshot, so what was edited, added without an ObjectId or in flight at the cut-off is
found by adding a planned week up again. It is listed, and not paid by itself.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta

from worker.core.checking import Area, CheckReport
from worker.core.commitment import Header
from worker.core.records import Distribution
from worker.core.rules import LATE_WEEKS, Rules
from worker.core.week import Week
from worker.ports_check import CheckStore, StoredContribution
from worker.services.counters import as_planned
from worker.services.wiki_context import WikiContext

CHUNK = 2000
EARLIEST = datetime(1970, 1, 1, tzinfo=UTC)


def check_weeks(wiki: WikiContext, store: CheckStore, report: CheckReport) -> None:
    """Every planned week that is not archived, user by user, and what came too late for any."""
    planned = [d for d in wiki.store.distributions() if d.plan_id and d.header]
    for distribution in planned:
        report.looked_at["planned weeks"] += 1
        _check_sums(wiki, distribution, report)
    if planned:
        _check_late(wiki, store, planned, report)


# --- a plan against its contributions ----------------------------------------------------------


def _check_sums(wiki: WikiContext, distribution: Distribution, report: CheckReport) -> None:
    window, rules = as_planned(wiki, distribution)
    now = {each.user_id: each.points for each in wiki.store.week_points(window, rules).users}
    label = distribution.week.label
    for user_id, planned in _planned_points(wiki, distribution):
        present = now.pop(user_id, 0)
        if planned != present:
            subject = f"{label}, user {user_id}"
            report.add(Area.WEEKS, subject, f"{present} points today", f"{planned} as planned")
    _check_left_out(wiki, distribution, rules, now, report)


def _planned_points(wiki: WikiContext, distribution: Distribution) -> Iterator[tuple[str, int]]:
    header = Header.parse(distribution.header or b"")
    for first in range(0, header.rewards, CHUNK):
        positions = range(first, min(first + CHUNK, header.rewards))
        for reward in wiki.store.rewards(distribution.plan_id or "", positions):
            yield reward.user_id, reward.row.points


def _check_left_out(
    wiki: WikiContext,
    distribution: Distribution,
    rules: Rules,
    points: Mapping[str, int],
    report: CheckReport,
) -> None:
    """Users who have enough points today, but no reward in the plan."""
    header = Header.parse(distribution.header or b"")
    enough = [u for u, each in points.items() if each >= int(header.rules["min_points"])]
    fields = sorted({condition.field for condition in rules.eligibility})
    for chunk in _chunks(enough):
        for user_id, account in wiki.store.accounts(chunk, fields).items():
            if all(c.holds(account.fields.get(c.field)) for c in rules.eligibility):
                subject = f"{distribution.week.label}, user {user_id}"
                found = f"{points[user_id]} points today"
                report.add(Area.WEEKS, subject, found, "no reward as planned")


def _chunks(ids: Sequence[str]) -> Iterator[Sequence[str]]:
    return (ids[i : i + CHUNK] for i in range(0, len(ids), CHUNK))


# --- what came too late ------------------------------------------------------------------------


def _check_late(
    wiki: WikiContext, store: CheckStore, planned: list[Distribution], report: CheckReport
) -> None:
    """Recorded after its week's cut-off, and too old for the plan that comes after."""
    first = wiki.store.first_week() or planned[0].week
    cutoffs = {d.week: _cutoff(d) for d in planned}
    for week, cutoff in cutoffs.items():
        found = store.recorded_since(cutoff, made_from=week.start, made_before=week.end)
        _list_uncounted(found, cutoffs, first, report)
    older = store.recorded_since(first.start, made_from=EARLIEST, made_before=first.start)
    _list_uncounted(older, cutoffs, first, report)


def _list_uncounted(
    found: Iterator[StoredContribution],
    cutoffs: Mapping[Week, datetime],
    first: Week,
    report: CheckReport,
) -> None:
    for contribution in found:
        made, recorded = contribution.created_at, contribution.recorded_at
        if made is None or recorded is None:
            continue
        counting = _counting_week(cutoffs, recorded)
        oldest = max(counting.back(LATE_WEEKS), first)
        if made < oldest.start:
            report.add(
                Area.WEEKS,
                f"contribution {contribution.id}",
                f"counted by no plan: made {made:%Y-%m-%d}, recorded {recorded:%Y-%m-%d %H:%M:%S}",
                f"made in {oldest.label} or later, to be counted in {counting.label}",
            )


def _counting_week(cutoffs: Mapping[Week, datetime], recorded: datetime) -> Week:
    """The first plan whose cut-off comes after it was recorded; else the next one to be made."""
    later = [week for week, cutoff in sorted(cutoffs.items()) if cutoff > recorded]
    return later[0] if later else max(cutoffs).next()


def _cutoff(distribution: Distribution) -> datetime:
    header = Header.parse(distribution.header or b"")
    return EARLIEST + timedelta(seconds=header.cutoff)
