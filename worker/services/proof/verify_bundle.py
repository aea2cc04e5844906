"""Verifies a bundle without database or keys. With an RPC endpoint, compares it with the chain."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field

from worker.core.findings import Check, Finding, Outcome, outcome_of
from worker.core.money import tokens_text
from worker.core.proof.bundle import PAYOUTS_FILE, PLAN_FILE
from worker.core.proof.verify_files import VerifiedFiles, verify_files
from worker.core.wording import counted
from worker.ports.payout import PublicChain
from worker.services.proof.bundle_files import BundleFiles
from worker.services.proof.verify_anchor import verify_anchor
from worker.services.proof.verify_payments import PaymentsVerifier
from worker.services.proof.verify_treasury import verify_treasury


@dataclass(slots=True)
class Verification:
    """All checks in order. The other fields come from the chain: `paid` in base units, the number
    of `payments`, and the number of `open` rewards."""

    files: VerifiedFiles
    on_chain: list[Check] = field(default_factory=list)
    paid: int = 0
    payments: int = 0
    open: int = 0

    @property
    def checks(self) -> list[Check]:
        return [*self.files.checks, *self.on_chain]

    @property
    def outcome(self) -> Outcome:
        return outcome_of(self.checks)

    @property
    def findings(self) -> list[Finding]:
        """All findings, contradictions first."""
        listed = [finding for check in self.checks for finding in check.findings]
        return sorted(listed, key=lambda finding: finding.outcome is not Outcome.WRONG)

    def sentence(self) -> str:
        """The outcome in one line."""
        header = self.files.header
        week = header.week.label if header else "this bundle"
        if self.outcome is Outcome.WRONG:
            wrong = counted(sum(check.wrong_count for check in self.checks), "contradiction")
            return f"WRONG: {week} does not hold, {wrong}: {self.findings[0]}"
        if self.outcome is Outcome.UNPROVEN or header is None:
            count = sum(check.unproven_count for check in self.checks)
            first = self.findings[0] if self.findings else "nothing was checked"
            return f"NOT PROVEN: {week}, {counted(count, 'thing')} could not be read: {first}"
        planned = (
            f"{counted(header.rewards, 'reward')} of {tokens_text(header.total_amount)} KONTRIB"
        )
        if not self.on_chain:
            advice = "Add --rpc URL to check whether it was paid."
            return f"VERIFIED in itself: {week}, {planned}. {advice}"
        rest = f", {self.open:,} still to be paid" if self.open else ""
        paid = f"{tokens_text(self.paid)} KONTRIB paid in {counted(self.payments, 'transaction')}"
        return f"VERIFIED: {week}, {planned}, {paid}{rest}."


def verify_bundle(files: BundleFiles, tiers: Collection[int] | None = None) -> Verification:
    """Check a bundle against itself, without chain and settings.

    `tiers`: the allowed staking multipliers, in millionths; None allows any.
    """
    payouts, plan = files.lines(PAYOUTS_FILE), files.lines(PLAN_FILE)
    return Verification(verify_files(files.manifest(), payouts, plan, tiers))


def verify_on_chain(verified: Verification, files: BundleFiles, chain: PublicChain) -> None:
    """Compare a bundle that was verified in itself with the chain.

    Raises:
        Unreachable: no endpoint answers.
    """
    manifest, header = verified.files.manifest, verified.files.header
    if manifest is None or header is None:
        check = Check("chain")
        check.unproven("chain", "cannot be compared with files that cannot be read")
        verified.on_chain = [check]
        return
    checks, anchor_slot = verify_anchor(chain, manifest, header, verified.files.root)
    payouts = PaymentsVerifier(chain, header, verified.files.payouts)
    payouts.run(line.removesuffix(b"\n") for line in files.lines(PLAN_FILE))
    treasury = verify_treasury(chain, manifest, files, anchor_slot, payouts)
    verified.on_chain = [*checks, *payouts.checks, treasury]
    verified.paid, verified.open = payouts.paid_amount, payouts.open
    verified.payments = len(payouts.payments)
