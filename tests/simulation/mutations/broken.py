"""Broken collaborators that each remove one safeguard of the services.

Production code has no switch for them, so the tests patch them in.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import pytest

from tests.fakes.chain.chain import FakeChain
from tests.fakes.store.store import FakeStore
from tests.fakes.world import WEEK
from worker.core.payout.chain import Blockhash, Intent, Landing, SignatureStatus
from worker.core.payout.records import Payout, Reward, Settlement
from worker.core.plan.commitment import Header, Row, Seal
from worker.core.plan.receipts import ReceiptState, state_of
from worker.ports.payout import Signed
from worker.services.context import Context
from worker.services.payout import in_flight, pay, prepare, token_accounts
from worker.services.payout.anchored_rows import AnchoredRows
from worker.services.plan import anchor, plan_week, publish, seal


def sign_payments_without_receipts(patch: pytest.MonkeyPatch) -> None:
    sign = FakeChain.sign

    def bare(self: FakeChain, intents: Sequence[Intent], blockhash: Blockhash) -> list[Signed]:
        return sign(
            self, [replace(i, receipts=()) if i.transfers else i for i in intents], blockhash
        )

    patch.setattr(FakeChain, "sign", bare)


def believe_confirmed(patch: pytest.MonkeyPatch, concerns: Callable[[str], bool]) -> None:
    """Read some receipts before they are final, and report landed ones as final.

    It also takes away the wait for a readable transaction, which is final by then.
    """
    for module in (anchor, in_flight):
        patch.setattr(module, "READ_AGAIN_SECONDS", ())
    receipts, statuses = FakeChain.receipts, FakeChain.statuses

    def hasty(
        self: FakeChain, ids: Sequence[str], *, not_before_slot: int = 0
    ) -> dict[str, ReceiptState]:
        found = receipts(self, ids, not_before_slot=not_before_slot)
        for each in filter(concerns, ids):
            account = self.ledger.account(self.receipt_address(each))
            found[each] = state_of(account.space if account else None)
        return found

    def hasty_statuses(self: FakeChain, signatures: Sequence[str]) -> list[SignatureStatus]:
        final, landed = SignatureStatus(Landing.FINALIZED), (Landing.PENDING, Landing.CONFIRMED)
        seen = statuses(self, signatures)
        return [final if status.landing in landed else status for status in seen]

    patch.setattr(FakeChain, "receipts", hasty)
    patch.setattr(FakeChain, "statuses", hasty_statuses)


def believe_an_anchor_at_once(patch: pytest.MonkeyPatch) -> None:
    believe_confirmed(patch, lambda each: "/root/" in each or each.endswith("/anchor"))


def believe_a_void_at_once(patch: pytest.MonkeyPatch) -> None:
    believe_confirmed(patch, lambda each: each.count("/") == 1 and each[-1].isdigit())


def check_no_rows(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Seal, "check_batch", lambda self, index, rows: list(rows))


def allow_singles_by_wallet(patch: pytest.MonkeyPatch) -> None:
    def any_wallet(rows: AnchoredRows, payouts: Sequence[Payout], prepared: object) -> list[Payout]:
        """Allow a single for every user with a wallet today."""
        return list(payouts)

    patch.setattr(prepare, "_of_void_batches", any_wallet)


def write_plans_blindly(patch: pytest.MonkeyPatch) -> None:
    """Skip reading back the written rows and the published file."""

    def write_and_publish_plan(
        context: Context, header: Header, rewards: Iterator[Reward], plan_id: str
    ) -> Seal:
        written = list(rewards)
        context.store.write_rewards(written, header.week, context.clock.now())
        sealed = seal.seal_of(header, (reward.row for reward in written))
        amounts = [
            sum(r.row.amount for r in written[p.start : p.stop])
            for p in map(header.batch_positions, range(header.batches))
        ]
        rows = seal.stored_rows(context, plan_id, range(header.rewards))
        lines = [header.canonical(), *(row.canonical() for row in rows)]
        context.archive.publish(header.week, sealed.root, lines)
        publish._write_payouts(context, sealed, plan_id, amounts)
        return sealed

    patch.setattr(plan_week, "write_and_publish_plan", write_and_publish_plan)
    patch.setattr(anchor, "check_published", lambda context, sealed: None)


def publish_nothing(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(plan_week, "write_and_publish_plan", publish.write_plan)
    patch.setattr(anchor, "check_published", lambda context, sealed: None)


def read_rows_of_any_plan(patch: pytest.MonkeyPatch) -> None:
    def rows(self: FakeStore, plan_id: str, positions: range) -> Iterator[Row]:
        merged: dict[int, Row] = {}
        for stored in self.state.rewards.values():
            for position, each in stored.items():
                merged.setdefault(position, each.reward.row)
        return (merged[position] for position in positions if position in merged)

    patch.setattr(FakeStore, "rows", rows)


def forget_holds_in_batches(patch: pytest.MonkeyPatch) -> None:
    for module in (anchor, token_accounts):
        patch.setattr(module, "held_in_batches", lambda store, planned: [])


def look_for_no_transaction_again(patch: pytest.MonkeyPatch) -> None:
    for module in (anchor, in_flight):
        patch.setattr(module, "READ_AGAIN_SECONDS", ())
    patch.setattr(Settlement, "missing", None)


def sign_without_funds(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(pay, "first_within_funds", lambda treasury, costs, amounts: len(amounts))


def plan_without_genesis(patch: pytest.MonkeyPatch) -> None:
    for module in (plan_week, anchor):
        patch.setattr(module, "first_week", lambda context: WEEK)
    patch.setattr("worker.services.week.due.first_week", lambda context: WEEK)
