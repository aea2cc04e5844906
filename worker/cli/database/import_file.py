"""The work of `kontrib import`: a file, a progress bar, and what became of it."""

from __future__ import annotations

from worker.cli.console import emit, progress_bar, say
from worker.cli.input_file import Input, open_input
from worker.cli.json_views import ingest_document
from worker.cli.session import Session
from worker.cli.text_views import show_ingest
from worker.core.errors import Refused
from worker.core.week import Week
from worker.core.wiki.files.reading import read_records
from worker.services.wiki.ingest import IngestOptions, IngestReport, ingest


class TrialWalletsRefused(Refused):
    """Wallets whose keys anyone can derive are for a chain on this machine."""

    def __init__(self) -> None:
        super().__init__(
            "--create-wallets makes wallets whose keys anyone can derive from the user's id. It "
            "works only while every SOLANA_RPC_URL is on this machine; on a real cluster, users "
            "bring their own wallets."
        )


class NotAllImported(Refused):
    """Some of the file could not be read, or was refused."""

    def __init__(self, report: IngestReport) -> None:
        first, lines = report.malformed[0], report.lines
        if report.malformed_count == lines:
            what = f"None of {lines:,} lines could be imported."
        else:
            what = (
                f"{report.malformed_count:,} of {lines:,} lines could not be imported; the others "
                "are there. Mend these and import the file again: nothing is added twice."
            )
        super().__init__(f"{what} Line {first.line}: {first.reason}")


def import_contributions(
    session: Session,
    file: str,
    *,
    week: Week | None,
    create_users: bool,
    create_wallets: bool,
    as_json: bool,
) -> IngestReport:
    """Import a file and print what became of it.

    Raises:
        TrialWalletsRefused, FileUnusable, NotAContributionFile: nothing was imported.
        FileBreaksOff: what came before it is imported.
    """
    if create_wallets and not session.is_local:
        raise TrialWalletsRefused
    options = IngestOptions(week, create_users, trial_wallet if create_wallets else None)
    with open_input(file) as source:
        report = _ingest(session, source, options)
    emit(ingest_document(report), as_json=as_json, render=lambda c: show_ingest(c, report))
    _warn(session, report)
    if source.failure is not None:
        raise source.failure
    if report.malformed_count:
        raise NotAllImported(report)
    return report


def _ingest(session: Session, source: Input, options: IngestOptions) -> IngestReport:
    with progress_bar("Importing", source.bytes_total, unit="bytes") as advance:
        return ingest(
            session.store,
            session.ingest_store,
            read_records(source),
            options,
            lambda report: advance(source.bytes_read, f"{report.added + report.known:,} read"),
        )


def _warn(session: Session, report: IngestReport) -> None:
    planned = {d.week for d in session.store.distributions() if d.plan_id is not None}
    if touched := sorted(planned & set(report.weeks)):
        listed = ", ".join(week.label for week in touched[:5])
        say(
            f"Note: contributions were added to weeks that are planned already ({listed}). A "
            "closed plan never changes: they are not paid by themselves."
        )
    if report.users_missing:
        say(
            f"Note: {report.users_missing:,} users of these contributions do not exist; without "
            "them their points do not count. For a trial, --create-users adds them."
        )


def trial_wallet(user_id: str) -> str:
    """The address of a trial's wallet. Its key is no secret: it follows from the user's id."""
    import hashlib

    from solders.keypair import Keypair

    seed = hashlib.sha256(f"kontrib trial wallet, worthless by design/{user_id}".encode())
    return str(Keypair.from_seed(seed.digest()).pubkey())
