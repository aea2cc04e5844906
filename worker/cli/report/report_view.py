"""A week's report as tables in a terminal."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console

from worker.cli.board_view import show_board
from worker.cli.console import escaped, facts, say, table
from worker.core.money import sol_text, tokens_text
from worker.core.report.text import ratio_text
from worker.core.wording import counted
from worker.services.report.week import Group, WeekReport


def show_report(console: Console, report: WeekReport) -> None:
    """Print the week, what is not paid and why, the highest rewards, and the cost."""
    show_board(console, report.board)
    cost = report.cost
    rows = {
        "ratio": f"{ratio_text(report.ratio)} KONTRIB a weighted point",
        "median": f"{tokens_text(report.spread.median)} KONTRIB" if report.spread.total else None,
        "cost": None if cost.total is None else f"{sol_text(cost.total)} SOL",
    }
    console.print(facts(rows))
    for title, groups in (("failed", report.failed), ("held", report.held)):
        if groups:
            console.print(_groups(title, groups))
    top = table("name", "user", ">points", ">KONTRIB", "status")
    for reward in report.top:
        top.add_row(
            escaped(report.names.get(reward.user_id, "")),
            escaped(reward.user_id),
            f"{reward.row.points:,}",
            tokens_text(reward.row.amount),
            reward.status.value,
        )
    console.print(top)
    rest = len(report.rewards) - len(report.top)
    if rest > 0:
        say(f"And {counted(rest, 'more reward')}: --csv lists all, --html FILE finds anybody.")


def _groups(title: str, groups: Sequence[Group]) -> object:
    shown = table(title, ">rewards", ">KONTRIB", "what to do")
    for group in groups:
        amount = tokens_text(group.amount)
        shown.add_row(escaped(group.reason), f"{group.count:,}", amount, escaped(group.what_to_do))
    return shown
