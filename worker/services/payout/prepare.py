"""Builds the transactions of batches and singles, and postpones payouts that cannot be paid now.

Rows are verified against the anchored root, and every recipient is looked up, before a
transaction is built from them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from worker.core.payout.backoff import after_failure, for_a_person, for_an_event, next_look_at
from worker.core.payout.chain import Intent, Recipient, Transfer, missing_wallets
from worker.core.payout.decision import must_be_void
from worker.core.payout.hold import why_no_account
from worker.core.payout.intent import batch_intent, single_intent
from worker.core.payout.records import Payout, PayoutKind, Postponement
from worker.core.payout.single import NOT_MADE_YET, can_receive, obstacle
from worker.core.plan.commitment import PlanDoesNotMatchRoot, Row
from worker.core.plan.entrant import OVER_ACCOUNT_CAP
from worker.core.plan.receipts import ReceiptState, single_id
from worker.core.plan.rules import MalformedRules
from worker.services.context import Deadline
from worker.services.payout.anchored_rows import AnchoredRows
from worker.services.payout.token_accounts import (
    create_token_accounts,
    create_within_limit,
    recipients_by_wallet,
)
from worker.services.plan.funds import FundsShort

RETRY_SOON = timedelta(seconds=5)
LOOK_SOON = timedelta(minutes=5)
LOOK_TOMORROW = timedelta(days=1)


@dataclass(slots=True)
class PreparedPayments:
    """The transactions to sign now, and the payouts to try again later."""

    intents: list[tuple[Payout, Intent]] = field(default_factory=list)
    later: list[Postponement] = field(default_factory=list)
    short: FundsShort | None = None
    """Set if token accounts could not be created."""

    def wait_for_funds(self, payouts: Sequence[Payout], error: FundsShort, now: datetime) -> None:
        self.short = error
        self.later += [for_an_event(p, str(error), next_look_at(now, p.id)) for p in payouts]


def prepare_payments(
    rows: AnchoredRows, payouts: Sequence[Payout], deadline: Deadline, *, refused: Set[str]
) -> PreparedPayments:
    """Build the transactions of these payouts of the plan.

    `refused` holds the ids whose last attempt the chain executed and refused.

    Raises:
        Paused: nothing may be signed now.
    """
    rows.context.refuse_if_paused()
    prepared, header = PreparedPayments(), rows.seal.header
    batches = [p for p in payouts if p.kind is PayoutKind.BATCH]
    # An order may have come since a worker claimed the batch, which may wait for minutes: for its
    # receipt, or for funds.
    ordered = rows.context.store.void_orders(rows.planned.plan_id, [p.id for p in batches])
    prepared.intents += [
        (p, batch_intent(str(header.batch_id(p.index)), [], void=True))
        for p in batches
        if p.id in ordered
    ]
    batches = [p for p in batches if p.id not in ordered]
    _prepare_batches(rows, batches, deadline, refused, prepared)
    singles = [p for p in payouts if p.kind is PayoutKind.SINGLE]
    _prepare_singles(rows, singles, deadline, prepared)
    return prepared


def _prepare_batches(
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
    seen = recipients_by_wallet(rows.context, wallets)
    lost = _lost_accounts(rows, payouts, proven, seen)
    if lost:
        try:
            create_token_accounts(rows.context, rows.planned.week, sorted(lost), deadline)
        except FundsShort as error:
            waiting = [p for p in payouts if any(row.wallet in lost for row in proven[p.id])]
            prepared.wait_for_funds(waiting, error, rows.context.clock.now())
            payouts = [payout for payout in payouts if payout not in waiting]
    for payout in payouts:
        batch = proven[payout.id]
        if any(row.wallet in lost for row in batch):
            reason = "a token account was created again; the payment waits for it"
            soon = rows.context.clock.now() + RETRY_SOON
            # This counts as a try, so that an account is created again only once.
            prepared.later.append(Postponement(payout, soon, reason))
            continue
        void = must_be_void([seen[row.wallet] for row in batch], refused=payout.id in refused)
        receipt = str(rows.seal.header.batch_id(payout.index))
        prepared.intents.append((payout, batch_intent(receipt, batch, void=void)))


def _lost_accounts(
    rows: AnchoredRows,
    payouts: Sequence[Payout],
    proven: Mapping[str, Sequence[Row]],
    seen: Mapping[str, Recipient],
) -> set[str]:
    """Wallets that lack the account that we created for this plan, before the first try.

    A fork may have dropped the creation. After the first try, only the owner can have closed it.
    """
    missing = missing_wallets(list(seen.values()))
    lost: set[str] = set()
    for payout in payouts:
        is_untried = payout.attempts == 0 and payout.attempt is None
        if is_untried and any(row.wallet in missing for row in proven[payout.id]):
            positions = rows.seal.header.batch_positions(payout.index)
            rewards = rows.context.store.rewards(rows.planned.plan_id, positions)
            lost |= {r.row.wallet for r in rewards if r.needs_account} & missing
    return lost


def _prepare_singles(
    rows: AnchoredRows, payouts: Sequence[Payout], deadline: Deadline, prepared: PreparedPayments
) -> None:
    leaves = _proven_leaves(rows, payouts, prepared)
    allowed = _of_void_batches(rows, [p for p in payouts if p.id in leaves], prepared)
    seen = recipients_by_wallet(rows.context, {p.wallet for p in allowed if p.wallet})
    try:
        reasons = _create_accounts(rows, allowed, seen, deadline)
    except FundsShort as error:
        missing, reasons = missing_wallets(list(seen.values())), {}
        waiting = [payout for payout in allowed if payout.wallet in missing]
        prepared.wait_for_funds(waiting, error, rows.context.clock.now())
        allowed = [payout for payout in allowed if payout not in waiting]
    for payout in allowed:
        try:
            reward = rows.reward(payout, leaves[payout.id])
        except PlanDoesNotMatchRoot as error:
            prepared.later.append(for_a_person(payout, str(error)))
            continue
        if reward.redirected_to and reward.redirected_to != payout.wallet:
            # An operator chose another wallet since this payout was claimed.
            soon = rows.context.clock.now() + RETRY_SOON
            prepared.later.append(for_an_event(payout, "it was redirected", soon))
            continue
        recipient = seen.get(payout.wallet or "")
        if recipient is None or not can_receive(recipient) or reward.operator_hold is not None:
            reason = reward.operator_hold or reasons.get(payout.id) or obstacle(recipient, None)
            pause = LOOK_SOON if reason == NOT_MADE_YET else LOOK_TOMORROW
            again = rows.context.clock.now() + pause
            prepared.later.append(for_an_event(payout, reason or "", again))
        else:
            receipt = single_id(rows.seal.header.week, reward.row.user)
            transfer = Transfer(recipient.wallet, reward.row.amount)
            prepared.intents.append((payout, single_intent(receipt, transfer)))


def _create_accounts(
    rows: AnchoredRows, payouts: Sequence[Payout], seen: dict[str, Recipient], deadline: Deadline
) -> dict[str, str]:
    """Create the accounts that an operator's redirect, or a wallet's owner, left missing, and look
    again. Returns why accounts are still missing, by payout id."""
    context, missing = rows.context, missing_wallets(list(seen.values()))
    lacking = {p.index: p for p in payouts if p.wallet in missing}
    rewards = [
        reward
        for index in lacking
        for reward in context.store.rewards(rows.planned.plan_id, range(index, index + 1))
        if reward.operator_hold is None
    ]
    accounts = context.store.accounts([r.user_id for r in rewards], []) if rewards else {}
    reasons: dict[str, str] = {}
    wanted: list[tuple[str, str]] = []
    for reward in rewards:
        payout, account = lacking[reward.position], accounts.get(reward.user_id)
        is_redirect = bool(reward.redirected_to)
        wallet = payout.wallet or ""
        reasons[payout.id] = why_no_account(account, wallet, is_redirect=is_redirect)
        wanted += [] if reasons[payout.id] else [(reward.user_id, wallet)]
    try:
        tried = create_within_limit(context, rows.planned.week, wanted, deadline)
    except MalformedRules:  # an account can wait for the limit, and batches need no limit
        tried = {wallet for _, wallet in wanted}
    seen |= recipients_by_wallet(context, tried) if tried else {}
    for payout in lacking.values():
        if not reasons.get(payout.id):
            reasons[payout.id] = NOT_MADE_YET if payout.wallet in tried else OVER_ACCOUNT_CAP
    return reasons


def _proven_leaves(
    rows: AnchoredRows, payouts: Sequence[Payout], prepared: PreparedPayments
) -> dict[str, bytes]:
    """The leaf hashes of the anchored rows of singles, by payout id."""
    by_batch: defaultdict[int | None, list[Payout]] = defaultdict(list)
    for payout in payouts:
        by_batch[rows.seal.header.batch_of(payout.index)].append(payout)
    leaves: dict[str, bytes] = {}
    for batch, singles in by_batch.items():
        try:
            leaves |= rows.leaves(batch, singles)
        except PlanDoesNotMatchRoot as error:
            prepared.later += [for_a_person(payout, str(error)) for payout in singles]
    return leaves


def _of_void_batches(
    rows: AnchoredRows, payouts: Sequence[Payout], prepared: PreparedPayments
) -> list[Payout]:
    """The singles that may be paid: the anchored plan puts the reward in no batch, or that batch
    is void at finalized. The current wallet never decides."""
    header, limits, now = rows.seal.header, rows.context.limits, rows.context.clock.now()
    batches = {p.id: header.batch_of(p.index) for p in payouts}
    ids = {i: str(header.batch_id(index)) for i, index in batches.items() if index is not None}
    states = rows.context.chain.receipts(sorted(set(ids.values())))
    allowed = []
    for payout in payouts:
        batch = ids.get(payout.id)
        state = ReceiptState.VOID if batch is None else states[batch]
        if state is ReceiptState.VOID:
            allowed.append(payout)
        elif state is not ReceiptState.PAID:
            # The batch was void when this single was made, so a node that shows no receipt lags.
            reason = f"the receipt of {batch} is {state.value}, not void"
            prepared.later.append(for_an_event(payout, reason, now + RETRY_SOON))
        else:
            reason = (
                f"{payout.id} cannot be paid alone: the anchored plan puts it in a batch whose "
                f"receipt is {state.value}, not void. Nothing was signed."
            )
            prepared.later.append(after_failure(payout, reason, now, scale=limits.backoff_scale))
    return allowed
