"""`kontrib recount`: computes counters from their sources."""

from __future__ import annotations

import typer

from worker.cli.arguments import AsJson, OptionalWeek, session_of
from worker.cli.command import command
from worker.cli.console import emit, waiting
from worker.services.wiki.earned_tokens import CHANGES_SHOWN, recount_week
from worker.services.wiki.recount import recount_all

commands = typer.Typer()


@command(commands, "kontrib recount 2024-W50")
def recount(context: typer.Context, week: OptionalWeek = None, as_json: AsJson = False) -> None:
    """Compute all counters of users and articles anew, or those of one week.

    The sources are contributions, completed rewards and stakes. Run it any number of times.
    """
    wiki = session_of(context).wiki
    with waiting("Counting"):
        result = recount_all(wiki) if week is None else recount_week(wiki, week)
    document = {
        "weeks": result.weeks,
        "users": result.users,
        "articles": result.articles,
        "corrected": result.corrected,
        "articles_base_units": result.shared,
        "without_article_base_units": result.unshared,
        "balances_replaced": result.changed,
        "changes": [
            {
                "user_id": each.user_id,
                "field": each.field,
                "before_base_units": each.before,
                "after_base_units": each.after,
            }
            for each in result.changes
        ],
        "unreadable": result.unreadable_lines(),
    }
    lines = [f"{result.sentence()}.", *result.change_lines()]
    if result.changed > CHANGES_SHOWN:
        lines[-1] += f"; --json lists {len(result.changes)}"
    lines += result.unreadable_lines()
    emit(document, as_json=as_json, render=lambda c: c.print("\n".join(lines), markup=False))
