"""`kontrib report`: a week as a page, CSV or JSON; a year of one user for taxes."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from worker.cli.arguments import AsJson, OptionalWeek, session_of, whole_number
from worker.cli.board_view import board_document
from worker.cli.command import command
from worker.cli.console import emit, plain, say, waiting, write_private
from worker.cli.report.report_view import show_report
from worker.cli.report.reward_lines import REWARD_COLUMNS, print_rewards, reward_line
from worker.cli.report.year import Year, prices_from, print_year
from worker.cli.session import Session
from worker.core.cost import OtherTransaction
from worker.core.errors import KontribError
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
    prices: Annotated[
        Path | None,
        typer.Option("--prices", metavar="FILE", help="CSV of date,price: adds the value."),
    ] = None,
    currency: Annotated[
        str | None, typer.Option("--currency", metavar="CODE", help="The currency of the prices.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Report a week (a table, --html FILE, --csv, --json) or a year (--year Y, of one --user).

    The report names contributors, so do not publish it.
    """
    if (html is not None) + csv + as_json > 1:
        raise typer.BadParameter("choose one of --html FILE, --csv and --json")
    if (prices is None) != (currency is None):
        raise typer.BadParameter("--prices FILE and --currency CODE belong together")
    session = session_of(context)
    if year is not None:
        if week is not None or html is not None or csv == as_json:
            raise typer.BadParameter("a year needs --csv or --json, and no week")
        given = prices_from(prices, currency) if prices and currency else None
        asked = Year(session, year, user, given)
        print_year(asked, *_chain_facts(session), as_json=as_json)
    elif week is None or user is not None or prices is not None:
        raise typer.BadParameter("name a week, as 2024-W50, or a year: --year Y [--user ID]")
    elif csv:
        _print_rewards(session, week)
    else:
        _show_week(session, week, html, as_json=as_json)


def _show_week(session: Session, week: Week, html: Path | None, *, as_json: bool) -> None:
    """Write the page, or print the week as JSON or tables."""
    found = _report_of(session, week)
    if html is None:
        emit(
            _document(found) if as_json else {},
            as_json=as_json,
            render=lambda console: show_report(console, found),
        )
        return
    from worker.bootstrap.without_settings import render_report

    page = render_report("week.html", report=found).encode()
    write_private(html, page)
    say(f"The report is in {html}, {len(page):,} bytes. It names contributors.")


def _print_rewards(session: Session, week: Week) -> None:
    """Print one line of CSV for each reward of the week's plan.

    Raises:
        NotPlanned: the week has no plan.
    """
    rewards = rewards_of_week(session.store, session.stores.reports, week)
    cluster, _ = _chain_facts(session)
    print_rewards(REWARD_COLUMNS, (reward_line(week, reward, cluster) for reward in rewards))


def _report_of(session: Session, week: Week) -> WeekReport:
    with waiting(f"Reporting {week.label}"):
        cluster, costs = _chain_facts(session)
        return week_report(
            session.wiki,
            session.stores.reports,
            week,
            cluster=cluster,
            costs=costs,
            name_field=session.settings.username_field,
        )


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
        "top": [_reward_document(reward, report.names, cluster) for reward in report.top],
        "by_type": report.types,
        "excluded": report.excluded,
        "excluded_points": report.excluded_points,
        "contributions": None if report.contributions is None else plain(report.contributions),
        "held_by_reason": [_group_document(group) for group in report.held],
        "failed_by_reason": [_group_document(group) for group in report.failed],
        "cost_lamports": {
            "fees": cost.fees,
            "fees_unread": cost.unread,
            "receipts_rent": cost.receipts_rent,
            "token_accounts_rent": cost.accounts_rent,
            "token_accounts_unrecorded": cost.unrecorded,
            "total": cost.total,
        },
        "explorer": transaction_url(report.board.signature, cluster),
        "transactions": [_payout_document(payout, cluster) for payout in report.payouts],
        "other_transactions": [
            _other_document(each, cluster) for each in report.other_transactions
        ],
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


def _reward_document(
    reward: Reward, names: Mapping[str, str], cluster: str | None
) -> dict[str, Any]:
    return {
        "user_id": reward.user_id,
        "name": names.get(reward.user_id),
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


def _other_document(transaction: OtherTransaction, cluster: str | None) -> dict[str, Any]:
    charge = transaction.charge
    return {
        "kind": transaction.kind,
        "signature": transaction.signature,
        "explorer": transaction_url(transaction.signature, cluster),
        "fee_lamports": charge and charge.fee,
        "rent_lamports": charge and charge.rent,
        "token_accounts": charge and charge.accounts,
    }


def _group_document(group: Group) -> dict[str, Any]:
    return {
        "reason": group.reason,
        "what_to_do": group.what_to_do,
        "count": group.count,
        "amount_base_units": group.amount,
        "users": group.users,
    }
