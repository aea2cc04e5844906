"""Shows the rewards and the costs of a plan before it is anchored."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from worker.core.lifecycle import Stage
from worker.core.money import BaseUnits
from worker.core.payout.chain import Costs
from worker.core.payout.records import PlanNotes
from worker.core.plan.commitment import Header
from worker.core.plan.ratio import point_to_token_ratio
from worker.core.week import Week
from worker.services.context import Context
from worker.services.plan.draft import Draft
from worker.services.plan.funds import FundsReport, funds_report, plan_need

TOP_REWARDS = 10


@dataclass(frozen=True, slots=True)
class TopReward:
    user_id: str
    points: int
    multiplier: int
    """In millionths."""
    amount: BaseUnits
    wallet: str
    hold: str


@dataclass(frozen=True, slots=True)
class Estimate:
    """Transactions and lamports for paying a plan."""

    anchors: int
    batches: int
    singles: int
    account_creations: int
    new_accounts: int
    receipts_rent: int
    accounts_rent: int
    fees: int

    @property
    def transactions(self) -> int:
        return self.anchors + self.batches + self.singles + self.account_creations

    @property
    def lamports(self) -> int:
        return self.receipts_rent + self.accounts_rent + self.fees


@dataclass(frozen=True, slots=True)
class Preview:
    """A plan for people. `stage` is the week's stage in the database."""

    week: Week
    stage: Stage
    header: Header
    ratio: Fraction
    notes: PlanNotes
    top: Sequence[TopReward]
    estimate: Estimate
    funds: FundsReport


def preview(context: Context, draft: Draft, top: int = TOP_REWARDS) -> Preview:
    """Summarize a draft. Writes nothing."""
    header, known = draft.header, context.store.distribution(draft.week)
    costs = context.chain.costs()
    return Preview(
        week=draft.week,
        stage=known.stage if known else Stage.DUE,
        header=header,
        ratio=point_to_token_ratio(header),
        notes=draft.notes,
        top=[
            TopReward(e.user_id, e.points, e.multiplier, amount, e.wallet, e.hold)
            for e, amount in draft.top(top)
        ],
        estimate=estimate(costs, header, draft.new_accounts),
        funds=funds_report(context, plan_need(costs, header, draft.new_accounts)),
    )


def estimate(costs: Costs, header: Header, new_accounts: int) -> Estimate:
    """Transactions and lamports of a plan. The lamports agree with `week_need`."""
    creations = -(-new_accounts // costs.accounts_per_transaction)
    transactions = 1 + header.batches + header.held + creations
    return Estimate(
        anchors=1,
        batches=header.batches,
        singles=header.held,
        account_creations=creations,
        new_accounts=new_accounts,
        receipts_rent=(2 + header.batches + header.held) * costs.receipt_rent,
        accounts_rent=new_accounts * costs.token_account_rent,
        fees=transactions * costs.fee_per_signature * costs.signatures,
    )
