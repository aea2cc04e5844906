"""Send one receipted transaction and wait until its receipt is resolved at finalized.

An operator waits for it. No database has to remember the transaction, because the receipt does.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from worker.core.cost import OtherTransaction, TransactionKind
from worker.core.errors import NotReady, Refused
from worker.core.payout.chain import Execution, Intent
from worker.core.payout.decision import Step, next_step
from worker.core.payout.looks.unknown_receipts import UNKNOWN_MAX
from worker.core.payout.records import Attempt, Payout
from worker.core.plan.receipts import ReceiptState, Resolution, unknown_because
from worker.services.context import Context
from worker.services.plan.cluster.look import HEIGHT_NOT_READ, Look, look_at


class ReceiptUnknown(NotReady):
    """The endpoints do not show the state of a receipt. Its transaction may have landed."""

    def __init__(self, receipt: str, troubles: Sequence[str]) -> None:
        super().__init__(
            f"The endpoints do not show the receipt {receipt}: {unknown_because(troubles)}. "
            "Its transaction may have landed. Run the same command again: the receipt makes that "
            "safe."
        )


class TransactionRefused(Refused):
    """The chain executed the transaction and refused it; nothing moved."""

    def __init__(self, what: str, error: str) -> None:
        self.error = error
        super().__init__(f"The chain refused {what}: {error}. Nothing moved.")


def send_until_resolved(context: Context, intent: Intent, state: ReceiptState) -> Execution | None:
    """Returns the transaction that resolved the receipt, or None if no endpoint returns it.

    `state`: of the intent's first receipt, as it was read just now.

    Raises:
        TransactionRefused: the chain executed and refused the transaction.
        Unreachable, ReceiptUnknown: too few endpoints answer. The receipt makes another call safe.
    """
    attempt: Attempt | None = None
    began, key = context.clock.now(), intent.receipts[0]
    seen = Look({key: state}, {}, HEIGHT_NOT_READ)
    while True:
        receipt, status = seen.receipts.get(key), seen.statuses.get(key)
        if receipt is ReceiptState.UNKNOWN and context.clock.now() - began > UNKNOWN_MAX:
            raise ReceiptUnknown(key, context.chain.endpoint_troubles)
        step = next_step(receipt, attempt, status, seen.block_height)
        if step in (Step.SETTLE_PAID, Step.SETTLE_VOID):
            return _executed(context, key, attempt)
        if step is Step.SIGN:
            if status is not None and status.error:
                raise TransactionRefused(key, status.error)
            (attempt,) = sign_all(context, [replace(intent, is_retry=attempt is not None)])
        if attempt is not None and step in (Step.SIGN, Step.RESEND):
            context.chain.send([(attempt.signature, attempt.wire)])
        context.wait_for_chain()
        seen = look_at(context, dict.fromkeys(intent.receipts, attempt))
        context.paid_receipts.note(seen.receipts, context.clock.now())


def _executed(context: Context, key: str, attempt: Attempt | None) -> Execution | None:
    """The transaction that resolved a receipt: our own, whose signature is known, or another."""
    ours = context.chain.executions_of({key: attempt.signature}) if attempt else {}
    return ours.get(key) or context.chain.executions([key]).get(key)


def sign_all(context: Context, intents: Sequence[Intent]) -> list[Attempt]:
    """Sign each intent with the same fresh blockhash."""
    blockhash = context.chain.latest_blockhash()
    signed = context.chain.sign(intents, blockhash)
    now = context.clock.now()
    return [
        Attempt(
            signature=transaction.signature,
            resolution=Resolution(intent.resolution),
            blockhash=blockhash.value,
            last_valid_block_height=blockhash.last_valid_block_height,
            wire=transaction.wire,
            created_at=now,
        )
        for intent, transaction in zip(intents, signed, strict=True)
    ]


def record_attempts(context: Context, attempts: Sequence[tuple[Payout, Attempt]]) -> None:
    """Make signed attempts durable before they are sent.

    An attempt that is replaced may have been refused by the chain, which costs a fee. It is
    recorded first, since the payout then forgets it.
    """
    replaced = [
        OtherTransaction(
            payout.attempt.signature,
            payout.week,
            TransactionKind.REPLACED,
            payout.attempt.last_valid_block_height,
        )
        for payout, _ in attempts
        if payout.attempt is not None
    ]
    if replaced:
        context.store.record_transactions(replaced)
    context.store.record_attempts(attempts)
