"""Distributions and plans of the in-memory store."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from datetime import datetime
from typing import Any

from tests.fakes.store.state import (
    Document,
    Route,
    State,
    StoredPayout,
    StoredReward,
    StoredWeek,
    as_stored,
    to_milliseconds,
)
from worker.adapters.mongo.payout.documents import distribution_of
from worker.adapters.mongo.payout.historic import historic_week_of_rewards
from worker.core.lifecycle import STAGES, Stage, Status, check_transition, status_of
from worker.core.payout.records import Distribution, Payout, PayoutKind, PlanNotes, Reward
from worker.core.plan.commitment import Row
from worker.core.plan.earlier_key import EarlierKey
from worker.core.plan.planned_week import PlannedWeek
from worker.core.plan.totals import NO_TOTALS, plan_totals
from worker.core.week import Week

_MUTABLE = (Stage.DUE, Stage.PLANNED)
_UNTRIED: Document = {"attempts": 0, "next_attempt_at": None, "reason": None, "stopped": False}


class FakePlans:
    """Implements `worker.ports.payout.PlanStore` over `state`."""

    state: State

    def distribution(self, week: Week) -> Distribution | None:
        stored = self.state.weeks.get(week) or self.state.archive.get(week)
        if stored is not None:
            return self._known(stored)
        if not (rewards := self.state.rewards_elsewhere(week)):
            return None
        historic = historic_week_of_rewards(rewards)
        found = Distribution(week, Stage.COMPLETED, plan_id=None, historic=historic)
        return found.since(self.first_week())

    def _known(self, stored: StoredWeek) -> Distribution:
        known = stored.distribution
        if stored.is_plannable and self.state.is_paid_elsewhere(known.week):
            known = distribution_of(stored.facts, archived=known.archived, is_paid=True)
        return known.since(self.first_week())

    def distributions(self) -> list[Distribution]:
        known = [self._known(self.state.weeks[week]) for week in self.state.weeks]
        return sorted([*known, *self._of_rewards_alone()], key=lambda each: each.week)

    def _of_rewards_alone(self) -> list[Distribution]:
        first, weeks = self.first_week(), self.state.weeks_elsewhere()
        last = [week for week in weeks if first is None or week >= first]
        alone = last if first is not None else last[-1:]
        known = {*self.state.weeks, *self.state.archive}
        return [found for w in alone if w not in known and (found := self.distribution(w))]

    def first_week(self) -> Week | None:
        return self.state.first_week.get("genesis")

    def earlier_key(self) -> EarlierKey | None:
        return self.state.earlier_key.get("genesis")

    def record_first_week(self, week: Week, earlier: EarlierKey | None = None) -> None:
        self.state.first_week["genesis"] = week
        self.state.earlier_key.pop("genesis", None)
        if earlier is not None:
            self.state.earlier_key["genesis"] = earlier

    def ensure_distribution(self, week: Week, now: datetime) -> Distribution:
        known, stored = self.distribution(week), self.state.weeks.get(week)
        is_adopted = known and stored and stored.is_plannable and known.historic is None
        if known is not None and not is_adopted:
            return known
        created_at = (known and known.created_at) or to_milliseconds(now)
        created = Distribution(week, Stage.DUE, created_at=created_at)
        self.state.weeks[week] = StoredWeek(created, NO_TOTALS | {"started_at": None})
        return created

    def write_rewards(self, rewards: Sequence[Reward], week: Week, now: datetime) -> None:
        self.ensure_distribution(week, now)
        for reward in rewards:
            route = Route.BATCH if reward.row.batch else Route.WAITING
            stored = StoredReward(reward, week, route, to_milliseconds(now))
            table = self.state.rewards.setdefault(reward.plan_id, {})
            table.setdefault(reward.position, stored)

    def write_payouts(self, payouts: Sequence[Payout], roots: Sequence[bytes]) -> None:
        for payout, root in zip(payouts, roots, strict=True):
            table = self.state.payouts.setdefault(payout.plan_id, {})
            table.setdefault(payout.id, StoredPayout(payout, root))
            if payout.kind is PayoutKind.SINGLE:
                self._route_single(payout)

    def _route_single(self, payout: Payout) -> None:
        stored = self.state.rewards_of(payout.plan_id).get(payout.index)
        if stored is not None:
            self.state.put_reward(replace(stored, route=Route.SINGLE))
            single = self.state.payouts[payout.plan_id][payout.id]
            marked = replace(single, operator_hold=stored.reward.operator_hold)
            wallet = stored.reward.redirected_to or single.payout.wallet
            if not single.payout.status.is_resolved:
                self.state.put_payout(marked, wallet=wallet)

    def rows(self, plan_id: str, positions: range) -> Iterator[Row]:
        stored = self.state.rewards_of(plan_id)
        return (stored[position].reward.row for position in positions if position in stored)

    def batch_roots(self, plan_id: str) -> list[bytes]:
        batches = [
            (stored.payout.index, stored.root)
            for stored in self.state.payouts_of(plan_id).values()
            if stored.payout.kind is PayoutKind.BATCH
        ]
        return [root for _, root in sorted(batches)]

    def install_plan(
        self, plan: PlannedWeek, notes: PlanNotes, *, replacing: str | None, now: datetime
    ) -> bool:
        known = self.ensure_distribution(plan.week, now)
        if known.plan_id == plan.plan_id:
            return True
        if known.plan_id != replacing or known.stage not in _MUTABLE or known.archived:
            return False
        if known.historic is not None:
            return False
        stored = self.state.weeks[plan.week]
        facts = stored.facts | plan_totals(plan.header) | {"notes": _notes(notes)}
        facts["started_at"] = facts["started_at"] or to_milliseconds(now)
        installed = Distribution(
            week=plan.week,
            stage=plan.stage,
            plan_id=plan.plan_id,
            header=plan.header.canonical(),
            root=plan.root,
            held_root=plan.held_root,
            approved=plan.approved,
            created_at=known.created_at,
        )
        self.state.weeks[plan.week] = StoredWeek(installed, facts)
        return True

    def discard_plan(self, plan_id: str) -> None:
        weeks = [*self.state.weeks.values(), *self.state.archive.values()]
        if any(stored.distribution.plan_id == plan_id for stored in weeks):
            return
        self.state.rewards.pop(plan_id, None)
        self.state.payouts.pop(plan_id, None)

    def discard_drafts(self, week: Week, before: datetime) -> None:
        stored = self.state.weeks.get(week)
        if stored is None:
            return
        kept = {stored.distribution.plan_id, *(r.plan_id for r in self.marked_rewards(week))}
        for plan_id, rows in list(self.state.rewards.items()):
            is_old = any(row.week == week and row.created_at < before for row in rows.values())
            if is_old and plan_id not in kept:
                self.discard_plan(plan_id)

    def discard_other_plans(self, week: Week, plan_id: str, *, lost_too: bool = False) -> None:
        """This store loses no documents, so `lost_too` makes no difference."""
        stored = self.state.weeks.get(week)
        if stored is None or stored.distribution.plan_id != plan_id:
            return
        for other in self._plans_of(week) - {plan_id}:
            self.discard_plan(other)

    def reset_week(self, week: Week, now: datetime) -> None:
        self.state.archive.pop(week, None)
        self.state.weeks.pop(week, None)
        self.ensure_distribution(week, now)

    def marked_rewards(self, week: Week) -> list[Reward]:
        if week not in self.state.weeks:
            return []
        stored = [row for rows in self.state.rewards.values() for row in rows.values()]
        rewards = [row.reward for row in stored if row.week == week]
        marked = [r for r in rewards if r.operator_hold or r.redirected_to]
        return sorted(marked, key=lambda reward: (reward.plan_id, reward.position))

    def _plans_of(self, week: Week) -> set[str]:
        """Every plan id that has stored records of the week."""
        stored = [row for rows in self.state.rewards.values() for row in rows.values()]
        ids = {row.reward.plan_id for row in stored if row.week == week}
        for plan_id, payouts in self.state.payouts.items():
            if any(each.payout.week == week for each in payouts.values()):
                ids.add(plan_id)
        return ids

    def advance(
        self, week: Week, plan_id: str, from_stage: Stage, to_stage: Stage, **facts: Any
    ) -> bool:
        check_transition(STAGES, str(week), from_stage, to_stage)
        stored = self.state.weeks.get(week)
        if stored is None:
            return False
        known = stored.distribution
        if known.plan_id != plan_id or known.stage is not from_stage:
            return False
        facts = {name: as_stored(value) for name, value in facts.items()}
        moved = replace(known, **(_UNTRIED | facts), stage=to_stage)
        self.state.weeks[week] = replace(stored, distribution=moved)
        return True

    def record_failure(
        self,
        week: Week,
        *,
        reason: str,
        next_attempt_at: datetime,
        attempts: int,
        stopped: bool,
    ) -> None:
        self._change(
            week,
            reason=reason,
            next_attempt_at=to_milliseconds(next_attempt_at),
            attempts=attempts,
            stopped=stopped,
        )

    def forget_failure(self, week: Week) -> None:
        self._change(week, **_UNTRIED)

    def reserve(self, distribution: Distribution, until: datetime) -> bool:
        stored = self.state.weeks.get(distribution.week)
        if stored is None or not stored.is_ours:
            return False
        known, read_at = stored.distribution, distribution.next_attempt_at
        due = to_milliseconds(read_at) if read_at else None
        if (known.stage, known.next_attempt_at) != (distribution.stage, due):
            return False
        self._change(distribution.week, next_attempt_at=to_milliseconds(until))
        return True

    def approve(self, week: Week, root: bytes) -> bool:
        stored = self.state.weeks.get(week)
        if stored is None or not stored.is_ours or stored.distribution.root != root:
            return False
        self._change(week, approved=True, next_attempt_at=None)
        return True

    def requeue(self, week: Week) -> int:
        distribution, stored = self.distribution(week), self.state.weeks.get(week)
        if distribution is None or stored is None or not stored.is_ours:
            return 0
        waiting = distribution.stopped or distribution.next_attempt_at is not None
        self._change(week, **_UNTRIED)
        if distribution.plan_id is None:
            return int(waiting)
        plan_id = distribution.plan_id
        payouts, rewards = self._requeue_payouts(plan_id), self._requeue_rewards(plan_id)
        return payouts + rewards + int(waiting)

    def _requeue_payouts(self, plan_id: str) -> int:
        stored = self.state.payouts_of(plan_id).values()
        is_unread = [s for s in stored if s.payout.status.is_resolved and s.payout.reason]
        waiting = [*(each for each in stored if each.is_unresolved), *is_unread]
        for each in waiting:
            self.state.put_payout(each, attempts=0, next_attempt_at=None)
        return len(waiting)

    def _requeue_rewards(self, plan_id: str) -> int:
        stored = self.state.rewards_of(plan_id).values()
        waiting = [s for s in stored if s.is_waiting and s.reward.operator_hold is None]
        for each in waiting:
            self.state.put_reward(replace(each, next_attempt_at=None), status=Status.PENDING)
        return len(waiting)

    def record_notes(self, week: Week, **facts: Any) -> None:
        stored = self.state.weeks.get(week)
        if stored is not None and stored.is_ours:
            facts = {name: as_stored(value) for name, value in facts.items()}
            self.state.weeks[week] = replace(stored, facts=stored.facts | facts)

    def notes(self, week: Week) -> Mapping[str, Any]:
        stored = self.state.weeks.get(week) or self.state.archive.get(week)
        return {} if stored is None else _readable(stored)

    def _change(self, week: Week, **facts: Any) -> None:
        stored = self.state.weeks.get(week)
        if stored is not None and stored.is_ours:
            changed = replace(stored.distribution, **facts)
            self.state.weeks[week] = replace(stored, distribution=changed)


def _notes(notes: PlanNotes) -> Document:
    lists = {
        "malformed": [{"_id": each.id, "reason": each.reason} for each in notes.malformed],
        "unusable_stakes": [asdict(each) for each in notes.unusable_stakes],
        "excluded_users": [asdict(each) for each in notes.excluded_users],
        "after_cutoff": list(notes.after_cutoff),
    }
    return asdict(notes) | lists


def _readable(stored: StoredWeek) -> Document:
    known = stored.distribution
    return {
        "week": known.week.id,
        "week_start": known.week.start,
        "week_end": known.week.end,
        "distribution_tx_hash": known.signature,
        "status": status_of(known.stage, stopped=known.stopped).value,
        "completed_at": known.completed_at,
        "created_at": known.created_at,
        "plan_id": known.plan_id,
        "stage": known.stage.value,
        "root": None if known.root is None else known.root.hex(),
        "held_root": None if known.held_root is None else known.held_root.hex(),
        "approved": known.approved,
        "attempts": known.attempts,
        "next_attempt_at": known.next_attempt_at,
        "reason": known.reason,
        "stopped": known.stopped,
        "archived": known.archived,
        **stored.facts,
    }
