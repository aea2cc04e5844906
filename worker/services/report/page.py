"""A week's report as one page: nothing is loaded from anywhere, and no script runs."""

from __future__ import annotations

from html import escape

from worker.core.lifecycle import Status
from worker.core.money import tokens_text
from worker.core.report.spread import WHOLE
from worker.services.report.advice import advice
from worker.services.report.plots import Bar, histogram, lorenz_curve, rows_plot
from worker.services.report.sections import cost_section, payments_section, trend_section
from worker.services.report.style import STYLE
from worker.services.report.text import (
    multiplier_text,
    ratio_text,
    section_html,
    share_text,
    signature_html,
    table_html,
)
from worker.services.report.week import Group, WeekReport

POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
PILLS = {
    Status.COMPLETED: "good",
    Status.PENDING: "warn",
    Status.PROCESSING: "warn",
    Status.FAILED: "bad",
}


def report_page(report: WeekReport) -> str:
    """The whole page."""
    parts = (
        _head(report),
        _notes(report),
        _figures(report),
        _attention(report),
        _excluded(report),
        _spread(report),
        _top(report),
        _types(report),
        trend_section(report),
        cost_section(report),
        payments_section(report),
        _foot(report),
    )
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">'
        '<meta name="color-scheme" content="light dark">'
        '<meta name="referrer" content="no-referrer"><link rel="icon" href="data:,">'
        f"<title>{escape(report.board.week.label)} · KONTRIB rewards</title>"
        f"<style>{STYLE}</style></head><body><main>\n"
        + "\n".join(parts)
        + "\n</main></body></html>\n"
    )


def _head(report: WeekReport) -> str:
    board = report.board
    pill = "bad" if report.failed and board.status is Status.COMPLETED else PILLS[board.status]
    last = board.week.next().monday
    closed = f" Closed {board.completed_at:%Y-%m-%d %H:%M} UTC." if board.completed_at else ""
    return (
        f"<header><h1>KONTRIB rewards, {escape(board.week.label)}</h1>"
        f'<span class="pill {pill}">{escape(board.status.value)}</span>'
        f'<p class="dim">{board.week.monday} to {last}, 00:00 UTC, the end excluded.{closed}</p>'
        "</header>"
    )


def _notes(report: WeekReport) -> str:
    made, board = [], report.board
    if board.reason:
        made.append(("bad" if board.stopped else "warn", f"The week waits: {board.reason}"))
    checked = board.notes.get("reconciliation")
    if checked and not checked["mismatch"] and not checked["differences"]:
        paid = tokens_text(checked["chain_paid"])
        text = f"Plan = database = chain: checked to the base unit, {paid} KONTRIB moved on chain."
        made.append(("good", text))
    elif checked:
        what = f"MISMATCH of {checked['mismatch']:,} base units between plan, database and chain."
        made.append(("bad", f"{what} Look with: kontrib reconcile {board.week.label}"))
    if report.cluster is None:
        text = "The chain could not be asked: signatures are not linked, and rent is not known."
        made.append(("warn", f"{text} Make the report again once it answers."))
    return "".join(f'<p class="note {kind}">{escape(text)}</p>' for kind, text in made)


def _figures(report: WeekReport) -> str:
    board, header = report.board, report.header
    figures = [
        ("Planned", tokens_text(board.planned), "KONTRIB"),
        ("Paid", tokens_text(board.paid.amount), f"KONTRIB to {board.paid.count:,}"),
        ("On their way", tokens_text(board.unpaid.amount), f"KONTRIB to {board.unpaid.count:,}"),
        ("Held", tokens_text(board.held.amount), f"KONTRIB of {board.held.count:,}"),
        ("Failed", tokens_text(board.failed.amount), f"KONTRIB of {board.failed.count:,}"),
        ("Contributors", f"{header.rewards:,}", f"{board.batches:,} batches"),
        ("Points", f"{header.total_points:,}", f"{report.excluded_points:,} excluded"),
        ("Ratio", ratio_text(report.ratio), "KONTRIB a weighted point"),
    ]
    cards = "".join(
        f'<div class="figure"><span>{name}</span><b>{escape(value)}</b><span>{escape(unit)}</span>'
        "</div>"
        for name, value, unit in figures
    )
    return f'<div class="figures">{cards}</div>'


def _attention(report: WeekReport) -> str:
    if not report.held and not report.failed:
        return ""
    groups = "".join(
        _group_html(group, kind, pill, report.board.week.label)
        for kind, pill, listed in (
            ("failed", "bad", report.failed),
            ("held", "warn", report.held),
        )
        for group in listed
    )
    lead = "Nothing of this is lost: it stays reserved in the plan until it is paid."
    return section_html("Not paid", lead, groups)


def _group_html(group: Group, kind: str, pill: str, label: str) -> str:
    users = "".join(f"<li><code>{escape(user)}</code></li>" for user in group.users)
    rest = group.count - len(group.users)
    more = f"<li>and {rest:,} more</li>" if rest else ""
    rewards = "reward" if group.count == 1 else "rewards"
    return (
        f'<div class="group"><span class="pill {pill}">{kind}</span> '
        f"<b>{escape(group.reason)}</b>: {group.count:,} {rewards}, "
        f"{tokens_text(group.amount)} KONTRIB<p>{escape(advice(group.reason, label))}</p>"
        f'<details class="small"><summary>Who</summary><ul>{users}{more}</ul></details></div>'
    )


def _excluded(report: WeekReport) -> str:
    if not report.excluded:
        return ""
    rows = [(escape(reason), f"{count:,}") for reason, count in report.excluded.items()]
    lead = f"By the rules: {report.excluded_points:,} points in all. They are not in the plan."
    return section_html("Left out", lead, table_html(("Why", ">Users"), rows))


def _spread(report: WeekReport) -> str:
    found = report.spread
    if found is None:
        return ""
    lead = (
        f"From {tokens_text(found.smallest)} to {tokens_text(found.largest)} KONTRIB, the median "
        f"is {tokens_text(found.median)}. The tenth with the highest rewards has "
        f"{share_text(found.top_tenth, WHOLE)} of everything."
    )
    plots = (
        f"<div><h3>Contributors by reward, in KONTRIB</h3>{histogram(found.bins)}</div>"
        "<div><h3>Share of all KONTRIB; dashed: all the same</h3>"
        f"{lorenz_curve(found)}</div>"
    )
    return section_html("How the rewards are spread", lead, f'<div class="pair">{plots}</div>')


def _top(report: WeekReport) -> str:
    planned = report.board.planned
    rows = [
        (
            str(place),
            f"<code>{escape(reward.user_id)}</code>",
            f"{reward.row.points:,}",
            multiplier_text(reward.multiplier),
            tokens_text(reward.row.amount),
            share_text(reward.row.amount, planned),
            escape(reward.status.value),
            signature_html(reward.signature, report.cluster),
        )
        for place, reward in enumerate(report.top, 1)
    ]
    head = (
        "",
        "@User",
        ">Points",
        ">Staking",
        ">KONTRIB",
        ">Share",
        "Status",
        "Transaction",
    )
    return section_html("Top contributors", "By reward.", table_html(head, rows))


def _types(report: WeekReport) -> str:
    ordered = sorted(report.types.items(), key=lambda each: (-each[1].points, each[0]))
    total = sum(each.points for each in report.types.values())
    bars = [Bar(kind.replace("_", " "), t.points, f"{t.points:,}") for kind, t in ordered]
    rows = [
        (escape(kind), f"{t.count:,}", f"{t.points:,}", share_text(t.points, total))
        for kind, t in ordered
    ]
    table = table_html(("Type", ">Contributions", ">Points", ">Share"), rows)
    lead = "Everything that counts in the week, late contributions and excluded users included."
    if report.points_missing:
        lead += (
            f" It differs by {abs(report.points_missing):,} points from the plan: contributions "
            "were changed or deleted after planning. The plan stands."
        )
    plot = f"<div>{rows_plot(bars, 'Points by contribution type')}</div>"
    return section_html(
        "By contribution type", lead, f'<div class="pair">{plot}<div>{table}</div></div>'
    )


def _foot(report: WeekReport) -> str:
    root = report.board.root
    plan = f"Plan root {root.hex()}. " if root else ""
    return f"<footer>{plan}Made {report.made_at:%Y-%m-%d %H:%M} UTC.</footer>"
