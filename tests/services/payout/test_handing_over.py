"""A worker that must end and a worker with a lagging endpoint do no harm."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from tests.fakes.chain.chain import wallet_named
from tests.fakes.chain.transactions import token_address
from tests.fakes.world import WEEK, World
from worker.core.lifecycle import PayoutStatus, Status
from worker.core.money import ONE_TOKEN
from worker.core.payout.chain import Recipient
from worker.services.payout import in_flight
from worker.services.plan.plan_week import plan_week
from worker.services.week.due import find_work
from worker.services.week.run import do_work
from worker.services.week.story import Job, Work

POOL = 10_000 * ONE_TOKEN


class LaggingRecipients:
    """A chain with an endpoint that does not show new token accounts yet."""

    def __init__(self, chain: Any) -> None:
        self._chain = chain

    def __getattr__(self, name: str) -> Any:
        return getattr(self._chain, name)

    def recipients(self, wallets: Sequence[str]) -> list[Recipient]:
        return [replace(r, account_exists=False) for r in self._chain.recipients(wallets)]


def prepared(world: World) -> Work:
    """Bring a week to its payments, and return the work that pays them."""
    world.genesis()
    while True:
        (work,) = find_work(world.first)
        if work.job is Job.PAY:
            return work
        world.do(world.first, work)


def statuses(world: World) -> dict[PayoutStatus, int]:
    plan_id = world.distribution().plan_id or ""
    return {s: n for s, n in world.first.store.batch_counts(plan_id).items() if n}


def test_a_worker_that_was_asked_to_end_leaves_its_payments_to_the_next_at_once(
    world: World,
) -> None:
    names = world.populate(6)
    work = prepared(world)
    looks = iter([False, True])

    done = do_work(world.first, work, seconds=600, stopping=lambda: next(looks, True))

    assert done.again
    assert statuses(world) == {PayoutStatus.PROCESSING: 2}
    assert find_work(world.first) == [work]
    world.run()
    assert sum(world.balances(names).values()) == POOL


class Looks:
    """A clock that records the rewards as readers see them, whenever a worker waits."""

    def __init__(self, world: World) -> None:
        self._world, self.seen = world, list[set[Status]]()

    def now(self) -> datetime:
        return self._world.clock.now()

    def sleep(self, seconds: float) -> None:
        self.seen.append(rewards(self._world))
        self._world.clock.sleep(seconds)


def rewards(world: World) -> set[Status]:
    tallies = world.first.store.progress(world.distribution().plan_id or "").rewards
    return {status for status, tally in tallies.items() if tally.count}


def test_rewards_are_not_marked_while_the_chain_finalizes_them_in_its_usual_time(
    world: World,
) -> None:
    world.populate(6)
    work, looks = prepared(world), Looks(world)

    do_work(replace(world.first, clock=looks), work, seconds=600)

    assert looks.seen
    assert all(seen == {Status.PENDING} for seen in looks.seen)
    assert rewards(world) == {Status.COMPLETED}


def test_rewards_are_processing_while_the_chain_takes_unusually_long(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(in_flight, "MARKED_AFTER", timedelta())
    world.populate(6)
    work, looks = prepared(world), Looks(world)

    do_work(replace(world.first, clock=looks), work, seconds=600)

    assert looks.seen
    assert all(seen == {Status.PROCESSING} for seen in looks.seen)
    assert rewards(world) == {Status.COMPLETED}


def test_rewards_that_another_worker_signed_are_settled_and_not_marked(world: World) -> None:
    """The other worker may be slow rather than dead, and settle these rewards at this moment."""
    world.populate(6)
    work, looks = prepared(world), iter([False, True])
    do_work(world.first, work, seconds=600, stopping=lambda: next(looks, True))
    assert rewards(world) == {Status.PENDING}

    clock = Looks(world)
    do_work(replace(world.first, clock=clock), work, seconds=600)

    assert clock.seen[0] == {Status.PENDING}
    assert rewards(world) == {Status.COMPLETED}


def test_accounts_that_a_lagging_endpoint_does_not_show_yet_are_paid(world: World) -> None:
    names = world.populate(6)
    work = prepared(world)

    do_work(replace(world.first, chain=LaggingRecipients(world.first.chain)), work, seconds=600)

    assert statuses(world) == {PayoutStatus.PAID: 2}
    assert sum(world.balances(names).values()) == POOL


def test_a_batch_is_void_once_the_chain_refused_it_for_an_account_that_was_closed(
    world: World,
) -> None:
    names = world.populate(6)
    world.genesis()
    plan_week(world.first, WEEK)
    world.ledger.put_token_account(token_address(wallet_named(names[0])), None)
    world.clock.sleep(20)

    world.run()

    refused = [landed for landed in world.ledger.landed.values() if landed.error is not None]
    assert len(refused) == 1
    assert statuses(world)[PayoutStatus.VOID] == 1
    assert sum(world.balances(names).values()) == POOL
