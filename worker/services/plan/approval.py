"""Decides whether a plan waits for an operator before its anchor."""

from __future__ import annotations

from fractions import Fraction

from worker.core.errors import NotReady
from worker.core.plan.fates import Fates
from worker.core.plan.planned_week import PlannedWeek
from worker.core.plan.rules import Rules
from worker.core.week import Week
from worker.ports.payout import Store


class PlanReplaced(NotReady):
    """Somebody planned the week anew while a worker looked at the plan before."""

    def __init__(self, week: Week) -> None:
        super().__init__(f"{week.label} was planned anew. The new plan is looked at next.")


class ApprovalMissing(NotReady):
    """The rules require an approval, and the plan has none yet."""

    def __init__(self, week: Week, root: bytes, why: str = "") -> None:
        super().__init__(
            f"{week.label} is planned and waits for approval{why}. Look at it with `kontrib status "
            f"{week.label}`, then run `kontrib approve {week.label} --root {root.hex()}`. If you "
            f"correct the rules or the data, run `kontrib plan {week.label} --again`."
        )


class MostLeftOut(ApprovalMissing):
    """The plan leaves out most contributions or points: a rule or a type may be mistyped."""

    def __init__(self, week: Week, root: bytes, fates: Fates, limit: Fraction) -> None:
        super().__init__(week, root, f": {most_left_out(fates, limit)}")


def most_left_out(fates: Fates | None, limit: Fraction) -> str:
    """Why a plan that leaves out much waits; empty if it does not."""
    if fates is None or (share := fates.left_out()) <= limit:
        return ""
    return (
        f"{float(share):.1%} of its contributions or points cannot count, more than "
        f"{float(limit):.1%} (system_config.max_left_out): {fates.equation()}; "
        f"{fates.points_left_out:,} points cannot count, {fates.points:,} do"
    )


def check_approved(store: Store, rules: Rules, planned: PlannedWeek) -> None:
    """Check that nothing, or nobody any more, has to look at this plan.

    Plan, approval and notes come from one read, so that they belong together.

    Raises:
        PlanReplaced: the week has another plan now.
        ApprovalMissing, MostLeftOut: an operator must look at the plan first.
    """
    week, root, document = planned.week, planned.root, store.notes(planned.week)
    if document.get("plan_id") != planned.plan_id:
        raise PlanReplaced(week)
    if document.get("approved"):
        return
    fates = Fates.read((document.get("notes") or {}).get("contributions"))
    if fates is None:
        raise ApprovalMissing(week, root, ": nothing shows what it leaves out")
    if fates.left_out() > rules.max_left_out:
        raise MostLeftOut(week, root, fates, rules.max_left_out)
    if rules.require_approval:
        raise ApprovalMissing(week, root)
