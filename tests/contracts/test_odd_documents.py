"""Documents that no validator would take, as older programs write them: nothing crashes."""

from __future__ import annotations

import contextlib
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import pytest
from bson import ObjectId
from pymongo.errors import WriteError

from tests.cli.fuzz.damage import Damage
from tests.contracts.store_worlds import NOW, WEEK
from tests.contracts.wiki.wiki_worlds import MongoWikiWorld
from tests.fakes.chain.chain import FakeChain, wallet_named
from tests.fakes.chain.ledger import FakeLedger
from tests.fakes.documents import contribution_document, stake_document, user_document
from tests.fakes.world import FakeClock, MemoryArchive
from worker.adapters.mongo import names
from worker.adapters.mongo.check.store import MongoCheckStore
from worker.adapters.mongo.connection import Mongo
from worker.adapters.mongo.schema.seeds import CONFIG
from worker.adapters.mongo.wiki.dashboard import MongoViews
from worker.core.errors import KontribError
from worker.core.plan.rules import CONFIG_ID
from worker.core.wiki.governance import ProposalStatus
from worker.services.check.everything import check_all
from worker.services.context import Context, Limits
from worker.services.plan.genesis import make_genesis
from worker.services.plan.plan_week import dry_run
from worker.services.week.status import overview
from worker.services.wiki.dashboard import dashboard
from worker.services.wiki.governance_clock import keep_governance
from worker.services.wiki.recount import recount_all
from worker.services.wiki.staking import keep_stakes

ROUNDS, EACH = 10, 40
USERS = [f"{number:024x}" for number in range(10)]


def documents(damage: Damage) -> Iterator[tuple[str, dict[str, Any]]]:
    """Documents of every collection of the wiki's, all of them damaged."""
    day = WEEK.start + timedelta(days=1)
    for number in range(EACH):
        user = damage.random.choice(USERS)
        yield names.CONTRIBUTIONS, contribution_document(user, day, points=10)
        yield names.STAKING_RECORDS, stake_document(user, day - timedelta(days=40))
        yield names.USERS, user_document(f"user {number}", wallet_named(f"user {number}"))
        yield (
            names.ARTICLES,
            {"_id": f"{number:024x}", "demand_score": 1.5, "contribution_count": 1},
        )
        yield names.GOVERNANCE_PROPOSALS, proposal(user, day)


def proposal(user: str, day: datetime) -> dict[str, Any]:
    return {
        "_id": ObjectId(),
        "title": "Raise the pool",
        "description": "",
        "proposer_id": user,
        "proposal_type": "parameter_change",
        "parameters": {"parameter_name": "weekly_pool", "proposed_value": 15000},
        "voting_start": day - timedelta(days=9),
        "voting_end": day,
        "votes_for": 25000.0,
        "votes_against": 0.0,
        "votes_abstain": 0.0,
        "total_voting_power": 25000.0,
        "quorum_required": 20000.0,
        "status": "active",
        "execution_tx_hash": None,
        "created_at": day,
        "updated_at": day,
    }


class OddWiki:
    """A database of odd documents, and everything that reads it."""

    def __init__(self, database: Mongo) -> None:
        self._database = database
        self.world = MongoWikiWorld(database)
        ledger = FakeLedger()
        chain = FakeChain(ledger, transfers_per_transaction=5)
        self.context = Context(
            store=self.world.base.store,
            chain=chain,
            archive=MemoryArchive(),
            clock=FakeClock(NOW, ledger),
            limits=Limits(batches_per_task=100, batches_in_flight=8),
        )
        chain.fund(tokens=10**15, lamports=10**12)
        make_genesis(self.context, WEEK)
        for user in USERS:
            self.world.base.add_user(user_document(ObjectId(user), wallet_named(user)))

    def fill(self, damage: Damage, *, with_rules: bool) -> None:
        for collection, document in documents(damage):
            damaged = damage.document(document)
            # An index of ours may refuse it: then it is in no database.
            with contextlib.suppress(WriteError):
                self._database[collection].insert_one(damaged, bypass_document_validation=True)
        if with_rules:
            rules = damage.document(CONFIG) | {"_id": CONFIG_ID}
            self._database[names.SYSTEM_CONFIG].replace_one(
                {"_id": CONFIG_ID}, rules, bypass_document_validation=True
            )

    def readers(self) -> Iterator[tuple[str, Callable[[], object]]]:
        wiki, store, views = self.world.wiki, self.world.base.store, MongoViews(self._database)
        yield "plan", lambda: dry_run(self.context, WEEK)
        yield "status", lambda: overview(store, self.context.clock.now())
        yield "recount", lambda: recount_all(wiki)
        yield "stakes", lambda: keep_stakes(wiki)
        yield "governance", lambda: keep_governance(wiki)
        yield "proposals", lambda: wiki.governance.proposals(list(ProposalStatus))
        yield "check", lambda: check_all(wiki, MongoCheckStore(self._database), None)
        for user in store.user_ids():
            yield "user", partial(dashboard, wiki, views, user)


@pytest.mark.real
def test_odd_documents_crash_nothing(contract_database: Mongo) -> None:
    crashed, readers, answered = [], set[str](), Counter[str]()
    for seed in range(ROUNDS):
        odd = OddWiki(contract_database)
        odd.fill(Damage(100 + seed), with_rules=seed % 4 == 3)
        try:
            for name, read in odd.readers():
                readers.add(name)
                try:
                    read()
                except KontribError:
                    continue
                except Exception:  # noqa: BLE001 - every other error is a bug, and all are wanted
                    crashed.append(f"{seed}, {name}: {traceback.format_exc(limit=-12)}")
                else:
                    answered[name] += 1
        finally:
            odd.world.restore_rules()
    assert not crashed, "\n".join(crashed)
    assert answered.keys() == readers
