"""Stored plans, payouts and weeks, on both stores."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from bson import ObjectId

from tests.contracts.check.test_check_contract import Ports, contribution
from tests.contracts.paid_weeks import PAID_AT, pay_week, plan_week
from tests.contracts.store_worlds import (
    NOW,
    WEEK,
    make_header,
    make_reward,
    make_single,
)
from tests.contracts.wiki.wiki_worlds import ADA, BOB, ESSAY, GUIDE, WikiWorld
from tests.fakes.chain.chain import FakeChain
from tests.fakes.chain.ledger import FakeLedger
from tests.fakes.check.check_store import FakeCheckStore
from tests.fakes.world import MemoryArchive
from worker.adapters.mongo import names
from worker.adapters.mongo.check.store import MongoCheckStore
from worker.core.check.report import Area, CheckReport
from worker.core.lifecycle import PayoutStatus, Stage
from worker.core.money import ONE_TOKEN, BaseUnits, Lamports
from worker.core.payout.records import PayoutKind, PlanNotes, Settlement
from worker.core.plan.receipts import BatchId, anchor_id
from worker.services.check.records import check_records
from worker.services.context import Context
from worker.services.plan.publish import install_plan, write_plan

PLAN = "plan"


@pytest.fixture
def ports(wiki_world: WikiWorld) -> Ports:
    return Ports(wiki_world)


def change_reward(ports: Ports, position: int, **fields: Any) -> None:
    """Change a document directly in the database."""
    check = ports.check
    if isinstance(check, FakeCheckStore):
        check.changed_rewards[PLAN, position] = fields
        return
    assert isinstance(check, MongoCheckStore)
    check.database[names.TOKEN_REWARDS].update_one(
        {"plan_id": PLAN, "position": position}, {"$set": fields}, bypass_document_validation=True
    )


# --- one by one --------------------------------------------------------------------------------


def test_weeks_with_a_plan_archived_ones_included(wiki_world: WikiWorld, ports: Ports) -> None:
    store, older = wiki_world.wiki.store, WEEK.previous()
    assert ports.check.planned_weeks() == []
    store.ensure_distribution(WEEK.next(), NOW)
    pay_week(store, {ADA: ONE_TOKEN}, week=older)
    pay_week(store, {ADA: ONE_TOKEN})
    wiki_world.base.archive_week(older)

    assert ports.check.planned_weeks() == [older, WEEK]


def test_a_weeks_fields_come_as_they_are_stored(wiki_world: WikiWorld, ports: Ports) -> None:
    store = wiki_world.wiki.store
    assert dict(ports.check.week_fields(WEEK)) == {}
    pay_week(store, {ADA: ONE_TOKEN})
    store.record_notes(WEEK, total_tokens=77.0)

    for _ in range(2):
        fields = ports.check.week_fields(WEEK)
        assert isinstance(fields["_id"], str)
        assert (fields["week_end"], fields["total_tokens"]) == (WEEK.end, 77.0)
        assert (fields["user_count"], fields["distribution_tx_hash"]) == (1, "anchor-sig")
        assert "header" not in fields
        if store.distributions():
            wiki_world.base.archive_week(WEEK)


def test_rewards_come_with_their_rows_and_fields(wiki_world: WikiWorld, ports: Ports) -> None:
    store = wiki_world.wiki.store
    written = plan_week(store, {ADA: ONE_TOKEN, BOB: 2 * ONE_TOKEN, "cara": 3 * ONE_TOKEN})
    change_reward(ports, 1, token_amount=7.5, user_commitment="odd")

    first, second = ports.check.plan_rewards(PLAN, range(2))

    assert (first.position, first.row) == (0, written[0].row)
    assert first.fields["weekly_distribution_id"] == ports.check.week_fields(WEEK)["_id"]
    facts = {"user_id": ADA, "token_amount": 1.0, "staking_multiplier": 1.0, "route": "batch"}
    facts |= {"claimed_at": None, "transaction_signature": None, "slot": None, "late_points": 0}
    assert {name: first.fields[name] for name in facts} == facts
    assert (second.row, second.fields["token_amount"]) == (None, 7.5)
    assert [r.position for r in ports.check.plan_rewards(PLAN, range(1, 100))] == [1, 2]
    assert list(ports.check.plan_rewards("another", range(100))) == []


def test_payouts_come_by_kind_and_index(wiki_world: WikiWorld, ports: Ports) -> None:
    store = wiki_world.wiki.store
    written = plan_week(store, {f"user {i}": ONE_TOKEN for i in range(7)})
    store.write_payouts([make_single(written[5])], [b""])
    batch = next(p for p in store.payouts_after(PLAN, "", 9) if p.kind is PayoutKind.BATCH)
    store.settle([Settlement(batch, PayoutStatus.PAID, "sig", 7, Lamports(5000), True)], PAID_AT)

    def found(kind: PayoutKind, indexes: range) -> list[Mapping[str, object]]:
        return list(ports.check.plan_payouts(PLAN, kind, indexes))

    assert [p["id"] for p in found(PayoutKind.ANCHOR, range(1))] == [anchor_id(WEEK)]
    batches = found(PayoutKind.BATCH, range(3))
    assert [p["id"] for p in batches] == [str(BatchId(WEEK, i)) for i in range(3)]
    names_of_facts = ("status", "signature", "slot", "fee", "verified", "rows_root", "week")
    assert [batches[0][name] for name in names_of_facts] == [
        "paid", "sig", 7, 5000, True, b"root", WEEK.id,
    ]  # fmt: skip
    assert [batches[1][name] for name in names_of_facts[:5]] == ["pending", *[None] * 3, False]
    assert [p["index"] for p in found(PayoutKind.BATCH, range(2, 99))] == [2]
    assert [p["index"] for p in found(PayoutKind.SINGLE, range(7))] == [5]
    assert found(PayoutKind.SINGLE, range(5)) == []


def test_contributors_of_every_form(wiki_world: WikiWorld, ports: Ports) -> None:
    documents = [
        contribution(n, NOW, user_id=form)
        for n, form in enumerate([ADA, ADA, ObjectId(ADA), "nobody", "", 7, [ADA]])
    ]
    odd = contribution(9, NOW, user_id="nobody", total_points="many")
    wiki_world.base.add_contributions([*documents, odd])

    found = sorted((c.user_id, c.contributions, c.points) for c in ports.check.contributors())

    assert found == [(ADA, 1, 100), (ADA, 2, 200), ("nobody", 2, 100)]


def test_what_has_no_time_of_recording(wiki_world: WikiWorld, ports: Ports) -> None:
    wiki_world.base.add_contributions(
        [
            contribution(1, WEEK.start),
            contribution(2, WEEK.start, _id="import 1"),
            contribution(3, WEEK.end, _id="import 2"),
            {**contribution(4, WEEK.start, _id=17), "created_at": "yesterday"},
            {**contribution(5, WEEK.start, _id=18), "created_at": [WEEK.start]},
        ]
    )

    found = ports.check.without_recording(made_from=WEEK.start, made_before=WEEK.end)

    assert [c.id for c in found] == ["import 1"]


def test_shares_of_articles(wiki_world: WikiWorld, ports: Ports) -> None:
    counters = wiki_world.wiki.counters
    counters.write_article_rewards(WEEK, {GUIDE: BaseUnits(1), ESSAY: BaseUnits(2)}, [])
    counters.write_article_rewards(WEEK.previous(), {GUIDE: ONE_TOKEN}, [])

    assert ports.check.article_weeks() == [WEEK.previous().start, WEEK.start]
    (share,) = ports.check.article_shares(WEEK.previous().start)
    assert (share["article_id"], share["token_amount"]) == (GUIDE, 1.0)
    assert share["amount_base_units"] == ONE_TOKEN
    assert len(list(ports.check.article_shares(WEEK.start))) == 2
    assert list(ports.check.article_shares(WEEK.end)) == []


# --- a whole plan ------------------------------------------------------------------------------


def sealed_plan(world: WikiWorld) -> None:
    """A plan of seven batched rewards and a held one, with its true roots."""
    context = Context(
        store=world.wiki.store,
        chain=FakeChain(FakeLedger()),
        archive=MemoryArchive(),
        clock=world.clock,
    )
    rewards = [make_reward(position, held=position == 7) for position in range(8)]
    header = replace(make_header(rewards), cutoff=int((WEEK.end + timedelta(hours=1)).timestamp()))

    seal = write_plan(context, header, iter(rewards), PLAN)
    assert install_plan(context, seal, PlanNotes(), PLAN, replacing=None)


def pay_plan(world: WikiWorld) -> None:
    """An anchored week: a void batch with two singles."""
    store = world.wiki.store
    paid = (PayoutStatus.PAID, "sig", 7, Lamports(5000), True)
    void, first, last, anchor = store.payouts_after(PLAN, "", 9)
    store.settle([Settlement(anchor, PayoutStatus.PAID, "anchor", 6, Lamports(1), True)], PAID_AT)
    assert store.advance(WEEK, PLAN, Stage.PLANNED, Stage.ANCHORED, signature="anchor")
    assert store.advance(WEEK, PLAN, Stage.ANCHORED, Stage.PREPARED)
    store.settle(
        [
            Settlement(void, PayoutStatus.VOID, "void", 7, Lamports(5000), True),
            Settlement(first, *paid),
            Settlement(last, *paid),
        ],
        PAID_AT,
    )
    singles = [make_single(reward) for reward in store.rewards(PLAN, range(2))]
    store.write_payouts(singles, [b""] * 2)
    store.settle([Settlement(singles[0], *paid)], PAID_AT)
    assert store.advance(WEEK, PLAN, Stage.PREPARED, Stage.COMPLETED, completed_at=PAID_AT)


def records(world: WikiWorld, ports: Ports) -> list[str]:
    report = CheckReport()
    check_records(world.wiki, ports.check, None, (), report)
    assert {d.area for d in report.findings} <= {Area.RECORDS}
    return [each.subject for each in report.findings]


def test_a_sound_plan_has_no_difference_at_any_stage(wiki_world: WikiWorld, ports: Ports) -> None:
    sealed_plan(wiki_world)
    assert records(wiki_world, ports) == []
    pay_plan(wiki_world)
    assert records(wiki_world, ports) == []
    wiki_world.base.archive_week(WEEK)
    assert records(wiki_world, ports) == []


def test_a_plan_that_was_changed_is_named(wiki_world: WikiWorld, ports: Ports) -> None:
    sealed_plan(wiki_world)
    pay_plan(wiki_world)
    change_reward(ports, 4, amount_base_units=5, claimed_at=None)

    of_reward = f"{WEEK.label}, reward of user-00004"
    assert records(wiki_world, ports) == [
        f"{of_reward}, token_amount",
        f"{of_reward}, claimed_at",
        f"payout {BatchId(WEEK, 1)}, rows_root",
        f"{WEEK.label}, sum of the rows, total_amount",
    ]
