"""Finds contributions that no plan counted. Each must count in exactly one week.

A plan is a snapshot. Adding up a planned week again finds contributions that were edited, added
without an ObjectId, or in flight at the cut-off. The check lists them, and pays nothing.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta

from worker.core.check.report import Area, CheckReport
from worker.core.chunks import chunks
from worker.core.payout.records import Distribution
from worker.core.plan.planned_week import PlannedWeek
from worker.core.plan.rules import LATE_WEEKS, Rules
from worker.core.week import Week
from worker.ports.check import CheckStore, StoredContribution
from worker.services.plan.planned_week import plan_of
from worker.services.wiki.as_planned import as_planned
from worker.services.wiki_context import WikiContext

CHUNK = 2000
NAMED_MAX = 10
EARLIEST = datetime(1970, 1, 1, tzinfo=UTC)
FIRST_DATE = datetime.min.replace(tzinfo=UTC)


def check_weeks(
    wiki: WikiContext, store: CheckStore, planned: Sequence[Distribution], report: CheckReport
) -> None:
    """Compare every planned week with its contributions. Then find the contributions that came too
    late for any plan. An archived week is compared only if it has contributions whose recording
    time is unknown: they may have been added since its plan."""
    for distribution in planned:
        if not distribution.archived or _has_unknown(store, distribution.week):
            report.looked_at["planned weeks"] += 1
            with report.continue_after_errors(Area.WEEKS, distribution.week.label):
                _check_sums(wiki, store, distribution, report)
    if planned:
        _check_late(wiki, store, planned, report)


# --- a plan against its contributions ----------------------------------------------------------


def _check_sums(
    wiki: WikiContext, store: CheckStore, distribution: Distribution, report: CheckReport
) -> None:
    plan = plan_of(distribution.week, distribution)
    window, rules = as_planned(wiki, plan)
    now = {each.user_id: each.points for each in wiki.store.week_points(window, rules).users}
    differences: dict[str, tuple[int, str]] = {}
    for first in range(0, plan.header.rewards, CHUNK):
        positions = range(first, min(first + CHUNK, plan.header.rewards))
        for reward in store.plan_rewards(plan.plan_id, positions):
            if reward.row is None:
                continue  # `check_records` lists unreadable rows
            user_id, planned = str(reward.fields.get("user_id")), reward.row.points
            if planned != (present := now.pop(user_id, 0)):
                differences[user_id] = present, f"{planned} as planned"
    left_out = _left_out(wiki, plan, rules, now)
    differences |= {user_id: (now[user_id], "no reward as planned") for user_id in left_out}
    unknown = _recorded_at_an_unknown_time(store, plan.week, differences) if differences else {}
    for user_id, (present, expected) in differences.items():
        found = f"{present} points today"
        if names := unknown.get(user_id):
            found += f" (contributions that were recorded at an unknown time: {names})"
        report.add(Area.WEEKS, f"{plan.week.label}, user {user_id}", found, expected)


def _has_unknown(store: CheckStore, week: Week) -> bool:
    return any(store.without_recording(made_from=week.start, made_before=week.end))


def _left_out(
    wiki: WikiContext, plan: PlannedWeek, rules: Rules, points: Mapping[str, int]
) -> Iterator[str]:
    """Find users who have enough points today, but no reward in the plan."""
    least = int(plan.header.rules["min_points"])
    enough = [user_id for user_id, each in points.items() if each >= least]
    fields = rules.eligibility_fields()
    for chunk in chunks(enough, CHUNK):
        for user_id, account in wiki.store.accounts(chunk, fields).items():
            if rules.failed_condition(account.fields) is None:
                yield user_id


def _recorded_at_an_unknown_time(
    store: CheckStore, week: Week, users: Collection[str]
) -> dict[str, str]:
    """The first contributions of each user that may have been added after the plan."""
    found: dict[str, list[str]] = {}
    for contribution in store.without_recording(made_from=week.start, made_before=week.end):
        if contribution.user_id in users:
            names = found.setdefault(contribution.user_id, [])
            if len(names) <= NAMED_MAX:
                names.append(contribution.id)
    return {user_id: _named(ids) for user_id, ids in found.items()}


def _named(ids: Sequence[str]) -> str:
    return ", ".join(ids[:NAMED_MAX]) + (", ..." if len(ids) > NAMED_MAX else "")


# --- late contributions ------------------------------------------------------------------------


def _check_late(
    wiki: WikiContext, store: CheckStore, planned: Sequence[Distribution], report: CheckReport
) -> None:
    """Find contributions recorded after their week's cut-off, and too old for the next plan.

    They may be dated in any week, so archived weeks are included.
    """
    cutoffs = {d.week: _cutoff(d) for d in planned}
    earlier = wiki.store.earlier_key()
    first = earlier.first_week if earlier else wiki.store.first_week() or planned[0].week
    earliest = min(first, planned[0].week)
    for week, cutoff in cutoffs.items():
        found = store.recorded_since(cutoff, made_from=week.start, made_before=week.end)
        _list_uncounted(found, cutoffs, (earliest, first), report)
    older = store.recorded_since(earliest.start, made_from=EARLIEST, made_before=earliest.start)
    _list_uncounted(older, cutoffs, (earliest, first), report)
    _list_unrecorded(store, earliest, report)


def _list_unrecorded(store: CheckStore, first: Week, report: CheckReport) -> None:
    """List contributions from the time before the first plan in one finding, if the time of their
    recording is unknown."""
    ids, points, count = list[str](), 0, 0
    for contribution in store.without_recording(made_from=FIRST_DATE, made_before=first.start):
        worth, count = contribution.total_points, count + 1
        points += worth if isinstance(worth, int) else 0
        ids += [contribution.id] if count <= NAMED_MAX + 1 else []
    if count:
        report.add(
            Area.WEEKS,
            f"contributions made before {first.label}, recorded at an unknown time",
            f"{count} with {points:,} points, counted by no plan: {_named(ids)}",
            f"made in {first.label} or later, to be counted",
        )


def _list_uncounted(
    found: Iterator[StoredContribution],
    cutoffs: Mapping[Week, datetime],
    first: tuple[Week, Week],
    report: CheckReport,
) -> None:
    """`first`: the week of the earliest plan, and the first week of today's receipt key."""
    for contribution in found:
        made, recorded = contribution.created_at, contribution.recorded_at
        if made is None or recorded is None:
            continue
        counting = _counting_week(cutoffs, recorded)
        oldest = max(counting.back(LATE_WEEKS), first[1] if counting >= first[1] else first[0])
        if made < oldest.start:
            report.add(
                Area.WEEKS,
                f"contribution {contribution.id}",
                f"counted by no plan: made {made:%Y-%m-%d}, recorded {recorded:%Y-%m-%d %H:%M:%S}",
                f"made in {oldest.label} or later, to be counted in {counting.label}",
            )


def _counting_week(cutoffs: Mapping[Week, datetime], recorded: datetime) -> Week:
    """The first week whose cut-off comes after the recording, or else the next week to plan."""
    later = (week for week, cutoff in cutoffs.items() if cutoff > recorded)
    return min(later, default=max(cutoffs).next())


def _cutoff(distribution: Distribution) -> datetime:
    return EARLIEST + timedelta(seconds=plan_of(distribution.week, distribution).header.cutoff)
