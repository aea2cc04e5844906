"""What the payouts of a plan shall do, proven against its anchored root before it is signed."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field
from datetime import timedelta

from worker.core.commitment import PlanDoesNotMatchRoot, Row, Seal
from worker.core.errors import Refused
from worker.core.receipts import BatchId, ReceiptState, Resolution, single_id
from worker.core.records import (
    Distribution,
    Execution,
    Intent,
    Payout,
    PayoutKind,
    Postponement,
    Recipient,
    Reward,
    Transfer,
)
from worker.services.accounts import create_token_accounts, missing_wallets
from worker.services.context import Context, Deadline
from worker.services.seal import stored_rows

RETRY_SOON = timedelta(seconds=5)


class SingleNotAllowed(Refused):
    """A reward was about to be paid alone although its batch is not void."""

    def __init__(self, payout: Payout, state: ReceiptState) -> None:
        super().__init__(
            f"{payout.id} cannot be paid alone: the anchored plan puts it in a batch whose receipt "
            f"is {state.value}, not void. Nothing was signed."
        )


@dataclass(slots=True)
class Prepared:
    """What is to be signed now, and what has to wait."""

    intents: list[tuple[Payout, Intent]] = field(default_factory=list)
    later: list[Postponement] = field(default_factory=list)

    def postpone(self, context: Context, payout: Payout, reason: str, pause: timedelta) -> None:
        self.later.append(Postponement(payout, context.clock.now() + pause, reason))


class Payer:
    """Makes the intents of one plan's batches and singles."""

    def __init__(
        self, context: Context, distribution: Distribution, seal: Seal, deadline: Deadline
    ) -> None:
        self._context, self._seal, self._deadline = context, seal, deadline
        self._plan_id = distribution.plan_id or ""
        self._held_checked = False

    def prepare(self, payouts: Sequence[Payout], refused: Set[str] = frozenset()) -> Prepared:
        """Verify rows against the root, look at every recipient, and say what to sign.

        `refused` holds the ids whose last attempt the chain executed and refused.

        Raises:
            PlanDoesNotMatchRoot: stored rows are not what was anchored.
            SingleNotAllowed: a single's batch is not void at finalized.
            Paused: nothing may be signed now.
        """
        self._context.refuse_if_paused()
        prepared = Prepared()
        self._batches([p for p in payouts if p.kind is PayoutKind.BATCH], prepared, refused)
        self._singles([p for p in payouts if p.kind is PayoutKind.SINGLE], prepared)
        return prepared

    def paid_as_planned(self, payout: Payout, execution: Execution) -> bool:
        """Whether a payment moved exactly what its rows say, and the source lost exactly that.

        A single is compared by its amount: its wallet is today's or an operator's, and an old
        backup may not know which one it was.

        Raises:
            PlanDoesNotMatchRoot: a batch's rows are not the anchored ones, or a single's is gone.
        """
        if payout.kind is PayoutKind.BATCH:
            rows = self.verified_rows(payout.index)
            return moved(execution, [Transfer(row.wallet, row.amount) for row in rows])
        found = list(self._context.store.rows(self._plan_id, _at(payout.index)))
        if not found:
            raise PlanDoesNotMatchRoot(f"The row of {payout.id}", self._seal.root, b"")
        wallets = {transfer.wallet for transfer in execution.transfers}
        return len(wallets) == 1 and moved(execution, [Transfer(wallets.pop(), found[0].amount)])

    def verified_rows(self, index: int) -> list[Row]:
        """A batch's stored rows, proven to be the anchored ones."""
        positions = self._seal.header.batch_positions(index)
        rows = list(self._context.store.rows(self._plan_id, positions))
        self._seal.check_batch(index, rows)
        return rows

    # --- batches ---

    def _verified_batches(self, payouts: Sequence[Payout]) -> dict[str, list[Row]]:
        """Stored rows of many batches by payout id, each proven to be the anchored ones; one query
        for each run of neighbours."""
        header, found = self._seal.header, {}
        for run in _runs_of_neighbours(payouts):
            first = header.batch_positions(run[0].index).start
            last = header.batch_positions(run[-1].index).stop
            rows = self._context.store.rows(self._plan_id, range(first, last))
            for payout in run:
                size = len(header.batch_positions(payout.index))
                found[payout.id] = list(itertools.islice(rows, size))
                self._seal.check_batch(payout.index, found[payout.id])
        return found

    def _batches(self, payouts: list[Payout], prepared: Prepared, refused: Set[str]) -> None:
        rows = self._verified_batches(payouts)
        seen = self._look_at(row.wallet for batch in rows.values() for row in batch)
        recreated = self._recreate(payouts, rows, seen)
        for payout in payouts:
            if any(row.wallet in recreated for row in rows[payout.id]):
                reason = "a token account was created again; paid when it is there"
                prepared.postpone(self._context, payout, reason, RETRY_SOON)
                continue
            recipients = [seen[row.wallet] for row in rows[payout.id]]
            void = must_be_void(recipients, refused=payout.id in refused)
            prepared.intents.append((payout, batch_intent(payout, rows[payout.id], void=void)))

    def _look_at(self, wallets: Iterable[str]) -> dict[str, Recipient]:
        distinct = sorted(set(wallets))
        return {r.wallet: r for r in self._context.chain.recipients(distinct)}

    def _recreate(
        self,
        payouts: Sequence[Payout],
        rows: Mapping[str, Sequence[Row]],
        seen: Mapping[str, Recipient],
    ) -> set[str]:
        """Accounts that we created for this plan and that are gone: created once more, and only
        once, since a fork may have dropped the creation. After that it was the owner."""
        missing = missing_wallets(list(seen.values()))
        fresh = [p for p in payouts if p.attempts == 0 and p.attempt is None]
        wanted: set[str] = set()
        for payout in fresh:
            if any(row.wallet in missing for row in rows[payout.id]):
                positions = self._seal.header.batch_positions(payout.index)
                rewards = self._context.store.rewards(self._plan_id, positions)
                wanted |= {r.row.wallet for r in rewards if r.needs_account} & missing
        if wanted:
            create_token_accounts(self._context, sorted(wanted), self._deadline)
        return wanted

    # --- singles ---

    def _singles(self, payouts: list[Payout], prepared: Prepared) -> None:
        if not payouts:
            return
        self._check_singles_allowed(payouts)
        seen = self._look_at(p.wallet for p in payouts if p.wallet)
        for payout in payouts:
            reward = self._reward_of(payout)
            recipient = seen.get(payout.wallet or "")
            if reward.operator_hold is not None:
                prepared.postpone(self._context, payout, reward.operator_hold, timedelta(days=1))
            elif recipient is None or unpayable(recipient):
                reason = problem_of(recipient)
                prepared.postpone(self._context, payout, reason, timedelta(days=1))
            else:
                prepared.intents.append((payout, single_intent(payout, reward)))

    def _reward_of(self, payout: Payout) -> Reward:
        rewards = self._context.store.rewards(self._plan_id, _at(payout.index))
        if [payout.id] != [single_id(payout.week, reward.row.user) for reward in rewards]:
            found = rewards[0].row.user if rewards else b""
            raise PlanDoesNotMatchRoot(f"The row of {payout.id}", self._seal.root, found)
        return rewards[0]

    def _check_singles_allowed(self, payouts: Sequence[Payout]) -> None:
        """A single is usable only if the anchored plan puts the reward in no batch, or that
        batch is void at finalized. The current wallet never decides."""
        header, by_batch = self._seal.header, {}
        for payout in payouts:
            if payout.index in header.held_positions:
                self._check_held_rows()
            else:
                index = payout.index // header.batch_size
                self.verified_rows(index)
                by_batch[payout] = str(BatchId(header.week, index))
        states = self._context.chain.receipts(sorted(set(by_batch.values())))
        for payout, batch in by_batch.items():
            if states[batch] is not ReceiptState.VOID:
                raise SingleNotAllowed(payout, states[batch])

    def _check_held_rows(self) -> None:
        if not self._held_checked:
            positions = self._seal.header.held_positions
            self._seal.check_held(stored_rows(self._context, self._plan_id, positions))
            self._held_checked = True


def _runs_of_neighbours(payouts: Sequence[Payout]) -> Iterator[list[Payout]]:
    """Batches in order, cut wherever a number is missing."""
    run: list[Payout] = []
    for payout in sorted(payouts, key=lambda each: each.index):
        if run and payout.index != run[-1].index + 1:
            yield run
            run = []
        run.append(payout)
    if run:
        yield run


def must_be_void(recipients: Sequence[Recipient], *, refused: bool) -> bool:
    """Whether a batch can never be paid as it was planned.

    A missing account counts only when the chain refused a payment: an endpoint that lags does not
    show one that was made a minute ago. What is wrong with an account that is there counts at
    once, since the chain would pay one that has a new owner.
    """
    if any(recipient.problem is not None for recipient in recipients):
        return True
    return refused and any(not recipient.account_exists for recipient in recipients)


def unpayable(recipient: Recipient) -> bool:
    return recipient.problem is not None or not recipient.account_exists


def problem_of(recipient: Recipient | None) -> str:
    """Why a recipient cannot be paid, for people."""
    if recipient is None:
        return "no wallet"
    return recipient.problem.value if recipient.problem else "token account does not exist"


def batch_intent(payout: Payout, rows: Sequence[Row], *, void: bool) -> Intent:
    """Pay a batch, or void it so that its rewards can be paid alone."""
    if void:
        return Intent(receipts=(payout.id,), resolution=Resolution.VOID, memo=payout.id)
    return Intent(
        receipts=(payout.id,),
        resolution=Resolution.PAID,
        transfers=tuple(Transfer(row.wallet, row.amount) for row in rows),
        memo=payout.id,
    )


def single_intent(payout: Payout, reward: Reward) -> Intent:
    """Pay one reward alone. A single is never voided: it waits under its one id."""
    return Intent(
        receipts=(payout.id,),
        resolution=Resolution.PAID,
        transfers=(Transfer(payout.wallet or "", reward.row.amount),),
        memo=payout.id,
    )


def moved(execution: Execution, expected: Sequence[Transfer]) -> bool:
    """Whether a transaction moved exactly these amounts, and the source lost just their sum."""
    same = sums_by_wallet(execution.transfers) == sums_by_wallet(expected)
    return same and execution.source_decrease == sum(t.amount for t in expected)


def sums_by_wallet(transfers: Iterable[Transfer]) -> Counter[str]:
    """Amounts by wallet, so that the order of transfers does not matter."""
    sums: Counter[str] = Counter()
    for transfer in transfers:
        sums[transfer.wallet] += transfer.amount
    return sums


def _at(position: int) -> range:
    return range(position, position + 1)
