"""Builds the transactions of batches and singles that are signed now, and finds those that wait.

Rows are verified against the anchored root, and every recipient is looked at, before a
transaction is built from them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, field
from datetime import timedelta

from worker.core.payout.backoff import after_failure, for_a_person, for_an_event
from worker.core.payout.intent import batch_intent, single_intent
from worker.core.payout.records import (
    Intent,
    Payout,
    PayoutKind,
    Postponement,
    Recipient,
    Reward,
    Transfer,
    missing_wallets,
)
from worker.core.payout.single import cannot_receive
from worker.core.payout.void import must_be_void
from worker.core.plan.commitment import PlanDoesNotMatchRoot, Row
from worker.core.plan.merkle import leaf_hash
from worker.core.plan.receipts import ReceiptState, single_id
from worker.services.context import Context, Deadline
from worker.services.payout.anchored_rows import AnchoredRows
from worker.services.payout.token_accounts import create_token_accounts, recipients_by_wallet

RETRY_SOON = timedelta(seconds=5)
LOOK_TOMORROW = timedelta(days=1)


@dataclass(slots=True)
class PreparedPayments:
    """The transactions to sign now, and the payouts that are tried again later."""

    intents: list[tuple[Payout, Intent]] = field(default_factory=list)
    later: list[Postponement] = field(default_factory=list)


def prepare_payments(
    context: Context,
    rows: AnchoredRows,
    payouts: Sequence[Payout],
    deadline: Deadline,
    *,
    refused: Set[str],
) -> PreparedPayments:
    """Build the transactions of these payouts of the plan.

    `refused` holds the ids whose last attempt the chain executed and refused.

    Raises:
        Paused: nothing may be signed now.
    """
    context.refuse_if_paused()
    prepared = PreparedPayments()
    batches = [p for p in payouts if p.kind is PayoutKind.BATCH]
    _prepare_batches(context, rows, batches, deadline, refused, prepared)
    singles = [p for p in payouts if p.kind is PayoutKind.SINGLE]
    _prepare_singles(context, rows, singles, prepared)
    return prepared


# --- batches ---


def _prepare_batches(
    context: Context,
    rows: AnchoredRows,
    payouts: Sequence[Payout],
    deadline: Deadline,
    refused: Set[str],
    prepared: PreparedPayments,
) -> None:
    proven: dict[str, list[Row]] = {}
    for payout, found in rows.of_batches(payouts):
        if isinstance(found, PlanDoesNotMatchRoot):
            prepared.later.append(for_a_person(payout, str(found)))
        else:
            proven[payout.id] = found
    payouts = [payout for payout in payouts if payout.id in proven]
    wallets = {row.wallet for batch in proven.values() for row in batch}
    seen = recipients_by_wallet(context, wallets)
    recreated = _recreate(context, rows, payouts, proven, seen, deadline)
    for payout in payouts:
        batch = proven[payout.id]
        if any(row.wallet in recreated for row in batch):
            reason = "a token account was created again; paid when it is there"
            soon = context.clock.now() + RETRY_SOON
            # Counted as a try, so that it is created again only once.
            prepared.later.append(Postponement(payout, soon, reason))
            continue
        void = must_be_void([seen[row.wallet] for row in batch], refused=payout.id in refused)
        receipt = str(rows.seal.header.batch_id(payout.index))
        prepared.intents.append((payout, batch_intent(receipt, batch, void=void)))


def _recreate(
    context: Context,
    rows: AnchoredRows,
    payouts: Sequence[Payout],
    proven: Mapping[str, Sequence[Row]],
    seen: Mapping[str, Recipient],
    deadline: Deadline,
) -> set[str]:
    """Create again the accounts that we created for this plan and that are gone.

    Only once, since a fork may have dropped the creation. After that the owner closed it.
    """
    missing = missing_wallets(list(seen.values()))
    wanted: set[str] = set()
    for payout in payouts:
        is_fresh = payout.attempts == 0 and payout.attempt is None
        if is_fresh and any(row.wallet in missing for row in proven[payout.id]):
            positions = rows.seal.header.batch_positions(payout.index)
            rewards = context.store.rewards(rows.planned.plan_id, positions)
            wanted |= {r.row.wallet for r in rewards if r.needs_account} & missing
    if wanted:
        create_token_accounts(context, sorted(wanted), deadline)
    return wanted


# --- singles ---


def _prepare_singles(
    context: Context, rows: AnchoredRows, payouts: Sequence[Payout], prepared: PreparedPayments
) -> None:
    leaves = _proven_leaves(context, rows, payouts, prepared)
    allowed = [p for p in payouts if p.id in leaves]
    seen = recipients_by_wallet(context, {p.wallet for p in allowed if p.wallet})
    for payout in allowed:
        try:
            reward = rows.reward(payout, leaves[payout.id])
        except PlanDoesNotMatchRoot as error:
            prepared.later.append(for_a_person(payout, str(error)))
            continue
        recipient = seen.get(payout.wallet or "")
        reason = reward.operator_hold
        if reason is None:
            reason = cannot_receive(recipient)
        if reason is not None or recipient is None:
            again = context.clock.now() + LOOK_TOMORROW
            prepared.later.append(for_an_event(payout, reason or "", again))
        else:
            prepared.intents.append((payout, _intent_of(rows, reward, recipient)))


def _intent_of(rows: AnchoredRows, reward: Reward, recipient: Recipient) -> Intent:
    receipt = single_id(rows.seal.header.week, reward.row.user)
    return single_intent(receipt, Transfer(recipient.wallet, reward.row.amount))


def _proven_leaves(
    context: Context, rows: AnchoredRows, payouts: Sequence[Payout], prepared: PreparedPayments
) -> dict[str, bytes]:
    """Leaf hashes of the anchored rows of the rewards that may be paid alone, by payout id.

    A single is usable only if the anchored plan puts the reward in no batch, or that batch is
    void at finalized. The current wallet never decides.
    """
    positions = rows.seal.header.held_positions
    held = [p for p in payouts if p.index in positions]
    try:
        leaves = rows.held_leaves(held)
    except PlanDoesNotMatchRoot as error:
        leaves = {}
        prepared.later += [for_a_person(payout, str(error)) for payout in held]
    batched = [p for p in payouts if p.index not in positions]
    return leaves | _leaves_of_batched(context, rows, batched, prepared)


def _leaves_of_batched(
    context: Context, rows: AnchoredRows, payouts: Sequence[Payout], prepared: PreparedPayments
) -> dict[str, bytes]:
    header, batches, proven = rows.seal.header, dict[int, list[Row]](), list[Payout]()
    for payout in payouts:
        index = payout.index // header.batch_size
        try:
            if index not in batches:
                batches[index] = rows.of_batch(index)
        except PlanDoesNotMatchRoot as error:
            prepared.later.append(for_a_person(payout, str(error)))
        else:
            proven.append(payout)
    allowed = _of_void_batches(context, rows, proven, prepared)
    places = ((p.id, divmod(p.index, header.batch_size)) for p in allowed)
    return {i: leaf_hash(batches[batch][place].canonical()) for i, (batch, place) in places}


def _of_void_batches(
    context: Context, rows: AnchoredRows, payouts: Sequence[Payout], prepared: PreparedPayments
) -> list[Payout]:
    """The payouts of rewards whose batch is void, so that it can never pay them."""
    header, now = rows.seal.header, context.clock.now()
    by_batch = {p.id: str(header.batch_id(p.index // header.batch_size)) for p in payouts}
    states = context.chain.receipts(sorted(set(by_batch.values())))
    allowed = []
    for payout in payouts:
        batch = by_batch[payout.id]
        if states[batch] is ReceiptState.VOID:
            allowed.append(payout)
        elif states[batch] is ReceiptState.UNKNOWN:
            reason = f"the receipt of {batch} is unknown"
            prepared.later.append(for_an_event(payout, reason, now + RETRY_SOON))
        else:
            reason = (
                f"{payout.id} cannot be paid alone: the anchored plan puts it in a batch whose "
                f"receipt is {states[batch].value}, not void. Nothing was signed."
            )
            scale = context.limits.backoff_scale
            prepared.later.append(after_failure(payout, reason, now, scale=scale))
    return allowed
