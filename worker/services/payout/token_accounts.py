"""Create the token accounts that a plan's recipients lack, before anything is paid to them.

Each wallet gets one account at our cost. An account that its owner closed is not created again,
since the owner would collect the rent each time. An account counts as made when the payment into it
is final. Creations move no tokens and are idempotent, so they need no receipt.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial

from worker.core.chunks import chunks
from worker.core.cost import Charge, OtherTransaction, TransactionKind
from worker.core.errors import NotReady
from worker.core.lifecycle import Stage
from worker.core.payout.chain import Blockhash, Landing, Recipient, Treasury, missing_wallets
from worker.core.payout.decision import YOUNG
from worker.core.payout.looks.pace import LOOKS_UNSEEN
from worker.core.plan.planned_week import PlannedWeek
from worker.core.week import Week
from worker.ports.payout import Signed
from worker.services.ahead import ahead, meanwhile
from worker.services.context import Context, Deadline
from worker.services.plan.funds import FundsShort, check_account_funds
from worker.services.plan.publish import held_in_batches
from worker.services.plan.seal import anchored_seal

CREATED_AT_ONCE = 9_000
"""Accounts whose creations share a blockhash: 1,000 transactions. A provider that takes 50 calls a
second gets them within a third of the blockhash's life."""
CREATED = (Landing.CONFIRMED, Landing.FINALIZED)
WEEK = timedelta(days=7)


class AccountsMissing(NotReady):
    """Creations of token accounts are sent, and the accounts do not appear."""

    def __init__(self, week: Week, wallets: Sequence[str]) -> None:
        super().__init__(
            f"{week.label} waits for {len(wallets)} token accounts. Their creation was sent again "
            f"and again, and not one appeared: {wallets[0]} first. Look at the endpoints with "
            "`kontrib doctor`; the sweeper tries again."
        )


def prepare_accounts(
    context: Context, planned: PlannedWeek, deadline: Deadline
) -> tuple[int, bool]:
    """Create the missing accounts of an anchored plan, then move the week on to payments.

    A hold that came too late for the plan voids its batch, before the first payment.

    Returns the number of created accounts, and whether all accounts exist.

    Raises:
        Paused, NotAnchored, FundsShort: nothing may be signed.
        AccountsMissing: not one account could be created in this time.
    """
    anchored_seal(context, planned)
    creations = _Creations(context, planned.week, deadline)
    with meanwhile(partial(_void_held_batches, context, planned)) as voided:
        _create_missing(context, planned, creations)
    voided.result()
    if creations.left:
        if not creations.made:
            raise AccountsMissing(planned.week, sorted(creations.left))
        return creations.made, False
    context.store.advance(planned.week, planned.plan_id, Stage.ANCHORED, Stage.PREPARED)
    return creations.made, True


def _create_missing(context: Context, planned: PlannedWeek, creations: _Creations) -> None:
    """Create what the plan saw missing. After a crash, only what is missing still.

    A group that takes longer than a cursor's ten minutes ends the task, and the next one goes on.
    """
    is_first = not context.store.other_transactions(planned.week, "", 1)
    rewards = context.store.rewards_needing_account(planned.plan_id)
    lacking = (reward.row.wallet for reward in rewards)
    for wallets in ahead(chunks(lacking, CREATED_AT_ONCE)):
        if missing := set(wallets) if is_first else _missing(context, wallets):
            creations.create(sorted(missing))
        if creations.left:
            break
    creations.end()


def _missing(context: Context, wallets: Sequence[str]) -> set[str]:
    """The wallets without a token account, as the chain shows them now."""
    return missing_wallets(context.chain.recipients(wallets))


def _void_held_batches(context: Context, planned: PlannedWeek) -> None:
    for reward in held_in_batches(context.store, planned):
        payout = context.store.payout(planned.plan_id, reward.row.batch)
        if payout is not None and payout.void_reason is None:
            reason = f"an operator holds a reward: {reward.operator_hold}"
            context.store.order_void(payout, reason)


def create_within_limit(
    context: Context, week: Week, wanted: Sequence[tuple[str, str]], deadline: Deadline
) -> set[str]:
    """Create the accounts of these users' wallets, as many as the week's limit allows.

    Returns the wallets that it tried to create one for.

    Raises:
        MalformedRules: the limit cannot be read.
        FundsShort: the fee payer cannot pay the accounts.
    """
    if not wanted:
        return set()
    limit = context.rules().max_new_accounts_per_week
    used = context.store.accounts_made_since(context.clock.now() - WEEK) + _of_open_plans(context)
    chosen = wanted[: max(0, limit - used)]
    tried = {wallet for _, wallet in chosen}
    if tried:
        made = create_token_accounts(context, week, sorted(tried), deadline)
        # Only created accounts: a failed creation would hold its reward for ever.
        had = [(user_id, wallet) for user_id, wallet in chosen if wallet in made]
        context.store.mark_accounts_made(had, context.clock.now())
    return tried


def _of_open_plans(context: Context) -> int:
    """The number of accounts that open plans create. They are recorded when their week closes."""
    plans = [d.plan_id for d in context.store.distributions() if d.stage is not Stage.COMPLETED]
    return sum(context.store.count_needing_account(plan_id) for plan_id in plans if plan_id)


def recipients_by_wallet(context: Context, wallets: Set[str]) -> dict[str, Recipient]:
    """Each wallet and its token account as the chain shows them now."""
    return {r.wallet: r for r in context.chain.recipients(sorted(wallets))}


def create_token_accounts(
    context: Context, week: Week, wallets: Sequence[str], deadline: Deadline
) -> set[str]:
    """Send creations until they are done or the blockhash has expired. The week bears their cost.

    Returns the wallets whose account was created. An account seen at confirmed counts: if a fork
    drops it, the payment finds it missing. An account whose creation is final and that is missing
    counts, too: its owner closed it, and creating it again would pay the owner its rent.

    Raises:
        Paused, FundsShort: nothing was sent.
    """
    sent = _send(context, week, wallets)
    if not _are_confirmed(context, sent, deadline):
        return set(wallets) - _missing(context, wallets)
    _record_charges(context, _charges(sent), sent.before)
    return set(wallets)


class _Creations:
    """Creates a plan's accounts a group at a time. A group lands while the next one is sent."""

    def __init__(self, context: Context, week: Week, deadline: Deadline) -> None:
        self._context, self._week, self._deadline = context, week, deadline
        self._under_way: _Sent | None = None
        self._before: Treasury | None = None
        """The funds before the first group."""
        self._charges: dict[str, Charge] = {}
        self._is_as_charged = True
        """Whether each group was confirmed as it was sent first."""
        self.made = 0
        self.left: set[str] = set()
        """The wallets whose account could not be created in time."""

    def create(self, wallets: Sequence[str]) -> None:
        """
        Raises:
            Paused, FundsShort: nothing was sent for these wallets.
        """
        if self._deadline.passed:
            self.left |= set(wallets)
            return
        sent = self._send(wallets)
        self._before = self._before or sent.before
        self._charges |= _charges(sent)
        self._wait()
        self._under_way = sent

    def end(self) -> None:
        """Wait for the last group, and record what all groups cost."""
        self._wait()
        if self._before is not None and self._is_as_charged:
            _record_charges(self._context, self._charges, self._before)

    def _send(self, wallets: Sequence[str]) -> _Sent:
        if self._under_way is not None:
            try:
                return _send(self._context, self._week, wallets, len(self._under_way.wallets))
            except FundsShort:  # the group under way may have been paid already
                self._wait()
        return _send(self._context, self._week, wallets)

    def _wait(self) -> None:
        """Wait for the group under way, and create again what was not created."""
        sent, self._under_way = self._under_way, None
        if sent is None:
            return
        missing = set[str]()
        if not _are_confirmed(self._context, sent, self._deadline):
            self._is_as_charged = False
            missing = _missing(self._context, sent.wallets)
        while missing and not self._deadline.passed:
            wallets = sorted(missing)
            missing -= create_token_accounts(self._context, self._week, wallets, self._deadline)
        self.made += len(sent.wallets) - len(missing)
        self.left |= missing


@dataclass(frozen=True, slots=True)
class _Sent:
    """Creations of accounts that share a blockhash, after their first send."""

    wallets: Sequence[str]
    signed: Sequence[Signed]
    blockhash: Blockhash
    before: Treasury
    """The funds before."""
    at: datetime


def _send(context: Context, week: Week, wallets: Sequence[str], under_way: int = 0) -> _Sent:
    """Sign, record and send creations. They are recorded before they are sent, so that their cost
    is known after a crash. `under_way`: accounts that the same funds pay, too.

    Raises:
        Paused, FundsShort: nothing was sent.
    """
    context.refuse_if_paused()
    before = check_account_funds(context, under_way + len(wallets))
    blockhash = context.chain.latest_blockhash()
    signed = context.chain.sign_account_creations(wallets, blockhash)
    kind, last = TransactionKind.ACCOUNTS, blockhash.last_valid_block_height
    context.store.record_transactions(
        [OtherTransaction(each.signature, week, kind, last) for each in signed]
    )
    context.chain.send([(each.signature, each.wire) for each in signed])
    return _Sent(wallets, signed, blockhash, before, context.clock.now())


def _are_confirmed(context: Context, sent: _Sent, deadline: Deadline) -> bool:
    """Send creations until all are confirmed. False if one failed or expired, or time is over."""
    waiting = [each.signature for each in sent.signed]
    last_valid = sent.blockhash.last_valid_block_height
    pause = LOOKS_UNSEEN * context.limits.poll_seconds
    left = pause - (context.clock.now() - sent.at).total_seconds()
    while not deadline.passed:
        context.clock.sleep(min(max(left, 0), pause))  # a clock may be set back meanwhile
        statuses = dict(zip(waiting, context.chain.statuses(waiting), strict=True))
        context.pace.look(list(statuses.values()), context.clock.now())
        landings = {signature: status.landing for signature, status in statuses.items()}
        if Landing.FAILED in landings.values():
            return False
        waiting = [it for it, seen in landings.items() if seen not in CREATED]
        if not waiting:
            return True
        unseen = [each for each in sent.signed if landings.get(each.signature) is Landing.UNSEEN]
        # One node may show a creation as pending for ever.
        is_old = not timedelta() <= context.clock.now() - sent.at < YOUNG
        if (unseen or is_old) and context.chain.finalized_height().block_height > last_valid:
            return False
        if unseen:
            context.chain.send([(each.signature, each.wire) for each in unseen])
        left = pause
    return False


def _charges(sent: _Sent) -> dict[str, Charge]:
    return {each.signature: each.charge for each in sent.signed if each.charge is not None}


def _record_charges(context: Context, charges: Mapping[str, Charge], before: Treasury) -> None:
    """Record the charges of creations if the fee payer's balance proves them.

    It proves nothing if other transactions changed it at the same time, or if somebody else made
    one of the accounts. Then each transaction is read when the week closes.
    """
    expected = sum(charge.fee + charge.rent for charge in charges.values())
    if before.lamports - context.chain.treasury().lamports == expected:
        context.store.record_charges(charges)
