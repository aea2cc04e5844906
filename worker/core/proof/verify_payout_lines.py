"""Verifies the `payouts.jsonl` of a bundle against its plan, without the chain."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from worker.core.findings import Check
from worker.core.payout.comparison import RESOLVED
from worker.core.payout.records import PayoutKind
from worker.core.plan.receipts import BatchId, ReceiptState
from worker.core.proof.bundle import PAYOUTS_FILE, MalformedBundle, PayoutLine
from worker.core.week import Week


@dataclass(slots=True)
class Payouts:
    """The batches in order, and the singles by user commitment."""

    batches: list[PayoutLine] = field(default_factory=list)
    singles: dict[bytes, PayoutLine] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class PaidAlone:
    """The row of a reward that was paid alone. `batch` is None for a held reward."""

    batch: int | None
    amount: int


def read_payouts(lines: Iterable[bytes], week: Week, check: Check) -> Payouts:
    """Read every line, without its end, and add contradictions to `check`."""
    payouts, signatures, last_single = Payouts(), set[str](), ""
    for number, content in enumerate(lines, start=1):
        place = f"{PAYOUTS_FILE} line {number}"
        try:
            line = PayoutLine.parse(content, place)
        except MalformedBundle as error:
            check.wrong(place, error.why)
            continue
        _check_line(line, place, check)
        if line.signature and line.signature in signatures:
            check.wrong(place, f"{line.signature} stands here a second time")
        signatures.add(line.signature)
        if line.kind is PayoutKind.BATCH:
            expected = str(BatchId(week, len(payouts.batches)))
            if line.id != expected or payouts.singles:
                check.wrong(place, f"{line.id} stands where {expected} must be")
            payouts.batches.append(line)
        else:
            if line.id <= last_single:
                check.wrong(place, f"{line.id} is not in order")
            last_single = line.id
            _add_single(payouts, line, week, place, check)
    return payouts


def _check_line(line: PayoutLine, place: str, check: Check) -> None:
    """Rules that hold for the lines of every plan."""
    is_batch = line.kind is PayoutKind.BATCH
    if line.kind is PayoutKind.ANCHOR or line.state is ReceiptState.UNKNOWN:
        check.wrong(place, f"a payout cannot be {line.kind} {line.state.value}")
    if not is_batch and line.state is not ReceiptState.PAID:
        check.wrong(place, f"{line.id} is {line.state.value}; only paid singles are listed")
    if is_batch == bool(line.wallet) and (is_batch or line.signature):
        check.wrong(place, f"wallet {line.wallet!r} of a {line.kind}")
    if is_batch != (len(line.root) == 32):
        check.wrong(place, f"root {line.root.hex()!r} of a {line.kind}")
    if bool(line.signature) != (line.slot is not None):
        check.wrong(place, "a signature and a slot go together")
    if line.signature and line.state not in RESOLVED:
        check.wrong(place, f"{line.id} has a signature and is {line.state.value}")


def _add_single(payouts: Payouts, line: PayoutLine, week: Week, place: str, check: Check) -> None:
    user = line.id.removeprefix(f"{week.id}/u/")
    try:
        commitment = bytes.fromhex(user)
    except ValueError:
        commitment = b""
    if len(commitment) != 32 or commitment.hex() != user:
        check.wrong(place, f"{line.id} is not the id of a single of {week.id}")
        return
    payouts.singles[commitment] = line


def check_against_plan(
    payouts: Payouts, batch_amounts: Sequence[int], alone: Mapping[bytes, PaidAlone], check: Check
) -> None:
    """Compare amounts with the plan's rows, and singles with the rewards that may be paid alone."""
    for index, line in enumerate(payouts.batches):
        paid = line.state is ReceiptState.PAID
        check.expect(line.id, "the amount", batch_amounts[index] if paid else 0, line.amount)
    for user, line in payouts.singles.items():
        reward = alone.get(user)
        if reward is None:
            check.wrong(line.id, "no row of the plan has this user commitment")
            continue
        check.expect(line.id, "the amount", reward.amount, line.amount)
        if reward.batch is not None:
            batch = payouts.batches[reward.batch]
            if batch.state is not ReceiptState.VOID:
                why = f"paid alone although its batch {batch.id} is {batch.state.value}, not void"
                check.wrong(line.id, why)
