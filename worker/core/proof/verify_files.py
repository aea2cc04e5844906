"""Verifies the files of a bundle against each other.

It computes points, weights, amounts and roots again, and lists each contradiction with its file and
line. `worker.services.proof.verify_bundle` compares the bundle with the chain.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field

from worker.core.findings import Check, Outcome, outcome_of
from worker.core.plan.commitment import Header, MalformedPlan
from worker.core.plan.merkle import merkle_root
from worker.core.proof.bundle import (
    HASHED_FILES,
    MANIFEST_FILE,
    PAYOUTS_FILE,
    PLAN_FILE,
    MalformedBundle,
    Manifest,
)
from worker.core.proof.verify_payout_lines import Payouts, check_against_plan, read_payouts
from worker.core.proof.verify_plan_rows import PlanRows
from worker.core.wording import counted


@dataclass(slots=True)
class VerifiedFiles:
    """The checks and contents of the files. `header` is None if the plan cannot be read."""

    checks: list[Check]
    manifest: Manifest | None = None
    header: Header | None = None
    payouts: Payouts = field(default_factory=Payouts)
    root: bytes = b""

    @property
    def outcome(self) -> Outcome:
        return outcome_of(self.checks)


def verify_files(
    manifest: bytes,
    payout_lines: Iterable[bytes],
    plan_lines: Iterable[bytes],
    tiers: Collection[int] | None = None,
) -> VerifiedFiles:
    """Check a bundle's three files. Lines include their line ends.

    `tiers`: the allowed staking multipliers, in millionths; None allows any.
    """
    files = Check("files")
    verified = VerifiedFiles([files])
    try:
        verified.manifest = Manifest.parse(manifest)
    except MalformedBundle as error:
        files.wrong(error.place, error.why)
    lines = {
        PAYOUTS_FILE: _Lines(PAYOUTS_FILE, payout_lines, files),
        PLAN_FILE: _Lines(PLAN_FILE, plan_lines, files),
    }
    _verify(verified, lines[PAYOUTS_FILE].bodies, lines[PLAN_FILE].bodies, tiers)
    if verified.manifest is not None:
        for name in HASHED_FILES:
            found = lines[name].digest()
            if found != verified.manifest.files[name]:
                files.wrong(name, f"has the SHA-256 {found.hex()}, not the manifest's")
    files.detail = f"{len(HASHED_FILES)} files have the SHA-256 of the manifest"
    return verified


def _verify(
    verified: VerifiedFiles,
    payout_lines: Iterator[bytes],
    plan_lines: Iterator[bytes],
    tiers: Collection[int] | None,
) -> None:
    """Run each check in turn. Stop if the rest of the files cannot be read."""
    check, listed = Check("header"), Check("payouts")
    verified.checks += [check, listed]
    try:
        header = Header.parse(next(plan_lines, b""))
    except MalformedPlan as error:
        check.wrong(f"{PLAN_FILE} line 1", str(error))
        return
    check.detail = f"{header.week.id}, {counted(header.rewards, 'reward')}, format version 1"
    verified.payouts = read_payouts(payout_lines, header.week, listed)
    _check_header(header, verified, check)
    if check.outcome is not Outcome.OK:
        return
    verified.header = header
    if verified.manifest is not None:
        verified.checks.append(_check_manifest(header, verified.manifest))
    rows = PlanRows(header, verified.payouts.singles, tiers)
    for line in plan_lines:
        rows.add(line)
    verified.checks += rows.finish()
    check_against_plan(verified.payouts, rows.batch_amounts, rows.alone, listed)
    batches, singles = len(verified.payouts.batches), len(verified.payouts.singles)
    listed.detail = (
        f"{counted(batches, 'batch', 'batches')} and {singles:,} paid alone, as the plan allows"
    )
    verified.checks.append(_check_root(verified, header, rows.part_roots))


def _check_header(header: Header, verified: VerifiedFiles, check: Check) -> None:
    """Check that the header's counts are possible."""
    place = f"{PLAN_FILE} line 1"
    counts = (header.rewards, header.held, header.batches, header.cutoff)
    if min(counts) < 0 or header.batch_size < 1 or header.held > header.rewards:
        check.wrong(place, "its counts are impossible")
        return
    payable = header.rewards - header.held
    check.expect(place, "batches", -(-payable // header.batch_size), header.batches)
    # This also protects the later loops from a forged, huge count.
    listed = len(verified.payouts.batches)
    check.expect(PAYOUTS_FILE, "the number of readable batches", header.batches, listed)


def _check_manifest(header: Header, manifest: Manifest) -> Check:
    """Check that the manifest belongs to this plan."""
    check = Check("manifest")
    check.detail = f"receipt key {manifest.receipt_key}, mint {manifest.mint}"
    check.expect(MANIFEST_FILE, "week", header.week.id, manifest.week.id)
    check.expect(MANIFEST_FILE, "mint", header.mint, manifest.mint)
    if header.previous_root == b"":
        check.expect(MANIFEST_FILE, "first_week", header.week.id, manifest.first_week.id)
    elif manifest.first_week >= header.week:
        check.wrong(MANIFEST_FILE, f"first_week is {manifest.first_week.id}, but a week precedes")
    return check


def _check_root(verified: VerifiedFiles, header: Header, part_roots: list[bytes]) -> Check:
    """Compare the root. If it differs, find the parts of the plan that differ."""
    check = Check("root")
    verified.root = merkle_root([header.canonical(), *part_roots])
    check.detail = verified.root.hex()
    for line, found in zip(verified.payouts.batches, part_roots, strict=False):
        if line.root != found:
            check.wrong(line.id, f"its rows have the root {found.hex()}, not {line.root.hex()}")
    if (manifest := verified.manifest) is None:
        return check
    if part_roots[-1] != manifest.held_root:
        check.wrong("the held rows", "are not those of the manifest's held_root")
    if verified.root != manifest.root:
        where = PLAN_FILE if check.wrong_count else f"{PLAN_FILE} line 1"
        check.wrong(where, f"gives the root {verified.root.hex()}, not {manifest.root.hex()}")
    return check


class _Lines:
    """A file's lines without their ends. Reading them computes the file's hash."""

    def __init__(self, name: str, lines: Iterable[bytes], check: Check) -> None:
        self._hash = hashlib.sha256()
        self.bodies = self._bodies(name, lines, check)

    def digest(self) -> bytes:
        """The SHA-256 of the whole file. Reads the remaining lines."""
        for _ in self.bodies:
            pass
        return self._hash.digest()

    def _bodies(self, name: str, lines: Iterable[bytes], check: Check) -> Iterator[bytes]:
        for number, line in enumerate(lines, start=1):
            self._hash.update(line)
            if not line.endswith(b"\n"):
                check.wrong(f"{name} line {number}", "has no line end")
            yield line.removesuffix(b"\n")
