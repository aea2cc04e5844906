"""Any calls in any order leave the in-memory and the real store with the same contents.

The simulation checks every promise of this system on the fake. These tests justify that.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from tests.contracts.store_worlds import (
    NOW,
    WEEK,
    FakeStoreWorld,
    MongoStoreWorld,
    make_attempt,
    make_payouts,
    make_plan,
    make_rewards,
    make_single,
)
from tests.fakes.documents import user_document
from worker.adapters.mongo.connection import Mongo
from worker.core.cost import Charge, OtherTransaction, TransactionKind
from worker.core.errors import KontribError
from worker.core.lifecycle import STAGES, PayoutStatus, Stage, Status
from worker.core.money import Lamports
from worker.core.payout.records import (
    Payout,
    PayoutKind,
    PlanNotes,
    Postponement,
    Reward,
    Settlement,
)

PLANS = ("plan", "draft")
EVERYTHING = range(1000)
MINUTES = st.integers(0, 30)
INDEXES = st.integers(0, 9)
MOVES = [(before, after) for before, afters in STAGES.items() for after in sorted(afters)]


class StoreTwins(RuleBasedStateMachine):
    """Makes the same calls to both stores, and compares the answers."""

    def __init__(self, database: Mongo) -> None:
        super().__init__()
        self.database = database

    @initialize(payable=st.integers(0, 7), held=st.integers(0, 3))
    def begin(self, payable: int, held: int) -> None:
        self.fake, self.real = FakeStoreWorld(), MongoStoreWorld(self.database)
        self.now = NOW
        self.rewards = {plan: make_rewards(payable + 1, held, plan_id=plan) for plan in PLANS}
        for world in (self.fake, self.real):
            for reward in self.rewards["plan"]:
                world.add_user(user_document(reward.user_id))
        for plan in PLANS:
            payouts = make_payouts(self.rewards[plan])
            self.both("write_rewards", self.rewards[plan], WEEK, NOW)
            self.both("write_payouts", payouts, [b"r"] * len(payouts))

    def both(self, method: str, *arguments: Any, **options: Any) -> Any:
        """Call a method of both stores; their common answer."""
        answers = []
        for world in (self.fake, self.real):
            try:
                answers.append(getattr(world.store, method)(*arguments, **options))
            except KontribError as error:
                answers.append(str(error))
        assert answers[1] == answers[0]
        return answers[0]

    def payouts(self) -> list[Payout]:
        return self.fake.store.payouts_after("plan", "", 1000)

    def pick(self, index: int) -> Payout | None:
        payouts = self.payouts()
        return payouts[index % len(payouts)] if payouts else None

    def pick_reward(self, index: int) -> Reward | None:
        rewards = self.fake.store.rewards("plan", EVERYTHING)
        return rewards[index % len(rewards)] if rewards else None

    def in_minutes(self, minutes: int) -> datetime:
        return self.now + timedelta(minutes=minutes, microseconds=1500)

    @rule(minutes=MINUTES)
    def time_passes(self, minutes: int) -> None:
        self.now += timedelta(minutes=minutes)

    @rule(plan=st.sampled_from(PLANS), replacing=st.sampled_from([None, *PLANS]))
    def install(self, plan: str, replacing: str | None) -> None:
        made = make_plan(self.rewards[plan])
        self.both("install_plan", made, PlanNotes(late_points=3), replacing=replacing, now=self.now)

    @rule(move=st.sampled_from(MOVES), plan=st.sampled_from(PLANS))
    def advance(self, move: tuple[Stage, Stage], plan: str) -> None:
        self.both("advance", WEEK, plan, *move, signature="sig", completed_at=self.now)

    @rule(minutes=MINUTES, attempts=st.integers(0, 12), stopped=st.booleans())
    def record_failure(self, minutes: int, attempts: int, stopped: bool) -> None:
        self.both(
            "record_failure",
            WEEK,
            reason="short",
            next_attempt_at=self.in_minutes(minutes),
            attempts=attempts,
            stopped=stopped,
        )

    @rule()
    def requeue(self) -> None:
        self.both("requeue", WEEK)

    @rule(first=INDEXES, size=st.integers(0, 9), limit=st.integers(0, 4), minutes=MINUTES)
    def claim(self, first: int, size: int, limit: int, minutes: int) -> None:
        self.both(
            "claim",
            "plan",
            range(first, first + size),
            limit,
            now=self.now,
            until=self.in_minutes(minutes),
        )

    @rule(index=INDEXES)
    def release(self, index: int) -> None:
        if (payout := self.pick(index)) is not None:
            self.both("release", [payout])

    @rule(index=INDEXES, signature=st.sampled_from(["one", "two"]))
    def record_attempt(self, index: int, signature: str) -> None:
        if (payout := self.pick(index)) is not None and not payout.status.is_resolved:
            attempt = make_attempt(signature, self.now)
            self.both("record_attempts", [(payout, attempt)])

    @rule(index=INDEXES)
    def mark_processing(self, index: int) -> None:
        if (payout := self.pick(index)) is not None:
            self.both("mark_processing", [payout])

    @rule(
        indexes=st.sets(INDEXES, max_size=3),
        is_void=st.booleans(),
        known=st.booleans(),
        dated=st.booleans(),
        minutes=MINUTES,
    )
    def settle(
        self, indexes: set[int], is_void: bool, known: bool, dated: bool, minutes: int
    ) -> None:
        chosen = {p.id: p for i in sorted(indexes) if (p := self.pick(i)) is not None}
        settlements = [
            Settlement(
                payout,
                PayoutStatus.VOID
                if is_void and payout.kind is PayoutKind.BATCH
                else PayoutStatus.PAID,
                f"sig of {payout.id}" if known else None,
                9 if known else None,
                Lamports(5000) if known else None,
                known,
                NOW if dated and known else None,
                self.in_minutes(minutes),
            )
            for payout in chosen.values()
        ]
        self.both("settle", settlements, self.now)

    @rule(index=INDEXES)
    def order_void(self, index: int) -> None:
        if (payout := self.pick(index)) is not None:
            self.both("order_void", payout, "asked")

    @rule()
    def forget_failure(self) -> None:
        self.both("forget_failure", WEEK)

    @rule(index=INDEXES, minutes=MINUTES)
    def postpone(self, index: int, minutes: int) -> None:
        if (payout := self.pick(index)) is not None:
            later = Postponement(payout, self.in_minutes(minutes), "timeout")
            self.both("postpone", [later])

    @rule(limit=st.integers(1, 3))
    def pay_alone(self, limit: int) -> None:
        rewards = self.both("rewards_to_pay_alone", "plan", self.now, limit)
        singles = [make_single(reward) for reward in rewards]
        self.both("write_payouts", singles, [b""] * len(singles))

    @rule(index=INDEXES, minutes=MINUTES, failed=st.booleans())
    def set_aside(self, index: int, minutes: int, failed: bool) -> None:
        if (reward := self.pick_reward(index)) is not None:
            status = Status.FAILED if failed else Status.PENDING
            at = self.in_minutes(minutes)
            self.both("set_aside", reward, status, "aside", at)

    @rule(index=INDEXES)
    def redirect(self, index: int) -> None:
        if (reward := self.pick_reward(index)) is not None:
            self.both("redirect", reward, "elsewhere")

    @rule(index=INDEXES, reason=st.sampled_from(["asked", None]))
    def hold(self, index: int, reason: str | None) -> None:
        if (reward := self.pick_reward(index)) is not None:
            self.both("hold", reward, reason)

    @rule(index=INDEXES)
    def make_account(self, index: int) -> None:
        if (reward := self.pick_reward(index)) is not None:
            self.both("mark_accounts_made", [(reward.user_id, f"wallet {index % 2}")], self.now)

    @rule(signature=st.sampled_from("xyz"), fee=st.sampled_from([None, 0, 5000]))
    def account_for(self, signature: str, fee: int | None) -> None:
        sent = OtherTransaction(signature, WEEK, TransactionKind.ACCOUNTS, 7)
        self.both("record_transactions", [sent])
        if fee is not None:
            self.both("record_charges", {signature: Charge(Lamports(fee), Lamports(3 * fee), 1)})

    @rule(plan=st.sampled_from(PLANS))
    def discard(self, plan: str) -> None:
        self.both("discard_plan", plan)

    @rule(plan=st.sampled_from(PLANS))
    def discard_others(self, plan: str) -> None:
        self.both("discard_other_plans", WEEK, plan)

    @rule(odds=st.integers(0, 9))
    def reset(self, odds: int) -> None:
        if odds == 0:  # rarely, since a reset leaves nothing to compare
            self.both("reset_week", WEEK, self.now)

    @invariant()
    def both_look_the_same(self) -> None:
        if not hasattr(self, "fake"):
            return
        self.both("distribution", WEEK)
        self.both("notes", WEEK)
        self.both("marked_rewards", WEEK)
        for plan in PLANS:
            self.both("rewards", plan, EVERYTHING)
            self.both("payouts_after", plan, "", 1000)
            self.both("progress", plan)
            self.both("rewards_to_pay_alone", plan, self.now, 100)
            self.both("unpaid_alone", plan, 3)
            self.both("count_unpaid_alone", plan)
            self.both("open_ranges", plan, 2, self.now)
            self.both("count_processing", plan)
            self.both("count_incomplete", plan)
            for due in (self.now, None):
                self.both("unread", plan, "", 3, due=due)
        self.both("outstanding")
        self.both("other_transactions", WEEK, "", 9)
        self.both("other_charges", WEEK)
        self.both("accounts_made_since", NOW + timedelta(minutes=10))


@pytest.mark.real
def test_the_twins_cannot_be_told_apart(contract_database: Mongo) -> None:
    run_state_machine_as_test(
        lambda: StoreTwins(contract_database),  # type: ignore[arg-type]
        settings=settings(
            max_examples=25,
            stateful_step_count=30,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
