"""`kontrib import`: contributions from a file, and users and wallets for a trial."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from worker.cli.arguments import AsJson, read_week, session_of
from worker.cli.command import command
from worker.cli.console import emit, facts, progress_bar, say, waiting
from worker.cli.input_file import Input, open_input
from worker.cli.session import Session
from worker.core.errors import Refused
from worker.core.week import Week
from worker.core.wording import counted

if TYPE_CHECKING:
    from rich.console import Console

    from worker.services.wiki.ingest import IngestOptions, IngestReport

LISTED_MAX = 10
commands = typer.Typer()


class TrialWalletsRefused(Refused):
    """Trial wallets are for a chain on this machine: anyone can derive their keys."""

    def __init__(self) -> None:
        super().__init__(
            "--create-wallets makes wallets whose keys anyone can derive from the user's id. It "
            "works only while every SOLANA_RPC_URL is on this machine; on a real cluster, users "
            "bring their own wallets."
        )


class NotAllImported(Refused):
    """Lines of the file could not be read, or were refused."""

    def __init__(self, report: IngestReport) -> None:
        first, lines = report.malformed[0], report.lines
        if report.malformed_count == lines:
            what = f"Nothing was imported from {counted(lines, 'line')}."
        else:
            what = (
                f"{report.malformed_count:,} of {counted(lines, 'line')} could not be imported. "
                "The others are there. Mend these and import the file again: nothing is added "
                "twice."
            )
        super().__init__(f"{what} Line {first.line}: {first.reason}")


@command(commands, "kontrib import contributions.jsonl.gz --week 2024-W50", name="import")
def import_file(
    context: typer.Context,
    file: Annotated[
        str,
        typer.Argument(metavar="FILE", help="JSON or CSV, compressed or not; - is standard input."),
    ],
    week: Annotated[
        Week | None,
        typer.Option(
            parser=read_week, metavar="WEEK", help="Import only contributions of this week."
        ),
    ] = None,
    create_users: Annotated[
        bool, typer.Option("--create-users", help="Add users that do not exist (for a trial).")
    ] = False,
    create_wallets: Annotated[
        bool,
        typer.Option(
            "--create-wallets",
            help="Give users without a wallet a trial wallet. Anyone can derive its key, "
            "so this works on a local chain only.",
        ),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Import contributions and compute their points. Run it again after any interruption."""
    from worker.services.wiki.ingest import IngestOptions
    from worker.services.wiki.recount import recount_all

    session = session_of(context)
    if create_wallets and not session.is_local:
        raise TrialWalletsRefused
    options = IngestOptions(week, create_users, trial_wallet if create_wallets else None)
    with open_input(file) as source:
        report = _ingest(session, source, options)
    emit(_document(report), as_json=as_json, render=lambda console: _show(console, report))
    _warn(session, report)
    if report.added:
        with waiting("Counting"):
            result = recount_all(session.wiki)
        users, articles = counted(result.users, "user"), counted(result.articles, "article")
        say(f"The counters of {users} and {articles} are computed anew.")
    if source.failure is not None:
        raise source.failure
    if report.malformed_count:
        raise NotAllImported(report)


def _ingest(session: Session, source: Input, options: IngestOptions) -> IngestReport:
    from worker.core.wiki.files.reading import read_records
    from worker.services.wiki.ingest import ingest

    with progress_bar("Importing", source.bytes_total, unit="bytes") as advance:
        return ingest(
            session.store,
            session.stores.ingest,
            read_records(source),
            options,
            lambda report: advance(source.bytes_read, f"{report.added + report.known:,} read"),
        )


def _warn(session: Session, report: IngestReport) -> None:
    planned = {d.week for d in session.store.distributions() if d.plan_id is not None}
    if touched := sorted(planned & set(report.weeks)):
        listed = ", ".join(week.label for week in touched[:5])
        say(
            f"Note: contributions were added to weeks that already have a plan ({listed}). A "
            "plan never changes, so these contributions are not paid automatically."
        )
    if report.users_missing:
        say(
            f"Note: these contributions name {counted(report.users_missing, 'user')} that the wiki "
            "does not have, whose points do not count. For a trial, --create-users adds them."
        )


def _document(report: IngestReport) -> dict[str, Any]:
    return {
        "lines": report.lines,
        "added": report.added,
        "already_there": report.known,
        "other_weeks": report.elsewhere,
        "points_differ_from_file": report.repriced,
        "users_added": report.users_added,
        "users_missing": report.users_missing,
        "wallets_given": report.wallets_given,
        "malformed_count": report.malformed_count,
        "malformed": [{"line": m.line, "reason": m.reason} for m in report.malformed],
        "weeks": {week.label: report.weeks[week] for week in sorted(report.weeks)},
    }


def _show(console: Console, report: IngestReport) -> None:
    weeks = sorted(report.weeks)
    span = f" from {weeks[0].label} to {weeks[-1].label}" if weeks else ""
    console.print(
        f"{counted(report.added, 'contribution')} added{span}, {report.known:,} already there"
    )
    console.print(
        facts(
            {
                "lines": report.lines,
                "other weeks": report.elsewhere or None,
                "points differ from the file": report.repriced or None,
                "users added": report.users_added or None,
                "users missing": report.users_missing or None,
                "wallets given": report.wallets_given or None,
                "malformed": report.malformed_count or None,
            }
        )
    )
    for malformed in report.malformed[:LISTED_MAX]:
        console.print(f"  line {malformed.line}: {malformed.reason}", markup=False)
    if (hidden := report.malformed_count - LISTED_MAX) > 0:
        console.print(f"  and {hidden:,} more; --json lists the first {len(report.malformed)}")


def trial_wallet(user_id: str) -> str:
    """The address of a trial's wallet.

    Its key is public: anyone can derive it from the user's id.
    """
    import hashlib

    from solders.keypair import Keypair

    seed = hashlib.sha256(f"kontrib trial wallet, worthless by design/{user_id}".encode())
    return str(Keypair.from_seed(seed.digest()).pubkey())
