"""The work of `kontrib report`."""

from __future__ import annotations

import csv
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from worker.cli.board_view import board_document
from worker.cli.console import emit, say, waiting
from worker.cli.session import Session
from worker.core.errors import KontribError, UsageError
from worker.core.identity import canonical_user_id
from worker.core.money import tokens_text
from worker.core.payout.records import Costs, Distribution, Reward
from worker.core.report.explorer import CUSTOM, PUBLIC_CLUSTERS, transaction_url
from worker.core.week import Week
from worker.ports.report import PaidReward
from worker.services.plan.planned_week import NotPlanned
from worker.services.report.advice import advice
from worker.services.report.page import report_page
from worker.services.report.text import ratio_text
from worker.services.report.week import Group, WeekReport, reward_chunks, week_report

if TYPE_CHECKING:
    from rich.console import Console

REWARD_COLUMNS = (
    "week",
    "week_start",
    "user_id",
    "points",
    "late_points",
    "staking_multiplier",
    "amount_base_units",
    "amount_kontrib",
    "status",
    "reason",
    "wallet",
    "payout",
    "transaction",
    "explorer",
)
YEAR_COLUMNS = (
    "paid_at",
    "week",
    "week_start",
    "week_end",
    "user_id",
    "points",
    "staking_multiplier",
    "amount_base_units",
    "amount_kontrib",
    "wallet",
    "slot",
    "transaction",
    "explorer",
)
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


class ReportNotWritten(UsageError):
    """The file cannot be written."""

    def __init__(self, path: Path, error: OSError) -> None:
        super().__init__(f"{path} cannot be written: {error.strerror or error}.")


def write_page(session: Session, week: Week, path: Path) -> None:
    """Write the page whole or not at all. Only its writer shall be able to read it."""
    page = report_page(_report(session, week)).encode()
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with open(descriptor, "wb") as file:
            file.write(page)
        draft.replace(path)
    except OSError as error:
        draft.unlink(missing_ok=True)
        raise ReportNotWritten(path, error) from None
    say(f"Written to {path}, {len(page):,} bytes. It names contributors by their ids.")


def print_report(session: Session, week: Week) -> None:
    """The same as the page, as JSON."""
    emit(_document(_report(session, week)), as_json=True, render=_unused)


def print_rewards(session: Session, week: Week) -> None:
    """One line of CSV for each reward of the week's plan.

    Raises:
        NotPlanned: there is none.
    """
    distribution = session.store.distribution(week)
    if distribution is None or distribution.header is None:
        raise NotPlanned(week)
    cluster, _ = _chain_facts(session)
    _write_csv(REWARD_COLUMNS, _reward_lines(session, distribution, cluster))


def print_year(session: Session, year: int, user: str, *, as_json: bool) -> None:
    """What a user was paid in a year, by the time at which it was recorded as paid."""
    start, end = datetime(year, 1, 1, tzinfo=UTC), datetime(year + 1, 1, 1, tzinfo=UTC)
    paid = session.stores.reports.paid_between(user, start, end)
    if not paid:
        session.wiki.account(user)
    cluster, _ = _chain_facts(session)
    lines = [_year_line(each, cluster) for each in paid]
    total = sum(each.reward.row.amount for each in paid)
    if as_json:
        rows = [dict(zip(YEAR_COLUMNS, line, strict=True)) for line in lines]
        facts = {"year": year, "user_id": canonical_user_id(user), "total_base_units": total}
        emit(facts | {"rewards": rows}, as_json=True, render=_unused)
        return
    _write_csv(YEAR_COLUMNS, lines)
    say(f"{len(paid):,} rewards in {year}, {tokens_text(total)} KONTRIB.")


def _unused(console: Console) -> None:
    """Data has no other form here than JSON and CSV."""


def _report(session: Session, week: Week) -> WeekReport:
    with waiting(f"Reporting {week.label}"):
        cluster, costs = _chain_facts(session)
        return week_report(session.wiki, session.stores.reports, week, cluster=cluster, costs=costs)


def _chain_facts(session: Session) -> tuple[str | None, Costs | None]:
    """The cluster as the explorer calls it, and prices; None where the chain does not answer.

    The books are in the database: a report is made without the chain, too.
    """
    try:
        chain = session.context.chain
        return PUBLIC_CLUSTERS.get(chain.cluster_genesis(), CUSTOM), chain.costs()
    except KontribError as error:
        say(f"The chain was not asked, so nothing is linked: {error}")
        return None, None


def _reward_lines(
    session: Session, distribution: Distribution, cluster: str | None
) -> Iterator[Sequence[object]]:
    for chunk in reward_chunks(session.store, distribution):
        for reward in chunk:
            row = reward.row
            yield (
                distribution.week.label,
                distribution.week.id,
                reward.user_id,
                row.points,
                reward.late_points,
                *_amount_cells(reward),
                reward.status.value,
                reward.operator_hold or reward.reason,
                reward.redirected_to or row.wallet,
                row.batch or "alone",
                reward.signature,
                transaction_url(reward.signature, cluster),
            )


def _year_line(paid: PaidReward, cluster: str | None) -> Sequence[object]:
    reward = paid.reward
    return (
        f"{paid.paid_at:%Y-%m-%dT%H:%M:%SZ}",
        paid.week.label,
        paid.week.id,
        paid.week.next().id,
        reward.user_id,
        reward.row.points,
        *_amount_cells(reward),
        reward.redirected_to or reward.row.wallet,
        paid.slot,
        reward.signature,
        transaction_url(reward.signature, cluster),
    )


def _amount_cells(reward: Reward) -> tuple[str, int, str]:
    """Multiplier, base units and tokens, exact and without separators."""
    multiplier = tokens_text(reward.multiplier * 1000).replace(",", "")
    return multiplier, reward.row.amount, tokens_text(reward.row.amount).replace(",", "")


def _write_csv(columns: Sequence[str], lines: Iterable[Sequence[object]]) -> None:
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(columns)
    for line in lines:
        writer.writerow([_cell(value) for value in line])


def _cell(value: object) -> object:
    """A spreadsheet must not take a stored text for a formula."""
    if isinstance(value, str) and value.startswith(_FORMULA):
        return f"'{value}"
    return value


def _document(report: WeekReport) -> dict[str, Any]:
    spread, cost, cluster = report.spread, report.cost, report.cluster
    return board_document(report.board) | {
        "cluster": cluster,
        "ratio": ratio_text(report.ratio),
        "spread": spread,
        "top": [_reward_document(reward, cluster) for reward in report.top],
        "by_type": dict(report.types),
        "excluded": dict(report.excluded),
        "excluded_points": report.excluded_points,
        "held_by_reason": [_group_document(g, report) for g in report.held],
        "failed_by_reason": [_group_document(g, report) for g in report.failed],
        "cost_lamports": {
            "fees": cost.fees,
            "receipts_rent": cost.receipts_rent,
            "token_accounts_rent": cost.accounts_rent,
            "total": cost.total,
        },
        "explorer": transaction_url(report.board.signature, cluster),
        "transactions": [
            {
                "id": payout.id,
                "kind": payout.kind,
                "status": payout.status,
                "rewards": payout.rewards,
                "amount_base_units": payout.amount,
                "signature": payout.signature,
                "explorer": transaction_url(payout.signature, cluster),
            }
            for payout in report.payouts
        ],
        "trend": [
            board_document(each.board)
            | {"ratio": None if each.ratio is None else ratio_text(each.ratio)}
            for each in report.trend
        ],
    }


def _reward_document(reward: Reward, cluster: str | None) -> dict[str, Any]:
    return {
        "user_id": reward.user_id,
        "points": reward.row.points,
        "amount_base_units": reward.row.amount,
        "status": reward.status,
        "signature": reward.signature,
        "explorer": transaction_url(reward.signature, cluster),
    }


def _group_document(group: Group, report: WeekReport) -> dict[str, Any]:
    return {
        "reason": group.reason,
        "what_to_do": advice(group.reason, report.board.week.label),
        "count": group.count,
        "amount_base_units": group.amount,
        "users": group.users,
    }
