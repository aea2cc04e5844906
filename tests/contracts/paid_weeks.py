"""Planned and paid weeks, for the counters computed from them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta

from tests.contracts.store_worlds import (
    NOW,
    WEEK,
    make_header,
    make_payouts,
    make_plan,
    make_reward,
)
from worker.core.lifecycle import PayoutStatus, Stage
from worker.core.money import BaseUnits, Lamports
from worker.core.payout.records import PayoutKind, PlanNotes, Reward, Settlement
from worker.core.week import Week
from worker.ports.payout import Store

PAID_AT = NOW + timedelta(minutes=5)


def plan_week(
    store: Store, amounts: Mapping[str, int], *, week: Week = WEEK, plan_id: str = "plan"
) -> list[Reward]:
    """A prepared plan that gives each user an amount in base units."""
    rewards = []
    for position, (user_id, amount) in enumerate(amounts.items()):
        made = make_reward(position, plan_id=plan_id, week=week)
        row = replace(made.row, amount=BaseUnits(amount))
        rewards.append(replace(made, user_id=user_id, row=row))
    store.ensure_distribution(week, NOW)
    store.write_rewards(rewards, week, NOW)
    payouts = make_payouts(rewards, week)
    store.write_payouts(payouts, [b"root"] * len(payouts))
    cutoff = int((week.end + timedelta(hours=1)).timestamp())
    header = replace(make_header(rewards, week), cutoff=cutoff)
    plan = replace(make_plan(rewards, week), header=header)
    assert store.install_plan(plan, PlanNotes(), replacing=None, now=NOW)
    assert store.advance(week, plan_id, Stage.PLANNED, Stage.ANCHORED, signature="anchor-sig")
    assert store.advance(week, plan_id, Stage.ANCHORED, Stage.PREPARED)
    return rewards


def settle_week(store: Store, plan_id: str = "plan", *, batches: int = 1000) -> None:
    """Pay the first batches of a plan."""
    payouts = [p for p in store.payouts_after(plan_id, "", 1000) if p.kind is PayoutKind.BATCH]
    store.settle(
        [
            Settlement(p, PayoutStatus.PAID, f"sig-{p.id}", 7, Lamports(5000), True)
            for p in payouts[:batches]
        ],
        PAID_AT,
    )


def pay_week(store: Store, amounts: Mapping[str, int], *, week: Week = WEEK) -> None:
    """Plan a week with its id as the plan's id, and pay all of it."""
    plan_week(store, amounts, week=week, plan_id=f"plan of {week.id}")
    settle_week(store, f"plan of {week.id}")
