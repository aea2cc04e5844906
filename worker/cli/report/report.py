"""`kontrib report`: a week as a page, CSV or JSON; a year of one user for taxes."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from worker.cli.arguments import AsJson, OptionalWeek, session_of, whole_number
from worker.cli.board_view import board_document
from worker.cli.command import command
from worker.cli.console import plain, print_json, say, waiting, write_private
from worker.cli.report.reward_lines import REWARD_COLUMNS, YEAR_COLUMNS, print_rewards, reward_line
from worker.cli.session import Session
from worker.core.errors import KontribError
from worker.core.identity import canonical_user_id
from worker.core.money import tokens_text
from worker.core.payout.chain import Costs
from worker.core.payout.records import Payout, Reward
from worker.core.report.explorer import CUSTOM, PUBLIC_CLUSTERS, transaction_url
from worker.core.report.spread import WHOLE, Spread
from worker.core.report.text import ratio_text
from worker.core.week import Week
from worker.services.report.week import Group, WeekReport, rewards_of_week, week_report

commands = typer.Typer()


@command(commands, "kontrib report 2024-W50 --html week.html")
def report(
    context: typer.Context,
    week: OptionalWeek = None,
    html: Annotated[
        Path | None,
        typer.Option("--html", metavar="FILE", help="Write one self-contained page."),
    ] = None,
    csv: Annotated[bool, typer.Option("--csv", help="Print one line for each reward.")] = False,
    year: Annotated[
        int | None,
        typer.Option(
            "--year",
            parser=whole_number(2020, 9998),
            metavar="YEAR",
            help="Report the payments of a year, in UTC.",
        ),
    ] = None,
    user: Annotated[
        str | None, typer.Option("--user", metavar="ID", help="The user of the yearly report.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Report a week (--html FILE, --csv, --json) or a user's year (--year Y --user ID).

    The report names contributors by their ids, so do not publish it.
    """
    if (html is not None) + csv + as_json != 1:
        raise typer.BadParameter("choose one of --html FILE, --csv and --json")
    session = session_of(context)
    if year is not None or user is not None:
        if year is None or user is None or week is not None or html is not None:
            raise typer.BadParameter(
                "a year needs --year Y --user ID, --csv or --json, and no week"
            )
        _print_year(session, year, user, as_json=as_json)
    elif week is None:
        raise typer.BadParameter("name a week, as 2024-W50, or --year Y --user ID")
    elif csv:
        _print_rewards(session, week)
    elif html is not None:
        from worker.bootstrap.without_settings import render_report

        page = render_report("week.html", report=_report_of(session, week)).encode()
        write_private(html, page)
        say(f"The report is in {html}, {len(page):,} bytes. It names contributors by their ids.")
    else:
        print_json(_document(_report_of(session, week)))


def _print_rewards(session: Session, week: Week) -> None:
    """Print one line of CSV for each reward of the week's plan.

    Raises:
        NotPlanned: the week has no plan.
    """
    rewards = rewards_of_week(session.store, session.stores.reports, week)
    cluster, _ = _chain_facts(session)
    print_rewards(REWARD_COLUMNS, (reward_line(week, reward, cluster) for reward in rewards))


def _print_year(session: Session, year: int, user: str, *, as_json: bool) -> None:
    """Print the rewards whose payment to a user was recorded in a year."""
    start, end = datetime(year, 1, 1, tzinfo=UTC), datetime(year + 1, 1, 1, tzinfo=UTC)
    found = session.stores.reports.paid_between(user, start, end)
    if not found:
        session.wiki.account(user)
    cluster, _ = _chain_facts(session)
    lines = [
        reward_line(paid.week, paid.reward, cluster)
        | {"paid_at": f"{paid.paid_at:%Y-%m-%dT%H:%M:%SZ}", "slot": paid.slot}
        for paid in found
    ]
    total = sum(paid.reward.row.amount for paid in found)
    if as_json:
        facts = {"year": year, "user_id": canonical_user_id(user), "total_base_units": total}
        rows = [{name: line[name] for name in YEAR_COLUMNS} for line in lines]
        print_json(facts | {"rewards": rows})
        return
    print_rewards(YEAR_COLUMNS, lines)
    say(f"{len(found):,} rewards in {year}, {tokens_text(total)} KONTRIB.")


def _report_of(session: Session, week: Week) -> WeekReport:
    with waiting(f"Reporting {week.label}"):
        cluster, costs = _chain_facts(session)
        return week_report(session.wiki, session.stores.reports, week, cluster=cluster, costs=costs)


def _chain_facts(session: Session) -> tuple[str | None, Costs | None]:
    """The cluster's name in the explorer, and prices; None if the chain cannot be read.

    The report itself comes from the database.
    """
    try:
        chain = session.context.chain
        return PUBLIC_CLUSTERS.get(chain.cluster_genesis(), CUSTOM), chain.costs()
    except KontribError as error:
        say(f"The chain cannot be read, so the report has no explorer links: {error}")
        return None, None


def _document(report: WeekReport) -> dict[str, Any]:
    """The contents of the page as JSON. Amounts in base units, cost in lamports."""
    cost, cluster = report.cost, report.cluster
    return board_document(report.board) | {
        "cluster": cluster,
        "ratio": ratio_text(report.ratio),
        "spread": _spread_document(report.spread),
        "top": [_reward_document(reward, cluster) for reward in report.top],
        "by_type": report.types,
        "excluded": report.excluded,
        "excluded_points": report.excluded_points,
        "contributions": None if report.contributions is None else plain(report.contributions),
        "held_by_reason": [_group_document(group) for group in report.held],
        "failed_by_reason": [_group_document(group) for group in report.failed],
        "cost_lamports": {
            "fees": cost.fees,
            "receipts_rent": cost.receipts_rent,
            "token_accounts_rent": cost.accounts_rent,
            "total": cost.total,
        },
        "explorer": transaction_url(report.board.signature, cluster),
        "transactions": [_payout_document(payout, cluster) for payout in report.payouts],
        "trend": [
            board_document(week.board)
            | {"ratio": None if week.ratio is None else ratio_text(week.ratio)}
            for week in report.trend
        ],
    }


def _spread_document(spread: Spread) -> dict[str, Any] | None:
    """Shares are integers in ten thousandths."""
    if not spread.total:
        return None
    return {**plain(spread), "top_tenth": int(spread.top_tenth * WHOLE)}


def _reward_document(reward: Reward, cluster: str | None) -> dict[str, Any]:
    return {
        "user_id": reward.user_id,
        "points": reward.row.points,
        "amount_base_units": reward.row.amount,
        "status": reward.status,
        "signature": reward.signature,
        "explorer": transaction_url(reward.signature, cluster),
    }


def _payout_document(payout: Payout, cluster: str | None) -> dict[str, Any]:
    return {
        "id": payout.id,
        "kind": payout.kind,
        "status": payout.status,
        "rewards": payout.rewards,
        "amount_base_units": payout.amount,
        "signature": payout.signature,
        "explorer": transaction_url(payout.signature, cluster),
    }


def _group_document(group: Group) -> dict[str, Any]:
    return {
        "reason": group.reason,
        "what_to_do": group.what_to_do,
        "count": group.count,
        "amount_base_units": group.amount,
        "users": group.users,
    }
