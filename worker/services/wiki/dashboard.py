"""One user's page: this week so far, rewards, stakes, voting power, history.

The estimate for the running week depends on everyone's points, and adding them up takes seconds. An
hourly task stores the sums, and a dashboard reads the stored sums.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from worker.core.chunks import chunks
from worker.core.money import BaseUnits
from worker.core.plan.allocation import MULTIPLIER_SCALE, scaled_multiplier
from worker.core.plan.counted_contributions import PointsWindow
from worker.core.plan.rules import Rules
from worker.core.week import Week
from worker.core.wiki.stake_record import StakeRecord
from worker.ports.check import Cursor, ShownContribution, ShownReward, ShownUser, ViewStore
from worker.services.wiki_context import UnknownUser, WikiContext

RUNNING = "running week"
"""The key of the running week's stored sums."""
FRESH = timedelta(hours=2)
RECENT_REWARDS = 5
CHUNK = 2000


@dataclass(frozen=True, slots=True)
class RunningWeek:
    """The sum of all weights in the running week at one moment."""

    week: Week
    at: datetime
    users: int
    weight: int
    """The sum of points times multiplier, in millionths, of all users with enough points."""


@dataclass(frozen=True, slots=True)
class Dashboard:
    """One user's page. `multiplier` is in millionths. `estimate` is in base units and can change
    until the week is over. It is None without recent sums, or if the user has too few points."""

    user: ShownUser
    week: Week
    week_points: int
    multiplier: int
    estimate: BaseUnits | None
    estimated_at: datetime | None
    rewards: list[ShownReward]
    stakes: list[StakeRecord]


def dashboard(wiki: WikiContext, views: ViewStore, user_id: str) -> Dashboard:
    """Read a user's page.

    Raises:
        UnknownUser: no user has this id.
    """
    user = _user(views, user_id)
    now, rules = wiki.now(), wiki.rules()
    week = Week.containing(now)
    points = views.points_between(user.user_id, week.start, week.end)
    stakes = wiki.staking.stakes_of(user.user_id)
    multipliers = _multipliers(wiki, week, rules, [user.user_id])
    multiplier = multipliers.get(user.user_id, MULTIPLIER_SCALE)
    running = running_week(wiki)
    is_known = running is not None and running.week == week and now - running.at < FRESH
    estimate = _estimate(rules, points, multiplier, running) if is_known and running else None
    return Dashboard(
        user=user,
        week=week,
        week_points=points,
        multiplier=multiplier,
        estimate=estimate,
        estimated_at=running.at if estimate is not None and running else None,
        rewards=views.rewards_page(user.user_id, None, RECENT_REWARDS),
        stakes=stakes,
    )


def contributions(
    views: ViewStore, user_id: str, after: Cursor | None, limit: int
) -> list[ShownContribution]:
    """A page of a user's contributions, newest first.

    Raises:
        UnknownUser: no user has this id.
    """
    page = views.contributions_page(user_id, after, limit)
    if not page:
        _user(views, user_id)
    return page


def history(views: ViewStore, user_id: str, before: Week | None, limit: int) -> list[ShownReward]:
    """A page of a user's rewards, newest week first.

    Raises:
        UnknownUser: no user has this id.
    """
    page = views.rewards_page(user_id, before, limit)
    if not page:
        _user(views, user_id)
    return page


def record_running_week(wiki: WikiContext) -> RunningWeek:
    """Add up everyone's points of the running week, for estimates."""
    now, rules = wiki.now(), wiki.rules()
    week = Week.containing(now)
    window = PointsWindow(week, cutoff=week.end, previous_cutoff=None, late_from=week.start)
    users = weight = 0
    points = wiki.store.week_points(window, rules).users
    enough = (user for user in points if user.points >= rules.min_points)
    for chunk in chunks(enough, CHUNK):
        users += len(chunk)
        highest = _multipliers(wiki, week, rules, [user.user_id for user in chunk])
        weight += sum(u.points * highest.get(u.user_id, MULTIPLIER_SCALE) for u in chunk)
    facts = {"week": week.id, "at": now, "users": users, "weight": str(weight)}
    wiki.store.record_figures(RUNNING, facts)
    return RunningWeek(week, now, users, weight)


def running_week(wiki: WikiContext) -> RunningWeek | None:
    """The sums that were stored last, if there are any."""
    found = wiki.store.figures(RUNNING)
    if not found:
        return None
    return RunningWeek(
        Week.parse(found["week"]), found["at"], int(found["users"]), int(found["weight"])
    )


def _user(views: ViewStore, user_id: str) -> ShownUser:
    if (user := views.shown_user(user_id)) is None:
        raise UnknownUser(user_id)
    return user


def _multipliers(
    wiki: WikiContext, week: Week, rules: Rules, user_ids: Sequence[str]
) -> dict[str, int]:
    """Each staker's highest multiplier among the stakes that cover the week, as planning does."""
    highest: dict[str, int] = {}
    for stake in wiki.store.stakes_covering(week, user_ids):
        if stake.amount >= rules.min_stake:
            multiplier = scaled_multiplier(stake.multiplier)
            highest[stake.user_id] = max(highest.get(stake.user_id, 0), multiplier)
    return highest


def _estimate(rules: Rules, points: int, multiplier: int, running: RunningWeek) -> BaseUnits | None:
    """The user's part of the pool if the week ended now, at most the whole pool. The user's own
    points may be newer than the sums."""
    if points < rules.min_points or not running.weight:
        return None
    weight = points * multiplier
    return BaseUnits(rules.pool * weight // max(running.weight, weight))
