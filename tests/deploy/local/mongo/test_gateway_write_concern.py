"""The MongoDB of the local stack: write concerns, as a replica set with one member honours them."""

from __future__ import annotations

from typing import Any

import pytest
from pymongo import InsertOne, WriteConcern
from pymongo.errors import BulkWriteError, WriteConcernError

from tests.deploy.local.mongo.gateway_helpers import Documents, code_of

pytestmark = pytest.mark.real

TYPE_MISMATCH, FAILED_TO_PARSE, INVALID_OPTIONS = 14, 9, 72
UNKNOWN_MODE, UNSATISFIABLE = 79, 100


@pytest.mark.parametrize(
    ("concern", "code"),
    [
        (WriteConcern(w=5), UNSATISFIABLE),
        (WriteConcern(w=2, wtimeout=10), UNSATISFIABLE),
        (WriteConcern(w="two data centres"), UNKNOWN_MODE),
    ],
)
def test_an_impossible_write_concern_is_an_error_although_the_write_happened(
    database: Documents, concern: WriteConcern, code: int
) -> None:
    things = database.things.with_options(write_concern=concern)

    with pytest.raises(WriteConcernError) as caught:
        things.insert_one({"_id": 1})

    assert caught.value.code == code
    assert database.things.find_one() == {"_id": 1}


@pytest.mark.parametrize(
    "concern",
    [
        WriteConcern(w="majority"),
        WriteConcern(w="majority", wtimeout=100),
        WriteConcern(w=1, j=True),
        WriteConcern(w=1, j=False),
        WriteConcern(w=1, fsync=True),
    ],
)
def test_a_possible_write_concern_is_met(database: Documents, concern: WriteConcern) -> None:
    things = database.things.with_options(write_concern=concern)

    assert things.insert_one({"_id": 1}).acknowledged
    assert things.update_many({}, {"$set": {"n": 1}}).modified_count == 1


def test_every_write_reports_an_impossible_write_concern(database: Documents) -> None:
    things = database.things.with_options(write_concern=WriteConcern(w=3))
    writes = [
        lambda: things.insert_many([{"_id": 1}, {"_id": 2}]),
        lambda: things.update_one({"_id": 1}, {"$set": {"n": 1}}),
        lambda: things.find_one_and_update({"_id": 1}, {"$set": {"n": 2}}),
        lambda: things.delete_many({}),
        lambda: things.create_index("n"),
        lambda: things.drop(),
    ]

    codes = [error_code(write) for write in writes]

    assert codes == [UNSATISFIABLE] * len(writes)


def error_code(write: Any) -> int | None:
    """The code of a write concern error. A bulk write lists its errors."""
    with pytest.raises((WriteConcernError, BulkWriteError)) as caught:
        write()
    details = caught.value.details or {}
    listed = details.get("writeConcernErrors")
    return int(listed[0]["code"]) if listed else caught.value.code


def test_a_bulk_write_reports_its_errors_beside_the_write_concern(database: Documents) -> None:
    things = database.things.with_options(write_concern=WriteConcern(w=3))

    with pytest.raises(BulkWriteError) as caught:
        things.bulk_write([InsertOne({"_id": 1}), InsertOne({"_id": 1})])

    details = caught.value.details
    assert (details["nInserted"], details["writeErrors"][0]["code"]) == (1, 11000)
    assert details["writeConcernErrors"][0]["code"] == UNSATISFIABLE


@pytest.mark.parametrize(
    ("concern", "code"),
    [
        ({"w": -1}, FAILED_TO_PARSE),
        ({"w": 51}, FAILED_TO_PARSE),
        ({"w": True}, FAILED_TO_PARSE),
        ({"w": None}, FAILED_TO_PARSE),
        ({"w": 1, "j": "yes"}, FAILED_TO_PARSE),
        ({"j": True, "fsync": True}, FAILED_TO_PARSE),
        ({"w": 1, "wtimeout": "soon"}, FAILED_TO_PARSE),
        ({"w": 1, "unknown": 1}, FAILED_TO_PARSE),
        ("majority", TYPE_MISMATCH),
    ],
)
def test_a_malformed_write_concern_is_refused_before_the_write(
    database: Documents, concern: object, code: int
) -> None:
    def write() -> None:
        database.command("insert", "things", documents=[{"_id": 1}], writeConcern=concern)

    assert code_of(write) == code
    assert database.things.find_one() is None


def test_a_read_has_no_write_concern(database: Documents) -> None:
    def read() -> None:
        database.command("find", "things", writeConcern={"w": 1})

    assert code_of(read) == INVALID_OPTIONS


def test_an_unacknowledged_write_reports_nothing_at_all(database: Documents) -> None:
    document = {"_id": 1}
    database.things.insert_one(document)

    reply = database.command("insert", "things", documents=[document], writeConcern={"w": 0})

    assert reply == {"ok": 1.0}
