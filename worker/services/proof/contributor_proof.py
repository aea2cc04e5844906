"""Makes and verifies contributors' proofs. Only an operator can make them; anyone can verify."""

from __future__ import annotations

from dataclasses import dataclass

from worker.core.errors import NotReady
from worker.core.findings import Check, Outcome, outcome_of
from worker.core.identity import canonical_user_id, user_commitment, user_salt
from worker.core.money import tokens_text
from worker.core.payout.chain import Execution
from worker.core.payout.comparison import UNREADABLE_RECEIPT, recipient_of
from worker.core.payout.intent import sums_by_wallet
from worker.core.plan.commitment import Header, Row, prove_row
from worker.core.plan.memo import AnchorMemo
from worker.core.plan.receipts import ReceiptState, anchor_ids, single_id
from worker.core.proof.bundle import MalformedBundle
from worker.core.proof.contributor_proof import ContributorProof, verify_row
from worker.core.week import Week
from worker.ports.payout import PublicChain
from worker.services.context import Context
from worker.services.payout.override import NoSuchReward
from worker.services.plan.seal import stored_rows
from worker.services.proof.publish_bundle import anchored_plan
from worker.services.proof.verify_anchor import resolved_together


class SaltDiffers(NotReady):
    """The week was planned with another secret of the receipt key."""

    def __init__(self, week: Week, user: str) -> None:
        super().__init__(
            f"The salts of {week.label} are not those that our receipt key gives, so nobody could "
            f"verify a proof of {user}. Name the file of `kontrib salts` as EARLIER_SALTS_FILE, or "
            "take the receipt key that planned the week."
        )


def make_proof(context: Context, week: Week, user: str) -> ContributorProof:
    """A user's row of a week, with its salt and paths.

    Raises:
        NotPlanned, NotAnchored, PlanDoesNotMatchRoot: the week has no final plan.
        NoSuchReward: the user has no row in the plan.
        SaltDiffers: the row has another salt than ours.
    """
    planned, seal = anchored_plan(context, week)
    user_id = canonical_user_id(user)
    reward = context.store.reward(week, user_id)
    if reward is None:
        raise NoSuchReward(week, user)
    header = seal.header
    is_held = reward.position in header.held_positions
    part = header.batches if is_held else reward.position // header.batch_size
    positions = header.held_positions if is_held else header.batch_positions(part)
    rows = list(stored_rows(context, planned.plan_id, positions))
    if is_held:
        seal.check_held(rows)
    else:
        seal.check_batch(part, rows)
    salt = context.chain.plan_salt(week)
    if rows[reward.position - positions.start].user != user_commitment(salt, user_id):
        raise SaltDiffers(week, user)
    return ContributorProof(
        user_id=user_id,
        salt=user_salt(salt, user_id),
        root=seal.root,
        receipt_key=context.chain.public_addresses.receipt_key,
        cluster_genesis=context.chain.cluster_genesis(),
        row=prove_row(seal, part, rows, reward.position - positions.start),
    )


@dataclass(slots=True)
class ProofVerification:
    """The checks of a proof. After `verify_proof_on_chain`, also the reward's payment."""

    proof: ContributorProof | None
    checks: list[Check]
    header: Header | None = None
    row: Row | None = None
    signature: str | None = None
    """The signature of the payment, if it was found."""
    fate: str = ""
    """A sentence about the reward's state on chain."""

    @property
    def outcome(self) -> Outcome:
        return outcome_of(self.checks)

    def sentence(self) -> str:
        """The outcome in one line."""
        if self.outcome is not Outcome.OK or self.row is None or self.header is None:
            found = (finding for check in self.checks for finding in check.findings)
            return f"{self.outcome.upper()}: {next(found, 'nothing was checked')}"
        amount, week = tokens_text(self.row.amount), self.header.week.label
        whose = self.proof.user_id if self.proof else ""
        fate = self.fate or "Add --rpc URL to check whether it was paid."
        return f"VERIFIED: {amount} KONTRIB of {week} belong to {whose}. {fate}"


def verify_proof(content: bytes) -> ProofVerification:
    """Check a proof against itself, without chain and settings."""
    try:
        proof = ContributorProof.parse(content)
    except MalformedBundle as error:
        check = Check("proof")
        check.wrong(error.place, error.why)
        return ProofVerification(None, [check])
    return ProofVerification(proof, *verify_row(proof))


def verify_proof_on_chain(verified: ProofVerification, chain: PublicChain) -> None:
    """Compare the root with the anchored one, and the row with its payment.

    Raises:
        Unreachable: no endpoint answers.
    """
    proof, header, row = verified.proof, verified.header, verified.row
    if proof is None or header is None or row is None:
        return
    anchor, payment = Check("anchor"), Check("payment")
    verified.checks += [anchor, payment]
    cluster = chain.cluster_genesis()
    anchor.expect("the proof", "cluster_genesis", cluster, proof.cluster_genesis)
    memo = AnchorMemo.of(header, proof.root).text()
    found = resolved_together(chain, anchor_ids(header.week, proof.root), memo, anchor)
    anchor.detail = f"{header.week.id} and this root, by {found.signature if found else '?'}"
    alone = single_id(header.week, row.user)
    states = chain.receipts([alone, *([row.batch] if row.batch else [])])
    for receipt, state in states.items():
        if state is ReceiptState.UNKNOWN:
            payment.unproven(receipt, UNREADABLE_RECEIPT)
            return
    paid = [receipt for receipt, state in states.items() if state is ReceiptState.PAID]
    if not paid:
        verified.fate = _why_not_paid(row, states)
    elif len(paid) > 1:
        payment.wrong(alone, f"was paid alone although {row.batch} was paid: paid twice")
    else:
        _compare(verified, row, paid[0], chain.executions(paid).get(paid[0]), payment)
    payment.detail = verified.fate


def _why_not_paid(row: Row, states: dict[str, ReceiptState]) -> str:
    if not row.batch:
        return "It is held, and not paid yet."
    if states[row.batch] is ReceiptState.VOID:
        return f"Its batch {row.batch} is void. It will be paid alone, and is not paid yet."
    return f"Its batch {row.batch} is not paid yet."


def _compare(
    verified: ProofVerification, row: Row, receipt: str, found: Execution | None, check: Check
) -> None:
    """Compare the payment with the row. The wallet may get more, for other rows of the batch."""
    if found is None:
        verified.fate = f"It was paid under {receipt}; no endpoint returns the transaction."
        check.unproven(receipt, "no endpoint returns the transaction that paid it")
        return
    check.expect(receipt, "the memo of its transaction", receipt, found.memo)
    # A held row has no wallet, and an operator may have redirected the row of a void batch.
    wallet = row.wallet if receipt == row.batch else recipient_of(found)
    amount = sums_by_wallet(found.transfers)[wallet]
    if amount < row.amount:
        check.wrong(receipt, f"{found.signature} gave {wallet} {amount}", f"{row.amount} or more")
    verified.signature = found.signature
    verified.fate = f"Paid to {wallet} by {found.signature} in slot {found.slot}."
