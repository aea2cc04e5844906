"""The work of `kontrib publish`, `verify`, `proof` and `verify-proof`."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from worker.bootstrap.without_settings import BundleFolder, BundleFolderWriter
from worker.cli.console import emit, escaped, facts, say, table, waiting
from worker.cli.session import Session
from worker.core.errors import UsageError
from worker.core.findings import Check, Finding, Outcome
from worker.core.money import exact_decimal, tokens_text
from worker.core.plan.allocation import scaled_multiplier
from worker.core.week import Week
from worker.ports.payout import PublicAddresses
from worker.services.proof.bundle import Published, publish_week
from worker.services.proof.contributor import (
    ProofVerification,
    make_proof,
    verify_proof,
    verify_proof_on_chain,
)
from worker.services.proof.verify import Verification, verify_files, verify_on_chain

if TYPE_CHECKING:
    from rich.console import Console

COLOURS = {Outcome.OK: "green", Outcome.WRONG: "red", Outcome.UNPROVEN: "yellow"}
PROOF_BYTES_MAX = 1 << 20
"""A longer file is no proof; nobody shall make us read it."""


class ProofFileUnusable(UsageError):
    """The file cannot be read or written."""

    def __init__(self, path: Path, error: OSError) -> None:
        super().__init__(f"{path} cannot be used: {error.strerror or error}.")


def publish_the_week(session: Session, week: Week, folder: Path, *, as_json: bool) -> None:
    """Write the bundle and say what is in it."""
    writer = BundleFolderWriter(folder, week)
    try:
        with waiting(f"Publishing {week.label}"):
            published = publish_week(session.context, week, writer)
    finally:
        writer.discard()
    emit(_published_document(published), as_json=as_json, render=lambda c: _show(c, published))
    say(f"Published at {published.location}. Check it: kontrib verify {published.location}")


def _published_document(published: Published) -> dict[str, Any]:
    return {
        "week": published.week.label,
        "location": published.location,
        "root": published.root,
        "rewards": published.rewards,
        "total_base_units": published.total_amount,
        "paid_base_units": published.paid_amount,
        "batches": {"paid": published.paid, "void": published.void, "open": published.open},
        "paid_alone": published.alone,
        "unreadable": published.unreadable,
    }


def _show(console: Console, published: Published) -> None:
    rows = {
        "week": f"{published.week.label}, root {published.root.hex()}",
        "planned": f"{published.rewards:,} rewards, {tokens_text(published.total_amount)} KONTRIB",
        "paid": f"{tokens_text(published.paid_amount)} KONTRIB",
        "batches": f"{published.paid:,} paid, {published.void:,} void, {published.open:,} open",
        "paid alone": f"{published.alone:,}",
    }
    if published.unreadable:
        rows["unreadable"] = f"{published.unreadable:,} transactions; add an archive endpoint"
    console.print(facts(rows))


def verify_the_bundle(
    session: Session, path: Path, rpc: Sequence[str], tiers: str | None, *, as_json: bool
) -> bool:
    """Check it and print the table and the verdict; whether it holds.

    Raises:
        BundleUnusable: there is no bundle.
        UsageError: the tiers are no multipliers.
        Unreachable: no endpoint answers.
    """
    bundle, allowed = BundleFolder(path), _tiers(tiers)
    with waiting(f"Verifying {path}"):
        verified = verify_files(bundle, allowed)
        manifest = verified.files.manifest
        if rpc and manifest is not None:
            addresses = PublicAddresses(manifest.receipt_key, manifest.source_account)
            chain = session.public_chain(rpc, manifest.mint, addresses)
            verify_on_chain(verified, bundle, chain)
    document = _checks_document(verified) | {
        "root": verified.files.root,
        "paid_base_units": verified.paid if verified.on_chain else None,
        "transactions": verified.payments if verified.on_chain else None,
    }
    emit(document, as_json=as_json, render=lambda console: _show_checks(console, verified))
    return verified.outcome is Outcome.OK


def _tiers(text: str | None) -> frozenset[int] | None:
    if text is None:
        return None
    return frozenset(scaled_multiplier(exact_decimal(part.strip())) for part in text.split(","))


def prove_the_row(session: Session, week: Week, user: str, out: Path | None) -> None:
    """Write a user's proof. Only its reader shall be able to read the file."""
    with waiting(f"Proving the row of {user}"):
        content = make_proof(session.context, week, user).canonical() + b"\n"
    if out is None:
        sys.stdout.write(content.decode())
        return
    try:
        descriptor = os.open(out, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with open(descriptor, "wb") as file:
            file.write(content)
    except OSError as error:
        raise ProofFileUnusable(out, error) from None
    say(
        f"Written to {out}, {len(content):,} bytes. It says which row is the user's: give it to "
        f"them alone. They check it: kontrib verify-proof {out} --rpc URL"
    )


def verify_the_proof(session: Session, path: Path, rpc: Sequence[str], *, as_json: bool) -> bool:
    """Check it and print the table and the verdict; whether it holds.

    Raises:
        ProofFileUnusable: it cannot be read.
        Unreachable: no endpoint answers.
    """
    try:
        with path.open("rb") as file:
            verified = verify_proof(file.read(PROOF_BYTES_MAX))
    except OSError as error:
        raise ProofFileUnusable(path, error) from None
    if rpc and verified.proof is not None and verified.header is not None:
        # Nothing is asked of the source account here; any address stands in for it.
        key = verified.proof.receipt_key
        addresses = PublicAddresses(receipt_key=key, source_account=key)
        with waiting("Asking the chain"):
            chain = session.public_chain(rpc, verified.header.mint, addresses)
            verify_proof_on_chain(verified, chain)
    document = _checks_document(verified) | {"signature": verified.signature}
    emit(document, as_json=as_json, render=lambda console: _show_checks(console, verified))
    return verified.outcome is Outcome.OK


def _checks_document(verified: Verification | ProofVerification) -> dict[str, Any]:
    return {
        "verified": verified.outcome is Outcome.OK,
        "verdict": verified.verdict(),
        "checks": [
            {
                "name": check.name,
                "outcome": check.outcome,
                "detail": check.detail,
                "wrong": check.wrong_count,
                "not_proven": check.unproven_count,
                "findings": [{"place": it.place, "what": it.what} for it in check.findings],
                "notes": check.notes,
            }
            for check in verified.checks
        ],
    }


def _show_checks(console: Console, verified: Verification | ProofVerification) -> None:
    made = table("check", "outcome", "what was compared")
    for check in verified.checks:
        made.add_row(check.name, _outcome_text(check), escaped(check.detail))
    console.print(made)
    for check in verified.checks:
        for finding in check.findings:
            console.print(_finding_text(finding), soft_wrap=True)
        for note in check.notes:
            console.print(f"note: {escaped(note)}", soft_wrap=True)
    colour = COLOURS[verified.outcome]
    console.print(f"[bold {colour}]{escaped(verified.verdict())}[/]", soft_wrap=True)


def _outcome_text(check: Check) -> str:
    count = check.wrong_count or check.unproven_count
    listed = f" ({count:,})" if count else ""
    return f"[{COLOURS[check.outcome]}]{check.outcome.value}[/]{listed}"


def _finding_text(finding: Finding) -> str:
    colour = COLOURS[finding.outcome]
    return f"[{colour}]{finding.outcome.value}[/] {escaped(str(finding))}"
