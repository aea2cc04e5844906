"""Safeguards of planning, and of the rows of a plan, that a small week must notice when broken."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta

import pytest
from bson import ObjectId

from tests.fakes.chain.chain import wallet_named
from tests.fakes.documents import stake_document
from tests.fakes.store.state import StoredReward
from tests.fakes.world import WEEK, World, chain_of, store_of, user_id_of
from worker.core.errors import KontribError
from worker.core.lifecycle import Status
from worker.core.money import ONE_TOKEN, BaseUnits
from worker.core.payout.chain import Execution
from worker.services.payout.close import BooksDisagree
from worker.services.payout.pay import PaidOtherThanPlanned
from worker.services.payout.reconcile import reconcile
from worker.services.plan.plan_week import dry_run, plan_week
from worker.services.week.due import find_work
from worker.services.week.run import do_work
from worker.services.week.story import Job, Work
from worker.services.week.unblock import retry_week


@pytest.mark.parametrize(
    ("stakes", "weight"),
    [([99.999], 100), ([100.0], 200), ([40.0, 60.0], 100), ([50.0, 150.0], 200)],
)
def test_only_a_stake_of_at_least_min_stake_raises_a_weight(
    world: World, stakes: list[float], weight: int
) -> None:
    store_of(world.first).set_rules(min_stake=100.0)
    world.add_user("ada")
    world.contribute("ada", 100)
    for amount in stakes:
        stake = stake_document(
            user_id_of("ada"), WEEK.start - timedelta(days=1), amount=amount, multiplier=2.0
        )
        store_of(world.first).add_stake(stake)
    world.genesis()
    (reward,) = dry_run(world.first, WEEK).rewards("plan")
    assert reward.row.weight == weight * 1_000_000


@pytest.mark.parametrize(("weeks_before", "counted"), [(1, 0), (0, 70)])
def test_late_points_from_before_the_first_week_never_count(
    world: World, weeks_before: int, counted: int
) -> None:
    """Another system has paid the weeks before the first one."""
    world.populate(2)
    world.genesis()
    world.run()
    created = WEEK.back(weeks_before).start + timedelta(days=1)
    world.clock.sleep(60)
    world.record("user 0", 70, created_at=created, recorded_at=world.clock.now())
    world.contribute("user 1", 100, week=WEEK.next())
    world.clock.sleep(timedelta(days=7).total_seconds())
    assert plan_week(world.first, WEEK.next()).header.total_points == 100 + counted


def test_changed_held_rows_are_not_paid(world: World) -> None:
    world.populate(2)
    world.add_user("ghost", wallet=None)
    world.contribute("ghost", 300)
    world.genesis()
    world.run()
    state = store_of(world.first).state
    rewards = state.rewards[world.distribution().plan_id or ""]
    position, held = next((p, it) for p, it in rewards.items() if not it.reward.row.batch)
    row = replace(held.reward.row, amount=BaseUnits(held.reward.row.amount * 3))
    rewards[position] = _changed(held, row=row)
    store_of(world.first).set_user_fields(
        ObjectId(user_id_of("ghost")), wallet_address=wallet_named("ghost")
    )
    world.open_account("ghost")
    world.clock.sleep(24 * 3600)
    world.first.store.requeue(WEEK)

    for _ in range(10):
        for work in find_work(world.first):
            try:
                do_work(world.first, work, seconds=600)
            except KontribError:
                break
    world.ledger.finalize()

    assert world.balances(["ghost"]) == {"ghost": 0}
    reward = store_of(world.first).reward(WEEK, user_id_of("ghost"))
    assert reward is not None
    assert reward.status is not Status.COMPLETED


def _changed(stored: StoredReward, **facts: object) -> StoredReward:
    return replace(stored, reward=replace(stored.reward, **facts))  # type: ignore[arg-type]


@pytest.mark.parametrize("more", [-1, 1, ONE_TOKEN])
def test_a_payment_that_took_another_amount_from_the_source_closes_no_week(
    world: World, monkeypatch: pytest.MonkeyPatch, more: int
) -> None:
    """Its transfers are right. Only the source account's decrease shows what else it moved."""
    world.populate(2)
    world.genesis()
    chain, read = chain_of(world.first), chain_of(world.first).executions_of

    def with_more(signatures: Mapping[str, str]) -> dict[str, Execution]:
        found = read(signatures)
        return {
            i: replace(it, source_decrease=BaseUnits(it.source_decrease + more))
            if it.transfers
            else it
            for i, it in found.items()
        }

    monkeypatch.setattr(chain, "executions_of", with_more)
    with pytest.raises(PaidOtherThanPlanned):
        world.run()
    retry_week(world.first.store, WEEK)
    with pytest.raises(BooksDisagree, match="MISMATCH"):
        do_work(world.first, Work(Job.CLOSE, WEEK), seconds=600)
    assert not reconcile(world.first, world.distribution()).is_exact
    monkeypatch.undo()
    assert reconcile(world.first, world.distribution()).is_exact
