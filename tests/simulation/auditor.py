"""The auditor: checks payments by the chain, the published files and the inputs alone.

It shares no code with the system, and implements the protocol a second time.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any

from tests.simulation.published import PlanRow, PublishedPlan, read_plan

PAID, VOID = 1, 2
_BATCH = re.compile(r"(\d{4}-\d\d-\d\d)/\d{5}")
_SINGLE = re.compile(r"(\d{4}-\d\d-\d\d)/u/([0-9a-f]{64})")
_ANCHOR = re.compile(r"(\d{4}-\d\d-\d\d)/anchor")


@dataclass(slots=True)
class Inputs:
    """The inputs of a history, recorded by the test that made them."""

    receipt_key: str
    receipt_secret: bytes
    pool: int
    finality_slots: int
    former_secrets: dict[str, bytes] = field(default_factory=dict)
    """Former receipt keys, and their secrets."""
    wallets: dict[str, set[str]] = field(default_factory=dict)
    """User id -> every past and present wallet, including an operator's redirects."""
    contributed: dict[str, set[str]] = field(default_factory=dict)
    """Monday's date -> every user with a contribution of that week."""

    def commitments(self, week: str) -> dict[str, str]:
        """User ids by their commitment in the week's plan."""
        found = {}
        for secret in (self.receipt_secret, *self.former_secrets.values()):
            salt = hmac.digest(secret, f"kontrib/1/salt/{week}".encode(), "sha256")
            for user in self.wallets:
                own = hmac.digest(salt, user.encode(), "sha256")
                found[hashlib.sha256(own + user.encode()).hexdigest()] = user
        return found

    def contributors(self, week: str) -> set[str]:
        """Users that the week's plan may pay. Late contributions may be four weeks old."""
        monday = date.fromisoformat(week)
        weeks = [(monday - timedelta(weeks=back)).isoformat() for back in range(5)]
        return set().union(*(self.contributed.get(each, set()) for each in weeks))


@dataclass(frozen=True, slots=True)
class BookedReward:
    """A reward in the database. `reason` is the reason that readers see."""

    week: str
    commitment: str
    amount: int
    status: str
    reason: str | None
    signature: str | None


@dataclass(frozen=True, slots=True)
class BookedWeek:
    week: str
    status: str
    root: str | None
    signature: str | None


@dataclass(frozen=True, slots=True)
class Books:
    """A database as plain facts."""

    weeks: list[BookedWeek] = field(default_factory=list)
    rewards: list[BookedReward] = field(default_factory=list)


@dataclass(slots=True)
class Report:
    """The payments on chain, and the findings about them."""

    findings: list[str] = field(default_factory=list)
    plans: dict[str, PublishedPlan] = field(default_factory=dict)
    anchors: dict[str, Any] = field(default_factory=dict)
    paid: dict[tuple[str, str], str] = field(default_factory=dict)
    """(week, commitment) -> the signature that paid it."""
    moved: Counter[str] = field(default_factory=Counter)


def audit(
    ledger: Any, files: Mapping[str, bytes], inputs: Inputs, books: Iterable[Books] = ()
) -> Report:
    """Every violation in words. An empty list means that everything is right."""
    report = Report()
    landed = sorted(
        (it for it in ledger.landed.values() if it.error is None), key=lambda it: it.slot
    )
    _Chain(landed, files, inputs, report).check()
    for each in books:
        _check_books(each, report)
    return report


class _Chain:
    """Findings from the chain and the published files alone."""

    def __init__(
        self, landed: list[Any], files: Mapping[str, bytes], inputs: Inputs, report: Report
    ) -> None:
        self._landed, self._inputs, self._report = landed, inputs, report
        self._plans = {plan.root: plan for plan in map(read_plan, files.values())}
        self._voids: dict[str, int] = {}

    def check(self) -> None:
        for transaction in self._landed:
            for receipt, address in transaction.request.allocations:
                self._check_address(receipt, address)
                self._see(receipt, transaction)
        for transaction in self._landed:
            if transaction.request.transfers:
                self._payment(transaction)
        for week, moved in self._report.moved.items():
            if moved > self._inputs.pool:
                self._find(f"{week}: {moved} base units were paid, beyond the pool")

    def _find(self, text: str) -> None:
        self._report.findings.append(text)

    def _check_address(self, receipt: str, address: str) -> None:
        seed = hashlib.sha256(f"kontrib/1/{receipt}".encode()).hexdigest()[:32]
        keys = {self._inputs.receipt_key, *self._inputs.former_secrets}
        if address not in {f"receipt/{key}/{seed}" for key in keys}:
            self._find(f"{receipt} allocated {address}, which is not its receipt")

    def _see(self, receipt: str, transaction: Any) -> None:
        if transaction.request.space == VOID:
            self._voids[receipt] = transaction.slot
        if match := _ANCHOR.fullmatch(receipt):
            self._anchor(match[1], transaction)

    # --- anchors and plans ---

    def _anchor(self, week: str, transaction: Any) -> None:
        memo = json.loads(transaction.request.memo)
        if week in self._report.anchors:
            self._find(f"{week} is anchored twice")
        self._report.anchors[week] = transaction
        receipts = {receipt for receipt, _ in transaction.request.allocations}
        if receipts != {f"{week}/anchor", f"{week}/root/{memo['root']}"} or memo["week"] != week:
            self._find(f"{week}: the anchor's receipts are not those of its memo")
        plan = self._plans.get(memo["root"])
        if plan is None:
            self._find(f"{week}: no published file has the anchored root {memo['root']}")
            return
        self._report.plans[week] = plan
        self._check_plan(week, plan, memo)

    def _check_order_of_plans(
        self, week: str, plan: PublishedPlan, memo: Mapping[str, str]
    ) -> None:
        """A plan names the one before it of the same key, and no cut-off goes back in time."""
        before = (date.fromisoformat(week) - timedelta(weeks=1)).isoformat()
        previous, anchors = self._report.plans.get(before), self._report.anchors
        follows = previous is not None and _key_of(anchors[before]) == _key_of(anchors[week])
        if plan.previous_root != (previous.root if previous and follows else ""):
            self._find(f"{week}: the plan does not follow that of {before}")
        if previous and int(memo["cutoff"]) < int(
            json.loads(anchors[before].request.memo)["cutoff"]
        ):
            self._find(f"{week}: the cut-off lies before that of {before}")

    def _check_plan(self, week: str, plan: PublishedPlan, memo: Mapping[str, str]) -> None:
        total = sum(row.amount for row in plan.rows)
        if not total == plan.total == int(memo["total"]) or total not in (0, self._inputs.pool):
            self._find(f"{week}: the rows sum to {total}, the plan and its memo say otherwise")
        if len(plan.by_commitment) != len(plan.rows):
            self._find(f"{week}: somebody is in the plan twice")
        self._check_order_of_plans(week, plan, memo)
        users, contributors = self._inputs.commitments(week), self._inputs.contributors(week)
        for row in plan.rows:
            user = users.get(row.commitment)
            if user not in contributors:
                self._find(f"{week}: {user or row.commitment} has contributed nothing")
            elif row.wallet and row.wallet not in self._inputs.wallets[user]:
                self._find(f"{week}: {row.wallet} was never a wallet of {user}")

    # --- payments ---

    def _payment(self, transaction: Any) -> None:
        request, signature = transaction.request, transaction.signature
        receipts = [receipt for receipt, _ in request.allocations]
        if len(receipts) != 1 or request.space != PAID:
            self._find(f"{signature} moved tokens without a receipt of its own")
        payout = receipts[0] if receipts else request.memo
        match = _BATCH.fullmatch(payout) or _SINGLE.fullmatch(payout)
        plan = self._report.plans.get(match[1]) if match else None
        if match is None or plan is None:
            self._find(f"{signature} paid {payout}, which no anchored plan knows")
            return
        week = match[1]
        self._report.moved[week] += sum(amount for _, amount in request.transfers)
        self._check_order(week, self._report.anchors[week].slot, transaction, "its plan")
        if _BATCH.fullmatch(payout):
            rows = self._batch(week, plan, payout, transaction)
        else:
            rows = self._single(week, plan, match[2], transaction)
        for row in rows:
            self._once(week, row, signature)

    def _once(self, week: str, row: PlanRow, signature: str) -> None:
        key = (week, row.commitment)
        if key in self._report.paid:
            self._find(f"{week}: {row.commitment[:8]} was paid twice, last by {signature}")
        self._report.paid[key] = signature

    def _batch(
        self, week: str, plan: PublishedPlan, payout: str, transaction: Any
    ) -> list[PlanRow]:
        rows = plan.by_batch.get(payout, [])
        owed = sorted((row.wallet, row.amount) for row in rows)
        if owed != sorted(transaction.request.transfers):
            self._find(f"{week}: {payout} moved other amounts than its rows say")
        return rows

    def _single(
        self, week: str, plan: PublishedPlan, commitment: str, transaction: Any
    ) -> list[PlanRow]:
        row = plan.by_commitment.get(commitment)
        if row is None or [amount for _, amount in transaction.request.transfers] != [row.amount]:
            self._find(f"{week}: the single of {commitment[:8]} is not what the plan says")
            return []
        ((wallet, _),) = transaction.request.transfers
        user = self._inputs.commitments(week)[commitment]
        if wallet not in self._inputs.wallets[user]:
            self._find(f"{week}: the single of {user} went to a wallet that was never theirs")
        if row.batch and row.batch not in self._voids:
            self._find(f"{week}: {commitment[:8]} was paid alone, and {row.batch} is not void")
        elif row.batch:
            self._check_order(week, self._voids[row.batch], transaction, row.batch)
        return [row]

    def _check_order(self, week: str, slot: int, transaction: Any, what: str) -> None:
        if transaction.slot < slot + self._inputs.finality_slots:
            self._find(f"{week}: {transaction.signature} moved tokens before {what} was final")


def _key_of(transaction: Any) -> str:
    """The receipt key of a transaction's receipts."""
    return str(transaction.request.allocations[0][1].split("/")[1])


def _check_books(books: Books, report: Report) -> None:
    """Check that the database agrees with the chain about each completed week."""
    for booked in books.weeks:
        if booked.status == "completed":
            _check_closed(booked, [r for r in books.rewards if r.week == booked.week], report)


def _check_closed(booked: BookedWeek, rewards: list[BookedReward], report: Report) -> None:
    week, find = booked.week, report.findings.append
    plan = report.plans.get(week)
    if plan is None or booked.root != plan.root:
        find(f"{week} is closed with a plan that is not the anchored one")
        return
    if booked.signature != report.anchors[week].signature:
        find(f"{week}: the recorded anchor is not the one on chain")
    by_commitment = {reward.commitment: reward for reward in rewards}
    if len(rewards) != len(plan.rows) or by_commitment.keys() != plan.by_commitment.keys():
        find(f"{week}: the database has {len(rewards)} rewards, the plan {len(plan.rows)} rows")
    for commitment, reward in by_commitment.items():
        signature, row = report.paid.get((week, commitment)), plan.by_commitment.get(commitment)
        name = f"{week}: {commitment[:8]}"
        if row is not None and reward.amount != row.amount:
            find(f"{name} is owed {row.amount}, the database says {reward.amount}")
        if (reward.status == "completed") is not (signature is not None):
            find(f"{name} is {reward.status} in the database, paid by {signature} on chain")
        elif signature is not None and reward.signature != signature:
            find(f"{name} was paid by {signature}, the database says {reward.signature}")
        elif signature is None and not reward.reason:
            find(f"{name} is {reward.status} without a reason: forgotten")
