"""Bundles for tests, made from the plan format's test vectors. Their payments are invented."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from worker.core.money import BaseUnits
from worker.core.payout.records import PayoutKind
from worker.core.plan.commitment import Header, Row
from worker.core.plan.receipts import ReceiptState, single_id
from worker.core.proof.bundle import PAYOUTS_FILE, PLAN_FILE, Manifest, PayoutLine
from worker.core.proof.verify_files import VerifiedFiles, verify_files
from worker.core.week import Week

FOLDER = Path(__file__).parents[1] / "vectors"
SOURCE = "4Nd1mBQtrMJVYVfKf2PJy9NZUZdTAsp7D4xWLs4gDB4T"
WALLET = "GqDqQTP5GZ12zpxMF1WYxURVpa1z8LjQp6iKSwCYXFPD"


def lines_of(content: bytes) -> list[bytes]:
    return content.splitlines(keepends=True)


def digest(content: bytes) -> bytes:
    return hashlib.sha256(content).digest()


@dataclass(frozen=True, slots=True)
class Bundle:
    """Three files in memory."""

    manifest: bytes
    payouts: bytes
    plan: bytes

    def audit(self) -> VerifiedFiles:
        return verify_files(self.manifest, lines_of(self.payouts), lines_of(self.plan))

    def sealed(self) -> Bundle:
        """The bundle with a manifest that fits the current files."""
        files = {PLAN_FILE: digest(self.plan), PAYOUTS_FILE: digest(self.payouts)}
        manifest = replace(Manifest.parse(self.manifest), files=files)
        return replace(self, manifest=manifest.canonical() + b"\n")


def vector_named(name: str) -> dict[str, Any]:
    return json.loads((FOLDER / f"{name}.json").read_text())


def bundle_of(vector: dict[str, Any], *, void: frozenset[int] = frozenset()) -> Bundle:
    """A bundle of paid batches.

    Batches in `void` are void, and their rows and one held row were paid alone.
    """
    header = Header.parse(vector["header"].encode())
    rows = [Row.parse(line.encode()) for line in vector["rows"]]
    plan = "".join(f"{line}\n" for line in [vector["header"], *vector["rows"]]).encode()
    lines = [_batch(header, rows, vector, index, index in void) for index in range(header.batches)]
    alone = [rows[i] for index in void for i in header.batch_positions(index)]
    alone += [rows[i] for i in header.held_positions[:1]]
    lines += [_single(header.week, row) for row in sorted(alone, key=lambda row: row.user)]
    manifest = Manifest(
        week=header.week,
        first_week=Week.parse(vector["first_week"]),
        cluster_genesis=vector["cluster_genesis"],
        mint=vector["mint"],
        receipt_key=vector["receipt_key"],
        source_account=SOURCE,
        root=bytes.fromhex(vector["root"]),
        held_root=bytes.fromhex(vector["held_root"]),
        anchor_signature=_signature("anchor"),
        anchor_slot=999,
        files={PLAN_FILE: b"", PAYOUTS_FILE: b""},
    )
    payouts = b"".join(line.canonical() + b"\n" for line in lines)
    return Bundle(manifest.canonical() + b"\n", payouts, plan).sealed()


def _batch(
    header: Header, rows: list[Row], vector: dict[str, Any], index: int, is_void: bool
) -> PayoutLine:
    amount = 0 if is_void else sum(rows[i].amount for i in header.batch_positions(index))
    return PayoutLine(
        id=str(header.batch_id(index)),
        kind=PayoutKind.BATCH,
        state=ReceiptState.VOID if is_void else ReceiptState.PAID,
        signature=_signature(str(index)),
        slot=1_000 + index,
        amount=BaseUnits(amount),
        wallet="",
        root=bytes.fromhex(vector["batch_roots"][index]),
    )


def _single(week: Week, row: Row) -> PayoutLine:
    return PayoutLine(
        id=single_id(week, row.user),
        kind=PayoutKind.SINGLE,
        state=ReceiptState.PAID,
        signature=_signature(row.user.hex()),
        slot=2_000,
        amount=row.amount,
        wallet=row.wallet or WALLET,
        root=b"",
    )


def _signature(name: str) -> str:
    return hashlib.sha512(name.encode()).hexdigest()[:88]
