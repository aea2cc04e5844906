"""Shows the rewards and the costs of a plan before it is anchored."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from worker.core.lifecycle import Stage
from worker.core.money import BaseUnits
from worker.core.payout.records import PlanNotes
from worker.core.plan.commitment import Header
from worker.core.plan.entrant import Entrant
from worker.core.plan.totals import point_to_token_ratio
from worker.core.week import Week
from worker.core.year_cost import SIZES, YearCost, year_costs
from worker.services.context import Context
from worker.services.plan.draft import Draft
from worker.services.plan.funds import Estimate, FundsReport, estimate, funds_report, plan_need

TOP_REWARDS = 10
HELD_LISTED_MAX = 20


@dataclass(frozen=True, slots=True)
class Preview:
    """A plan for people. `stage` is the week's stage in the database."""

    week: Week
    stage: Stage
    header: Header
    ratio: Fraction
    notes: PlanNotes
    top: Sequence[tuple[Entrant, BaseUnits]]
    """The largest rewards, largest first."""
    held: Sequence[tuple[Entrant, BaseUnits]]
    """The first rewards that the plan holds, by user."""
    estimate: Estimate
    funds: FundsReport
    years: Sequence[tuple[YearCost, YearCost]]
    """A year of weeks of this size, and of each usual size: at the cluster's rent, and at the rent
    of SIMD-0437's last step."""


def preview(context: Context, draft: Draft, top: int = TOP_REWARDS) -> Preview:
    """Summarize a draft. Writes nothing."""
    header, known = draft.header, context.store.distribution(draft.header.week)
    costs = context.chain.costs()
    return Preview(
        week=header.week,
        stage=known.stage if known else Stage.DUE,
        header=header,
        ratio=point_to_token_ratio(header),
        notes=draft.notes,
        top=draft.top(top),
        held=draft.held(HELD_LISTED_MAX),
        estimate=estimate(
            costs, batches=header.batches, held=header.held, new_accounts=draft.new_accounts
        ),
        funds=funds_report(context, plan_need(costs, header, draft.new_accounts)),
        years=year_costs(costs, sorted({header.rewards, *SIZES} - {0})),
    )
