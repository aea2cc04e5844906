"""Six paid weeks with sound books, which tests then change."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

from tests.fakes.chain.chain import wallet_named
from tests.fakes.chain.transactions import token_address
from tests.fakes.check.check_store import FakeCheckStore
from tests.fakes.store.state import StoredPayout, StoredReward, StoredWeek
from tests.fakes.store.store import FakeStore
from tests.fakes.wiki.wiki import wiki_in_memory
from tests.fakes.world import WEEK, World, store_of
from worker.core.check.report import Area
from worker.core.lifecycle import PayoutStatus, Status
from worker.core.payout.records import PayoutKind
from worker.core.plan.commitment import Row
from worker.core.week import Week
from worker.services.check.everything import check_all
from worker.services.context import Deadline
from worker.services.plan.anchor import anchor_week
from worker.services.plan.plan_week import plan_week
from worker.services.wiki.recount import recount_all

WEEKS = 6
GUIDE = "507f1f77bcf86cd799439012"
FROZEN = "user 4"
NEWEST = WEEK.back(1 - WEEKS)
AMOUNT = "amount_base_units"
TABLE = [WEEK, WEEK.next(), NEWEST]
"""An archived week, a week too old to be read back in full, and the newest week."""


class Books:
    """Six paid weeks, five users each; the first week has a void batch and a held reward."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.store: FakeStore = store_of(world.first)
        self.checking = FakeCheckStore(self.store)
        self.wiki = wiki_in_memory(self.store, world.clock)

    def pay(self, week: Week) -> None:
        remaining = week.end + timedelta(hours=1) - self.world.clock.now()
        self.world.clock.sleep(max(0.0, remaining.total_seconds()))
        self.world.run()

    def found(self, *, offline: bool = False) -> list[tuple[Area, str]]:
        report = check_all(self.wiki, self.checking, None if offline else self.world.first)
        return [(each.area, each.subject) for each in report.findings]

    def records(self, *, offline: bool = True) -> list[str]:
        return [what for area, what in self.found(offline=offline) if area is Area.RECORDS]

    # --- changes -----------------

    def plan_id(self, week: Week) -> str:
        return self.world.distribution(week).plan_id or ""

    def reward(self, week: Week, status: Status = Status.COMPLETED) -> StoredReward:
        rewards = self.store.state.rewards[self.plan_id(week)].values()
        return next(stored for stored in rewards if stored.reward.status is status)

    def change_reward(self, stored: StoredReward, **facts: Any) -> str:
        """Change a reward's record, and return the reward's subject in a report."""
        self.store.state.put_reward(stored, **facts)
        return f"{stored.week.label}, reward of {stored.reward.user_id}"

    def change_row(self, stored: StoredReward, **facts: Any) -> Row:
        row = replace(stored.reward.row, **facts)
        self.store.state.put_reward(stored, row=row)
        return row

    def change_fields(self, stored: StoredReward, **fields: Any) -> str:
        key = stored.reward.plan_id, stored.reward.position
        self.checking.changed_rewards[key] = fields
        return f"{stored.week.label}, reward of {stored.reward.user_id}"

    def payout(self, week: Week, kind: PayoutKind = PayoutKind.BATCH) -> StoredPayout:
        payouts = self.store.state.payouts[self.plan_id(week)].values()
        paid = [s for s in payouts if s.payout.status is PayoutStatus.PAID]
        return next(stored for stored in paid if stored.payout.kind is kind)

    def change_week(self, week: Week, facts: dict[str, Any], **changed: Any) -> None:
        table = self.store.state.archive if week == WEEK else self.store.state.weeks
        stored = table[week]
        distribution = replace(stored.distribution, **changed)
        table[week] = StoredWeek(distribution, stored.facts | facts)


def paid_books(world: World) -> Books:
    """Six counted weeks; the first one is archived."""
    made = Books(world)
    world.genesis()
    names = world.populate(5)
    world.add_user("no wallet", wallet=None)
    world.contribute("no wallet", 100)
    made.store.state.articles[GUIDE] = {"_id": GUIDE}
    account = token_address(wallet_named(FROZEN))
    for week in WEEK.until(NEWEST):
        for name in names:
            world.contribute(name, 50, week=week)
        for key, document in list(made.store.state.contributions.items()):
            made.store.state.contributions[key] = document | {"article_id": GUIDE}
        if week == WEEK:
            world.clock.sleep(1)
            plan_then_freeze(made, account)
        made.pay(week)
    assert {s.payout.kind for s in made.store.state.payouts[made.plan_id(WEEK)].values()} == set(
        PayoutKind
    )
    made.store.archive_week(WEEK)
    recount_all(made.wiki)
    return made


def plan_then_freeze(books: Books, account: str) -> None:
    """Freeze a recipient after the anchor, so that the batch has to be voided."""
    plan_week(books.world.first, WEEK, at_once=True)
    anchor_week(books.world.first, WEEK, Deadline(books.world.clock, 600))
    books.world.ledger.change_token_account(account, frozen=True)
    books.world.run()
    books.world.ledger.change_token_account(account, frozen=False)
    books.world.clock.sleep(7 * 3600)
    books.world.run()
