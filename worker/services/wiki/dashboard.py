"""One user's page: this week so far, rewards, stakes, voting power, history.

The estimate for the running week depends on everyone's points, and adding them up takes seconds. An
hourly task stores the sums, and a dashboard reads the stored sums.
"""

from __future__ import annotations

from array import array
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any

from worker.core.money import BaseUnits
from worker.core.payout.hold import hold_without_chain
from worker.core.plan.allocation import (
    MULTIPLIER_SCALE,
    Lifting,
    lifting_of,
    single_amount,
)
from worker.core.plan.counted_contributions import PointsWindow
from worker.core.week import Week
from worker.core.wiki.stake_record import StakeRecord
from worker.ports.check import Cursor, ShownContribution, ShownReward, ShownUser, ViewStore
from worker.services.plan.eligibility import (
    Exclusions,
    below_minimum,
    exclusion,
    participants,
    staking_multipliers,
)
from worker.services.wiki_context import UnknownUser, WikiContext

RUNNING = "running week"
"""The key of the running week's stored sums."""
FRESH = timedelta(hours=2)
RECENT_REWARDS = 5


@dataclass(frozen=True, slots=True)
class RunningWeek:
    """How the pool would be split if the running week ended at one moment."""

    week: Week
    at: datetime
    users: int
    """Those who take part by the rules of planning, held ones included."""
    lifting: Lifting | None
    """None where nobody takes part."""


@dataclass(frozen=True, slots=True)
class Dashboard:
    """One user's page. `multiplier` is in millionths. `estimate` is in base units and can change
    until the week is over. It is None without recent sums, or if the user takes no part."""

    user: ShownUser
    week: Week
    week_points: int
    multiplier: int
    estimate: BaseUnits | None
    estimated_at: datetime | None
    left_out: str
    """Why the user would take no part if the week ended now, by the rules of planning."""
    held: str
    """Why the reward would be held. The chain is not asked: it may show other reasons."""
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
    multipliers = staking_multipliers(wiki.store, week, [user.user_id], rules)
    multiplier = multipliers.get(user.user_id, MULTIPLIER_SCALE)
    left_out = exclusion(user.account, rules)
    if points < rules.min_points:
        left_out = left_out or below_minimum(rules)
    running = running_week(wiki)
    is_known = running is not None and running.week == week and now - running.at < FRESH
    lifting = running.lifting if is_known and running and not left_out else None
    return Dashboard(
        user=user,
        week=week,
        week_points=points,
        multiplier=multiplier,
        estimate=single_amount(points, multiplier, rules.policy, lifting) if lifting else None,
        estimated_at=running.at if lifting and running else None,
        left_out=left_out,
        held=hold_without_chain(user.account),
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
    """Split the pool among the users of the running week as planning does, for estimates."""
    now, rules = wiki.now(), wiki.rules()
    week = Week.containing(now)
    window = PointsWindow(week, cutoff=week.end, previous_cutoff=None, late_from=week.start)
    found = wiki.store.week_points(window, rules).users
    points, multipliers = array("Q"), array("Q")
    for users, _, highest in participants(wiki.store, week, found, rules, Exclusions()):
        points.extend(user.points for user in users)
        multipliers.extend(highest.get(user.user_id, MULTIPLIER_SCALE) for user in users)
    lifting = lifting_of(points, multipliers, rules.policy) if points else None
    facts: dict[str, Any] = {"week": week.id, "at": now, "users": len(points)}
    # As text: a sum of shares may be beyond 64 bits.
    split = {name: str(number) for name, number in asdict(lifting).items()} if lifting else None
    wiki.store.record_figures(RUNNING, facts | {"split": split})
    return RunningWeek(week, now, len(points), lifting)


def running_week(wiki: WikiContext) -> RunningWeek | None:
    """The split that was stored last; None also where an earlier version stored other figures."""
    found = wiki.store.figures(RUNNING)
    if not found or "split" not in found:
        return None
    split = found["split"]
    lifting = Lifting(**{name: int(text) for name, text in split.items()}) if split else None
    return RunningWeek(Week.parse(found["week"]), found["at"], int(found["users"]), lifting)


def _user(views: ViewStore, user_id: str) -> ShownUser:
    if (user := views.shown_user(user_id)) is None:
        raise UnknownUser(user_id)
    return user
