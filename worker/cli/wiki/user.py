"""`kontrib user`: the wiki's page about one user."""

from __future__ import annotations

import base64
import json
from datetime import datetime
from typing import Annotated, Any

import typer
from rich.console import Console

from worker.cli.arguments import EXAMPLE_USER, AsJson, UserArgument, session_of, whole_number
from worker.cli.command import command
from worker.cli.console import emit, escaped, facts, moment_text, say, table, waiting
from worker.cli.session import Session
from worker.core.errors import UsageError
from worker.core.identity import canonical_user_id
from worker.core.money import tokens_text
from worker.core.plan.allocation import MULTIPLIER_SCALE
from worker.core.week import Week
from worker.ports.check import Cursor, ShownContribution, ShownReward
from worker.services.wiki import dashboard

PAGE, PAGE_MAX = 20, 1000
commands = typer.Typer()


@command(commands, f"kontrib user {EXAMPLE_USER} --contributions")
def user(
    context: typer.Context,
    user_id: UserArgument,
    contributions: Annotated[
        bool, typer.Option("--contributions", help="List contributions instead, page by page.")
    ] = False,
    history: Annotated[
        bool, typer.Option("--history", help="List the weeks' rewards instead, page by page.")
    ] = False,
    after: Annotated[
        str | None,
        typer.Option("--after", metavar="PAGE", help="The name of the page to show."),
    ] = None,
    limit: Annotated[
        int, typer.Option("--limit", parser=whole_number(1, PAGE_MAX), metavar="N")
    ] = PAGE,
    as_json: AsJson = False,
) -> None:
    """Show a user's points this week, estimated tokens, rewards, stakes and voting power."""
    session, user_id = session_of(context), canonical_user_id(user_id)
    if contributions:
        _list_contributions(session, user_id, after, limit, as_json=as_json)
    elif history:
        _list_rewards(session, user_id, after, limit, as_json=as_json)
    else:
        _show_dashboard(session, user_id, as_json=as_json)


def _show_dashboard(session: Session, user_id: str, *, as_json: bool) -> None:
    """Show the dashboard, after adding up the running week unless its sums are fresh."""
    wiki = session.wiki
    running, now = dashboard.running_week(wiki), wiki.now()
    if (
        running is None
        or running.week != Week.containing(now)
        or now - running.at > dashboard.FRESH
    ):
        with waiting("Adding up the running week"):
            dashboard.record_running_week(wiki)
    found = dashboard.dashboard(wiki, session.stores.views, user_id)
    emit(_document(found), as_json=as_json, render=lambda console: _show(console, found))


def _list_contributions(
    session: Session, user_id: str, after: str | None, limit: int, *, as_json: bool
) -> None:
    cursor = None if after is None else _cursor(after)
    page = dashboard.contributions(session.stores.views, user_id, cursor, limit)
    following = _page_name(page[-1]) if len(page) == limit else None
    data = {"contributions": page, "next": following}
    emit(data, as_json=as_json, render=lambda console: _show_contributions(console, page))
    if following:
        say(f"More: --after {following}")


def _list_rewards(
    session: Session, user_id: str, after: str | None, limit: int, *, as_json: bool
) -> None:
    before = None if after is None else Week.parse(after)
    page = dashboard.history(session.stores.views, user_id, before, limit)
    following = page[-1].week.label if len(page) == limit else None
    data = {"rewards": [_reward_document(each) for each in page], "next": following}
    emit(data, as_json=as_json, render=lambda console: _show_rewards(console, page))
    if following:
        say(f"More: --after {following}")


def _page_name(last: ShownContribution) -> str:
    text = json.dumps([last.created_at.isoformat(), last.id])
    return base64.urlsafe_b64encode(text.encode()).decode()


def _cursor(text: str) -> Cursor:
    """
    Raises:
        UsageError: the text is not the name of a page.
    """
    try:
        moment, last_id = json.loads(base64.urlsafe_b64decode(text))
        created_at = datetime.fromisoformat(moment)
        if created_at.tzinfo is None:
            raise ValueError("no time zone")
    except (ValueError, TypeError):
        raise UsageError(
            f"'{text}' is not the name of a page. Give --after the name that the last page printed."
        ) from None
    return Cursor(created_at, str(last_id))


def _document(found: dashboard.Dashboard) -> dict[str, Any]:
    user = found.user
    return {
        "user_id": user.user_id,
        "wallet": user.wallet,
        "week": found.week.label,
        "week_points": found.week_points,
        "staking_multiplier": found.multiplier / MULTIPLIER_SCALE,
        "estimated_base_units": found.estimate,
        "estimated_at": found.estimated_at,
        "left_out": found.left_out or None,
        "held": found.held or None,
        "total_contributions": user.contributions,
        "total_points": user.points,
        "reputation": user.reputation,
        "earned_base_units": user.earned,
        "staked_base_units": user.staked,
        "voting_power_base_units": user.power,
        "rewards": [_reward_document(each) for each in found.rewards],
        "stakes": found.stakes,
    }


def _reward_document(reward: ShownReward) -> dict[str, Any]:
    return {
        "week": reward.week.label,
        "points": reward.points,
        "base_units": reward.amount,
        "status": reward.status,
        "reason": reward.reason,
        "signature": reward.signature,
    }


def _show(console: Console, found: dashboard.Dashboard) -> None:
    user = found.user
    so_far = None
    if found.estimate is not None:
        so_far = f"{tokens_text(found.estimate)} KONTRIB, if the week ended now"
    rows = {
        "user": user.user_id,
        "wallet": user.wallet or "none yet",
        f"points in {found.week.label}": f"{found.week_points:,}",
        "estimated reward": so_far or "none yet",
        "takes no part": found.left_out,
        "would be held": found.held,
        "staking multiplier": f"{found.multiplier / MULTIPLIER_SCALE:g}",
        "contributions": f"{user.contributions:,}, {user.points:,} points",
        "reputation": f"{user.reputation:g}",
        "earned": f"{tokens_text(user.earned)} KONTRIB",
        "staked": f"{tokens_text(user.staked)} KONTRIB",
        "voting power": tokens_text(user.power),
    }
    console.print(facts(rows))
    _show_rewards(console, found.rewards)
    if found.stakes:
        made = table(">KONTRIB", "status", "from", "until", ">multiplier", ">earned")
        for stake in found.stakes:
            made.add_row(
                *(tokens_text(stake.amount), stake.status.value),
                *(f"{stake.start:%Y-%m-%d}", f"{stake.end:%Y-%m-%d}"),
                *(str(stake.multiplier), tokens_text(stake.rewards_earned)),
            )
        console.print(made)


def _show_rewards(console: Console, rewards: list[ShownReward]) -> None:
    made = table("week", ">points", ">KONTRIB", "status", "signature or reason")
    for each in rewards:
        last = each.signature or each.reason or ""
        amount = tokens_text(each.amount)
        made.add_row(each.week.label, f"{each.points:,}", amount, each.status, escaped(last))
    console.print(made)


def _show_contributions(console: Console, page: list[ShownContribution]) -> None:
    made = table("made", "type", ">points", "article", "description")
    for each in page:
        cells = (moment_text(each.created_at), escaped(each.type), f"{each.points:,}")
        made.add_row(*cells, escaped(each.article_id), escaped(each.description))
    console.print(made)
