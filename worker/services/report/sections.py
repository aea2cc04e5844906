"""The report's parts on the weeks before, on cost, and on every single payment."""

from __future__ import annotations

from html import escape

from worker.core.lifecycle import PayoutStatus
from worker.core.money import sol_text, tokens_text
from worker.core.payout.records import Payout, PayoutKind
from worker.services.report.plots import Bar, columns_plot
from worker.services.report.text import (
    change_text,
    ratio_text,
    section_html,
    signature_html,
    table_html,
)
from worker.services.report.week import TrendWeek, WeekReport

OPEN_UP_TO = 30
"""A longer list of payments is folded."""
_RATIO_SCALE = 10**12
_STATES = {
    PayoutStatus.PAID: "paid",
    PayoutStatus.VOID: "void",
    PayoutStatus.PENDING: "waits",
    PayoutStatus.PROCESSING: "on its way",
}
_KEY = (
    ("bar", "paid"),
    ("openbar", "on its way"),
    ("heldbar", "held"),
    ("failedbar", "failed"),
)


# --- the weeks before --------------------------------------------------------------------------


def trend_section(report: WeekReport) -> str:
    """Four small plots, and their numbers."""
    weeks = report.trend
    plots = {
        "KONTRIB": [_amounts_bar(week) for week in weeks],
        "Contributors": [_bar(week, week.board.contributors) for week in weeks],
        "Points": [_bar(week, week.board.points) for week in weeks],
        "KONTRIB a weighted point": [_ratio_bar(week) for week in weeks],
    }
    drawn = "".join(
        f"<div><h3>{escape(title)}</h3>{columns_plot(bars, f'{title} by week')}</div>"
        for title, bars in plots.items()
    )
    key = "".join(
        f'<span class="small"><svg class="key" viewBox="0 0 10 10" aria-hidden="true">'
        f'<rect width="10" height="10" class="{name}"/></svg>{text}&ensp;</span>'
        for name, text in _KEY
    )
    count = len(weeks)
    lead = f"The last {count} weeks." if count > 1 else "The first week: nothing to compare with."
    content = f'<div>{key}</div><div class="pair">{drawn}</div>{_trend_table(report)}'
    return section_html("Week over week", lead, content)


def _short(week: TrendWeek) -> str:
    return week.board.week.label.partition("-")[2]


def _bar(week: TrendWeek, value: int) -> Bar:
    return Bar(_short(week), value, f"{value:,}")


def _amounts_bar(week: TrendWeek) -> Bar:
    board = week.board
    text = f"{tokens_text(board.paid.amount)} of {tokens_text(board.planned)} KONTRIB paid"
    tallies = (board.paid, board.unpaid, board.held, board.failed)
    parts = [(name, tally.amount) for (name, _), tally in zip(_KEY, tallies, strict=True)]
    return Bar(_short(week), board.planned, text, parts)


def _ratio_bar(week: TrendWeek) -> Bar:
    if week.ratio is None:
        return Bar(_short(week), 0, "no plan")
    height = week.ratio.numerator * _RATIO_SCALE // week.ratio.denominator
    return Bar(_short(week), height, ratio_text(week.ratio))


def _trend_table(report: WeekReport) -> str:
    rows = []
    before: TrendWeek | None = None
    for each in report.trend:
        board = each.board
        rows.append(
            (
                f"<span class='nobr'>{board.week.label}</span>",
                escape(board.status.value),
                tokens_text(board.paid.amount),
                f"{board.contributors:,}",
                change_text(board.contributors, before.board.contributors if before else None),
                f"{board.points:,}",
                change_text(board.points, before.board.points if before else None),
                ratio_text(each.ratio) if each.ratio is not None else "–",
            )
        )
        before = each
    head = ("Week", "Status", ">Paid", ">Contributors", ">", ">Points", ">", ">Ratio")
    return table_html(head, reversed(rows))


# --- cost --------------------------------------------------------------------------------------


def cost_section(report: WeekReport) -> str:
    """Fees as the chain charged them, and rent at today's price."""
    cost = report.cost
    rows = [
        ("Transaction fees", "as charged", sol_text(cost.fees)),
        ("Rent of receipts", f"{cost.receipts:,} receipts", _sol(cost.receipts_rent)),
        ("Rent of token accounts", f"{cost.accounts:,} recipients", _sol(cost.accounts_rent)),
        ("<b>Together</b>", "", f"<b>{_sol(cost.total)}</b>"),
    ]
    lead = (
        "Rent at today's price. Token accounts: of everyone who had none at planning, "
        "so at most this much."
    )
    return section_html("Cost", lead, table_html(("What", "Of", ">SOL"), rows))


def _sol(lamports: int | None) -> str:
    return "not known" if lamports is None else sol_text(lamports)


# --- payments ----------------------------------------------------------------------------------


def payments_section(report: WeekReport) -> str:
    """The anchor and every payout, with its transaction."""
    anchor = (
        "Anchor",
        "the plan's root",
        "",
        "",
        "final" if report.board.stage.is_frozen else "waits",
        signature_html(report.board.signature, report.cluster),
    )
    rows = [anchor, *(_payment_cells(payout, report) for payout in report.payouts)]
    head = ("Kind", "Receipt", ">Rewards", ">KONTRIB", "State", "Transaction")
    content = table_html(head, rows)
    if len(rows) > OPEN_UP_TO:
        content = f"<details><summary>Show all {len(rows):,}</summary>{content}</details>"
    signed = sum(payout.signature is not None for payout in report.payouts)
    signed += report.board.signature is not None
    lead = f"{len(rows):,} receipts, {signed:,} with the transaction that decided them."
    return section_html("Every transaction", lead, content)


def _payment_cells(payout: Payout, report: WeekReport) -> tuple[str, ...]:
    kind = "Batch" if payout.kind is PayoutKind.BATCH else "Alone"
    why = f"<br>{escape(payout.reason)}" if payout.reason and not payout.status.is_resolved else ""
    return (
        kind,
        f"<code>{escape(payout.id)}</code>",
        f"{payout.rewards:,}",
        tokens_text(payout.amount),
        _STATES[payout.status] + why,
        signature_html(payout.signature, report.cluster),
    )
