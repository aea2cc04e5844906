"""The floor is measured only on a week that was really paid."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pymongo.errors import BulkWriteError

from bench.floor import (
    NotExecuted,
    NotPaidInBatches,
    empty_twin,
    insertion_seconds,
    measure_floor,
)
from bench.synthetic import WEEK, Size, populate
from deploy.local.chain.setup import prepare
from tests.end_to_end.support.cluster import Cluster
from worker.adapters.mongo.schema.differences import index_documents
from worker.adapters.mongo.schema.spec import COLLECTIONS, CollectionSpec, IndexSpec
from worker.services.plan.genesis import make_genesis
from worker.services.week.due import find_work
from worker.services.week.run import do_work

pytestmark = pytest.mark.real

SIZE = Size(users=120, contributions=200)
SPECS = {spec.name: spec for spec in COLLECTIONS}


@pytest.fixture(scope="module")
def paid_week(
    stack_settings: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Cluster]:
    """A week that this process paid; no test may leave it changed."""
    folder: Path = tmp_path_factory.mktemp("paid-week")
    own_keys = prepare(folder / "chain", stack_settings["SOLANA_RPC_URL"])
    cluster = Cluster(folder, {**stack_settings, **own_keys}, WEEK)
    try:
        populate(cluster.database, chain_url(cluster), cluster.context.chain.mint, SIZE)
        make_genesis(cluster.context, WEEK)
        while not cluster.is_closed(WEEK):
            for work in find_work(cluster.context, only=WEEK):
                do_work(cluster.context, work, seconds=30)
        yield cluster
    finally:
        cluster.stop()


@pytest.fixture
def payouts(paid_week: Cluster) -> Iterator[Any]:
    """The week's batches, which a test may falsify."""
    collection = paid_week.database.payout_batches
    before = list(collection.find({"kind": "batch"}))
    yield collection
    for document in before:
        collection.replace_one({"_id": document["_id"]}, document)


def chain_url(cluster: Cluster) -> str:
    return cluster.variables["SOLANA_RPC_URL"]


def test_a_paid_week_has_a_floor_and_leaves_nothing_behind(paid_week: Cluster) -> None:
    collections = set(paid_week.database.list_collection_names())

    floor = measure_floor(paid_week.database, chain_url(paid_week))

    assert floor.rewards == SIZE.users
    assert floor.transactions == 3  # of at most 56 transfers each
    assert floor.seconds == floor.database_seconds + floor.chain_seconds
    assert min(floor.database_seconds, floor.chain_seconds) > 0
    assert set(paid_week.database.list_collection_names()) == collections


def test_there_is_no_floor_if_a_document_is_not_taken(paid_week: Cluster) -> None:
    spec = CollectionSpec("twice", indexes=(IndexSpec((("number", 1),), unique=True),))
    paid_week.database.twice.insert_many([{"number": 1}, {"number": 1}])

    with pytest.raises(BulkWriteError, match="duplicate key"):
        insertion_seconds(paid_week.database, spec)

    paid_week.database.drop_collection("twice")


@pytest.mark.parametrize("name", ["token_rewards", "payout_batches"])
def test_the_collections_it_writes_to_cost_what_the_real_ones_do(
    paid_week: Cluster, name: str
) -> None:
    database = paid_week.database
    with empty_twin(database, SPECS[name]) as twin:
        same = ("name", "key", "unique", "sparse", "partialFilterExpression")
        found, expected = (
            [{field: each.get(field) for field in same} for each in index_documents(database, of)]
            for of in (twin.name, name)
        )
        assert sorted(found, key=str) == sorted(expected, key=str)
        validators = [
            next(database.list_collections(filter={"name": of}))["options"]["validator"]
            for of in (twin.name, name)
        ]
        assert validators[0] == validators[1]


def test_there_is_no_floor_if_a_batch_is_not_settled(paid_week: Cluster, payouts: Any) -> None:
    payouts.update_one({"kind": "batch", "index": 0}, {"$set": {"status": "processing"}})

    with pytest.raises(NotPaidInBatches, match="of 120 rewards"):
        measure_floor(paid_week.database, chain_url(paid_week))


def test_there_is_no_floor_if_a_signature_is_wrong(paid_week: Cluster, payouts: Any) -> None:
    batch = payouts.find_one({"kind": "batch", "index": 1})
    wire = bytearray(batch["attempt"]["wire"])
    wire[-1] ^= 1
    payouts.update_one({"_id": batch["_id"]}, {"$set": {"attempt.wire": bytes(wire)}})

    with pytest.raises(NotExecuted, match="SignatureFailure"):
        measure_floor(paid_week.database, chain_url(paid_week))


def test_there_is_no_floor_if_other_amounts_were_moved(paid_week: Cluster, payouts: Any) -> None:
    payouts.update_one({"kind": "batch", "index": 2}, {"$inc": {"amount_base_units": 1}})

    with pytest.raises(NotExecuted, match="did not move exactly"):
        measure_floor(paid_week.database, chain_url(paid_week))
