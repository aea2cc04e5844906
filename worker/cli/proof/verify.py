"""`kontrib verify` and `kontrib verify-proof`: checks without database, keys or settings."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from worker.cli.arguments import AsJson, read_amount, session_of
from worker.cli.command import command
from worker.cli.console import emit, escaped, waiting
from worker.cli.findings_view import check_document, coloured, show_checks
from worker.cli.input_file import FileUnusable
from worker.core.errors import ExitCode
from worker.core.findings import Outcome
from worker.core.money import exact_decimal
from worker.core.plan.allocation import scaled_multiplier
from worker.ports.payout import PublicAddresses
from worker.services.proof import contributor_proof
from worker.services.proof.contributor_proof import ProofVerification
from worker.services.proof.verify_bundle import Verification, verify_bundle, verify_on_chain

if TYPE_CHECKING:
    from worker.bootstrap.without_settings import BundleFolder

PROOF_BYTES_MAX = 1 << 20
"""No proof is longer. The limit keeps a huge file from exhausting memory."""

RpcUrls = Annotated[
    list[str] | None,
    typer.Option(
        "--rpc", metavar="URL", help="Compare with the chain at this endpoint; may be repeated."
    ),
]


commands = typer.Typer()


@command(commands, "kontrib verify bundles --rpc https://api.mainnet-beta.solana.com")
def verify(
    context: typer.Context,
    folder: Annotated[
        Path,
        typer.Argument(
            metavar="DIR", help="The folder of `kontrib publish`, or one week in it: three files."
        ),
    ],
    rpc: RpcUrls = None,
    tiers: Annotated[
        str | None,
        typer.Option(
            "--tiers",
            metavar="LIST",
            help="The wiki's staking multipliers, as 1.1,1.3,1.6,2; others are wrong.",
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Check published weeks, without database, keys or settings. Exits 1 unless all agrees."""
    from worker.bootstrap.without_settings import bundles_in

    bundles, allowed = bundles_in(folder), _tiers(tiers)
    results = [_verified(context, each, rpc, allowed) for each in bundles]
    document, *more = [_verification_document(each) for each in results]
    if more:
        document = {"verified": all(map(_is_right, results)), "weeks": [document, *more]}

    def render(console: Console) -> None:
        for bundle, verified in zip(bundles, results, strict=True):
            if more:
                console.print(f"[bold]{escaped(str(bundle.path))}[/]", soft_wrap=True)
            _show(console, verified)

    emit(document, as_json=as_json, render=render)
    if not all(map(_is_right, results)):
        raise typer.Exit(ExitCode.FAILED)


def _verified(
    context: typer.Context,
    files: BundleFolder,
    rpc: list[str] | None,
    allowed: frozenset[int] | None,
) -> Verification:
    with waiting(f"Verifying {files.path}"):
        verified = verify_bundle(files, allowed)
        manifest = verified.files.manifest
        if rpc and manifest is not None:
            addresses = PublicAddresses(manifest.receipt_key, manifest.source_account)
            chain = session_of(context).public_chain(rpc, manifest.mint, addresses)
            verify_on_chain(verified, files, chain)
    return verified


def _verification_document(verified: Verification) -> dict[str, Any]:
    return _document(verified) | {
        "root": verified.files.root,
        "paid_base_units": verified.paid if verified.on_chain else None,
        "transactions": verified.payments if verified.on_chain else None,
    }


def _tiers(text: str | None) -> frozenset[int] | None:
    """The allowed multipliers in millionths; None allows any.

    Raises:
        UsageError: a part of the list is not a multiplier.
    """
    if text is None:
        return None
    return frozenset(
        scaled_multiplier(exact_decimal(read_amount(part.strip()))) for part in text.split(",")
    )


@command(commands, "kontrib verify-proof proof.json --rpc URL")
def verify_proof(
    context: typer.Context,
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="The file that `kontrib proof` wrote.")
    ],
    rpc: RpcUrls = None,
    as_json: AsJson = False,
) -> None:
    """Check one contributor's proof, without database, keys or settings."""
    try:
        with file.open("rb") as content:
            verified = contributor_proof.verify_proof(content.read(PROOF_BYTES_MAX))
    except OSError as error:
        raise FileUnusable(str(file), error.strerror or str(error)) from None
    if rpc and verified.proof is not None and verified.header is not None:
        # This check does not read the source account, so any address will do.
        key = verified.proof.receipt_key
        addresses = PublicAddresses(receipt_key=key, source_account=key)
        with waiting("Comparing with the chain"):
            chain = session_of(context).public_chain(rpc, verified.header.mint, addresses)
            contributor_proof.verify_proof_on_chain(verified, chain)
    document = _document(verified) | {"signature": verified.signature}
    emit(document, as_json=as_json, render=lambda console: _show(console, verified))
    if not _is_right(verified):
        raise typer.Exit(ExitCode.FAILED)


def _is_right(verified: Verification | ProofVerification) -> bool:
    return verified.outcome is Outcome.OK


def _document(verified: Verification | ProofVerification) -> dict[str, Any]:
    return {
        "verified": _is_right(verified),
        "verdict": verified.sentence(),
        "checks": [check_document(check) for check in verified.checks],
    }


def _show(console: Console, verified: Verification | ProofVerification) -> None:
    show_checks(console, verified.checks)
    sentence = coloured(verified.outcome, verified.sentence())
    console.print(f"[bold]{sentence}[/]", soft_wrap=True)
