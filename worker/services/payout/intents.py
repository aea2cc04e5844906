"""What the payouts of a plan shall do, proven against its anchored root before it is signed."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field
from datetime import timedelta

from worker.core.errors import Refused
from worker.core.payout.records import (
    Execution,
    Intent,
    Payout,
    PayoutKind,
    Postponement,
    Recipient,
    Reward,
    Transfer,
    missing_wallets,
)
from worker.core.plan.commitment import PlanDoesNotMatchRoot, Row, Seal, rows_root
from worker.core.plan.merkle import leaf_hash
from worker.core.plan.planned_week import PlannedWeek
from worker.core.plan.receipts import ReceiptState, Resolution, single_id
from worker.services.context import Context, Deadline
from worker.services.payout.token_accounts import create_token_accounts
from worker.services.plan.seal import stored_rows

RETRY_SOON = timedelta(seconds=5)
LEAF_BYTES = 32


class PayoutNotOfPlan(Refused):
    """A stored payout has another id than its place in the anchored plan: its receipt would be
    another one, and what it pays could be paid again."""

    def __init__(self, payout: Payout) -> None:
        super().__init__(
            f"{payout.id} is not what the anchored plan calls {payout.kind.value} {payout.index}. "
            "The stored payout was changed. Restore it with `kontrib rebuild WEEK --from-chain`; "
            "until then it is not paid."
        )


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
    refused: list[tuple[Payout, Refused]] = field(default_factory=list)
    """What a safeguard keeps from being signed. The others are none the worse for it."""


class Payer:
    """Makes the intents of one plan's batches and singles."""

    def __init__(
        self, context: Context, planned: PlannedWeek, seal: Seal, deadline: Deadline
    ) -> None:
        self._context, self._seal, self._deadline = context, seal, deadline
        self._plan_id = planned.plan_id
        self._held_leaves = bytearray()

    def foreign(self, payouts: Sequence[Payout]) -> dict[str, PayoutNotOfPlan]:
        """Those that the anchored plan does not call so, or has no place for, by id.

        They are neither signed nor settled: a receipt resolves what the plan calls by its id.
        """
        header = self._seal.header
        batches = [p for p in payouts if p.kind is PayoutKind.BATCH]
        known = {
            p.id
            for p in batches
            if p.index in range(header.batches) and p.id == str(header.batch_id(p.index))
        }
        singles = [p for p in payouts if p.kind is PayoutKind.SINGLE]
        for run in _runs_of_neighbours([p for p in singles if p.index in range(header.rewards)]):
            known |= self._singles_in_place(run)
        return {p.id: PayoutNotOfPlan(p) for p in (*batches, *singles) if p.id not in known}

    def _singles_in_place(self, run: Sequence[Payout]) -> set[str]:
        positions = range(run[0].index, run[-1].index + 1)
        rows = list(self._context.store.rows(self._plan_id, positions))
        if len(rows) < len(run) > 1:  # one is missing, and it is not said which
            return set().union(*(self._singles_in_place([payout]) for payout in run))
        ids = [single_id(self._seal.header.week, row.user) for row in rows]
        return {payout.id for payout, called in zip(run, ids, strict=False) if payout.id == called}

    def prepare(self, payouts: Sequence[Payout], refused: Set[str] = frozenset()) -> Prepared:
        """Verify rows against the root, look at every recipient, and say what to sign.

        `refused` holds the ids whose last attempt the chain executed and refused.

        Raises:
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

    def _verified_batches(
        self, payouts: Sequence[Payout], prepared: Prepared
    ) -> dict[str, list[Row]]:
        """Stored rows of many batches by payout id, each proven to be the anchored ones; one query
        for each run of neighbours."""
        header, found = self._seal.header, dict[str, list[Row]]()
        for run in _runs_of_neighbours(payouts):
            first = header.batch_positions(run[0].index).start
            last = header.batch_positions(run[-1].index).stop
            rows = self._context.store.rows(self._plan_id, range(first, last))
            for payout in run:
                size = len(header.batch_positions(payout.index))
                batch = list(itertools.islice(rows, size))
                try:
                    # Once more by itself: a row that is missing moves those of its neighbours up.
                    if rows_root(batch) != self._seal.batch_roots[payout.index]:
                        batch = self.verified_rows(payout.index)
                except PlanDoesNotMatchRoot as error:
                    prepared.refused.append((payout, error))
                else:
                    found[payout.id] = batch
        return found

    def _batches(self, batches: list[Payout], prepared: Prepared, refused: Set[str]) -> None:
        rows = self._verified_batches(batches, prepared)
        payouts = [payout for payout in batches if payout.id in rows]
        seen = self._look_at(row.wallet for batch in rows.values() for row in batch)
        recreated = self._recreate(payouts, rows, seen)
        for payout in payouts:
            if any(row.wallet in recreated for row in rows[payout.id]):
                reason = "a token account was created again; paid when it is there"
                soon = self._context.clock.now() + RETRY_SOON
                prepared.later.append(Postponement(payout, soon, reason))  # a try: only once
                continue
            recipients = [seen[row.wallet] for row in rows[payout.id]]
            void = must_be_void(recipients, refused=payout.id in refused)
            receipt = str(self._seal.header.batch_id(payout.index))
            prepared.intents.append((payout, batch_intent(receipt, rows[payout.id], void=void)))

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
        leaves = self._proven_leaves(payouts, prepared)
        allowed = [p for p in payouts if p.id in leaves]
        seen = self._look_at(p.wallet for p in allowed if p.wallet)
        for payout in allowed:
            try:
                reward = self._reward_of(payout, leaves[payout.id])
            except PlanDoesNotMatchRoot as error:
                prepared.refused.append((payout, error))
                continue
            recipient = seen.get(payout.wallet or "")
            if reward.operator_hold is not None:
                self._wait(payout, reward.operator_hold, timedelta(days=1), prepared)
            elif recipient is None or unpayable(recipient):
                self._wait(payout, problem_of(recipient), timedelta(days=1), prepared)
            else:
                receipt = single_id(self._seal.header.week, reward.row.user)
                transfer = Transfer(recipient.wallet, reward.row.amount)
                prepared.intents.append((payout, single_intent(receipt, transfer)))

    def _wait(self, payout: Payout, reason: str, pause: timedelta, prepared: Prepared) -> None:
        """For something outside to happen, which is no failed try."""
        again = self._context.clock.now() + pause
        prepared.later.append(Postponement(payout, again, reason, is_failure=False))

    def _reward_of(self, payout: Payout, leaf: bytes) -> Reward:
        """The reward of a single, whose row must be the proven one: it is paid as it is here."""
        rewards = self._context.store.rewards(self._plan_id, _at(payout.index))
        if [leaf] != [leaf_hash(reward.row.canonical()) for reward in rewards]:
            found = leaf_hash(rewards[0].row.canonical()) if rewards else b""
            raise PlanDoesNotMatchRoot(f"The row of {payout.id}", leaf, found)
        return rewards[0]

    def _proven_leaves(self, payouts: Sequence[Payout], prepared: Prepared) -> dict[str, bytes]:
        """Leaf hashes of the anchored rows of those that may be paid alone, by payout id.

        A single is usable only if the anchored plan puts the reward in no batch, or that batch is
        void at finalized. The current wallet never decides.
        """
        positions = self._seal.header.held_positions
        held = [p for p in payouts if p.index in positions]
        others = [p for p in payouts if p.index not in positions]
        return self._leaves_of_held(held, prepared) | self._leaves_of_void(others, prepared)

    def _leaves_of_held(self, payouts: Sequence[Payout], prepared: Prepared) -> dict[str, bytes]:
        if not payouts:
            return {}
        positions = self._seal.header.held_positions
        if not self._held_leaves:
            leaves = bytearray()

            def remembered() -> Iterator[Row]:
                for row in stored_rows(self._context, self._plan_id, positions):
                    leaves.extend(leaf_hash(row.canonical()))
                    yield row

            try:
                self._seal.check_held(remembered())
            except PlanDoesNotMatchRoot as error:
                prepared.refused += [(payout, error) for payout in payouts]
                return {}
            self._held_leaves = leaves
        return {p.id: self._held_leaf(p.index - positions.start) for p in payouts}

    def _held_leaf(self, place: int) -> bytes:
        return bytes(self._held_leaves[place * LEAF_BYTES : (place + 1) * LEAF_BYTES])

    def _leaves_of_void(self, payouts: Sequence[Payout], prepared: Prepared) -> dict[str, bytes]:
        header, batches = self._seal.header, dict[int, list[Row]]()
        leaves, by_batch = dict[str, bytes](), dict[Payout, str]()
        for payout in payouts:
            index, place = divmod(payout.index, header.batch_size)
            try:
                if index not in batches:
                    batches[index] = self.verified_rows(index)
            except PlanDoesNotMatchRoot as error:
                prepared.refused.append((payout, error))
                continue
            leaves[payout.id] = leaf_hash(batches[index][place].canonical())
            by_batch[payout] = str(header.batch_id(index))
        self._leave_out_unvoided(by_batch, leaves, prepared)
        return leaves

    def _leave_out_unvoided(
        self, by_batch: Mapping[Payout, str], leaves: dict[str, bytes], prepared: Prepared
    ) -> None:
        states = self._context.chain.receipts(sorted(set(by_batch.values())))
        for payout, batch in by_batch.items():
            if states[batch] is ReceiptState.VOID:
                continue
            del leaves[payout.id]
            if states[batch] is ReceiptState.UNKNOWN:
                self._wait(payout, f"the receipt of {batch} is unknown", RETRY_SOON, prepared)
            else:
                prepared.refused.append((payout, SingleNotAllowed(payout, states[batch])))


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


def batch_intent(receipt: str, rows: Sequence[Row], *, void: bool) -> Intent:
    """Pay a batch, or void it so that its rewards can be paid alone."""
    if void:
        return Intent(receipts=(receipt,), resolution=Resolution.VOID, memo=receipt)
    return Intent(
        receipts=(receipt,),
        resolution=Resolution.PAID,
        transfers=tuple(Transfer(row.wallet, row.amount) for row in rows),
        memo=receipt,
    )


def single_intent(receipt: str, transfer: Transfer) -> Intent:
    """Pay one reward alone. A single is never voided: it waits under its one id."""
    return Intent(
        receipts=(receipt,), resolution=Resolution.PAID, transfers=(transfer,), memo=receipt
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
