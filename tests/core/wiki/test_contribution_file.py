"""Records of a file become contributions, or give a reason for the refusal."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime

import pytest

from tests.fakes.wiki.ingest import json_lines, record
from worker.adapters.mongo.schema.seeds import CONFIG
from worker.core.plan.rules import rules_from
from worker.core.wiki.contribution_file import (
    Contribution,
    MalformedRecord,
    Occurrences,
    confirms_points,
    contribution_from,
)
from worker.core.wiki.files.reading import read_records
from worker.core.wiki.files.record import RECORD_BYTES_MAX, NotAContributionFile

RULES = rules_from(CONFIG).points
NAN = float("nan")


def read(values: Mapping[str, object], occurrences: Occurrences | None = None) -> Contribution:
    return contribution_from(values, RULES, occurrences or Occurrences())


def test_the_owners_example_is_worth_540_points() -> None:
    contribution = read(record())
    assert (contribution.base_points, contribution.total_points) == (100, 540)


def test_multipliers_are_clamped_and_the_clamped_ones_are_kept() -> None:
    contribution = read(record(quality_multiplier=9, reputation_multiplier=0.1))
    assert contribution.multipliers == {"quality": 3.0, "reputation": 0.8, "demand": 1.8}
    assert contribution.total_points == 432


@pytest.mark.parametrize(
    ("given", "confirms"),
    [
        (540, True),
        (540.0, True),
        ("540", True),
        ("540.0", True),
        ({"$numberInt": "540"}, True),
        ({"$numberDecimal": "540"}, True),
        (None, True),
        ("", True),
        (541, False),
        ("5400", False),
        ("many", False),
        (True, False),
        ([540], False),
    ],
)
def test_points_of_the_file_are_compared_as_numbers(given: object, confirms: bool) -> None:
    assert confirms_points(read(record(total_points=given))) is confirms


def test_one_date_of_metadata_has_one_form_in_every_mode() -> None:
    forms = [
        {"$date": "2024-12-15T14:20:00Z"},
        {"$date": {"$numberLong": "1734272400000"}},
        {"$date": 1734272400000},
    ]
    found = [read(record(metadata={"seen": form})) for form in forms]
    assert {each.id for each in found} == {found[0].id}
    assert found[0].metadata == {"seen": {"$date": "2024-12-15T14:20:00.000Z"}}


def test_a_missing_multiplier_is_the_default() -> None:
    contribution = read(
        record(quality_multiplier=..., reputation_multiplier=None, demand_multiplier=...)
    )
    assert contribution.total_points == 100


def test_an_id_belongs_to_the_second_of_its_contribution() -> None:
    contribution = read(record())
    seconds = int.from_bytes(bytes.fromhex(contribution.id)[:4])
    assert datetime.fromtimestamp(seconds, UTC) == contribution.created_at


def test_the_same_content_has_the_same_id_in_every_run() -> None:
    assert read(record()).id == read(record()).id
    assert read(record(description="another")).id != read(record()).id


def test_identical_twins_are_two_contributions() -> None:
    first_run, second_run = Occurrences(), Occurrences()
    ids = [read(record(), first_run).id for _ in range(3)]
    assert len(set(ids)) == 3
    assert ids == [read(record(), second_run).id for _ in range(3)]


@pytest.mark.parametrize(
    "same",
    [
        {"quality_multiplier": "2.50"},
        {"created_at": "2024-12-15T15:20:00+01:00"},
        {"created_at": "2024-12-15 14:20:00"},
        {"created_at": {"$date": "2024-12-15T14:20:00Z"}},
        {"created_at": {"$date": {"$numberLong": "1734272400000"}}},
        {"created_at": {"$date": 1734272400000}},
        {"created_at": {"$date": {"$numberLong": 1734272400000}}},
        {"created_at": {"$date": "2024-12-15T09:20:00.000-0500"}},
        {"created_at": 'ISODate("2024-12-15T14:20:00Z")'},
        {"user_id": {"$oid": "507F1F77BCF86CD799439011"}},
        {"user_id": "ObjectId(507f1f77bcf86cd799439011)"},
        {"user_id": 'ObjectId("507F1F77BCF86CD799439011")'},
        {"article_id": {"$oid": "507f1f77bcf86cd799439012"}},
        {"quality_multiplier": {"$numberDouble": "2.5"}},
        {"quality_multiplier": {"$numberDecimal": "2.50"}},
        {"metadata": {"word_count": {"$numberInt": "2500"}}},
        {"metadata": {"word_count": {"$numberLong": "2500"}}},
    ],
)
def test_the_same_content_may_be_written_differently(same: dict[str, object]) -> None:
    assert read(record(**same)).id == read(record()).id


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("507F1F77BCF86CD799439099", "507f1f77bcf86cd799439099"),
        ({"$oid": "507f1f77bcf86cd799439099"}, "507f1f77bcf86cd799439099"),
        ("revision 17", "revision 17"),
    ],
)
def test_an_id_of_the_file_is_kept(given: object, expected: str) -> None:
    assert read(record(_id=given)).id == expected


@pytest.mark.parametrize(
    ("broken", "reason"),
    [
        ({"type": "poem"}, "Unknown contribution type"),
        ({"type": ["creation"]}, "Unknown contribution type"),
        ({"type": ...}, "No contribution type. Use one of: "),
        ({"user_id": ...}, "no user_id"),
        ({"user_id": ""}, "no user_id"),
        ({"user_id": 17}, "user_id is not text"),
        ({"user_id": {"$oid": "507f"}}, "user_id is no ObjectId"),
        ({"user_id": "ObjectId(507f)"}, "user_id is no ObjectId"),
        ({"article_id": 17}, "article_id is not text"),
        ({"created_at": "yesterday"}, "created_at is not a date"),
        ({"created_at": 1734272400}, "created_at is not a date"),
        ({"created_at": "2012123112345"}, "created_at is not a date"),
        ({"created_at": {"$date": None}}, "created_at is not a date"),
        ({"created_at": {"$date": {"$numberLong": "9" * 5000}}}, "created_at is not a date"),
        ({"created_at": {"$date": "2024-12-15", "and": 1}}, "created_at is not a date"),
        ({"created_at": ...}, "created_at is not a date"),
        ({"created_at": "1969-12-31T23:59:59Z"}, "not between 1970 and 2106"),
        ({"created_at": "9999-12-31T23:59:59-12:00"}, "created_at is not a date"),
        ({"quality_multiplier": NAN}, "not finite"),
        ({"quality_multiplier": "1e999"}, "not finite"),
        ({"quality_multiplier": True}, "not a number"),
        ({"quality_multiplier": [1]}, "not a number"),
        ({"description": 17}, "description is not text"),
        ({"description": "\udcff"}, "description is not UTF-8"),
        ({"quality_multiplier": "1,5"}, "quality_multiplier: '1,5' is not"),
        ({"metadata": [1]}, "metadata is not an object"),
        ({"metadata": {"n": {"$numberInt": "1_0"}}}, "a .numberInt that is no number"),
        ({"metadata": {"n": {"$numberLong": " 10"}}}, "a .numberLong that is no number"),
        ({"metadata": {"n": {"$numberLong": "١٠"}}}, "a .numberLong that is no number"),
        ({"metadata": {"n": {"$numberDouble": "1_0.5"}}}, "a .numberDouble that is no number"),
        ({"created_at": {"$date": {"$numberLong": "1_734_272_400_000"}}}, "is not a date"),
        ({"metadata": {"n": {"$numberInt": "x"}}}, "a .numberInt that is no number"),
        ({"metadata": {"n": {"$numberLong": "9223372036854775808"}}}, "beyond 64 bits"),
        ({"metadata": {"n": {"$date": "x"}}}, "metadata is not a date"),
        ({"metadata": {"n": {"$oid": "x"}}}, "metadata is no ObjectId"),
        ({"metadata": {"n": 2**63}}, "beyond 64 bits"),
        ({"metadata": {"a\0b": 1}}, "zero byte"),
        ({"_id": 17}, "_id is not text"),
        ({"_id": ""}, "no _id"),
    ],
)
def test_a_malformed_record_says_why(broken: dict[str, object], reason: str) -> None:
    with pytest.raises(MalformedRecord, match=reason):
        read(record(**broken))


def test_deeply_nested_metadata_is_refused() -> None:
    nested: dict[str, object] = {}
    for _ in range(30):
        nested = {"inner": nested}
    with pytest.raises(MalformedRecord, match="nested too deeply"):
        read(record(metadata=nested))


def test_json_lines_are_read_with_their_numbers() -> None:
    lines = [b"\n", *json_lines([record()]), b"{broken\n", b"[1]\n", b'"text"\n', b"\n"]
    found = list(read_records(lines))
    assert [each.line for each in found] == [2, 3, 4, 5]
    assert [each.problem is None for each in found] == [True, False, False, False]


def test_a_byte_order_mark_is_no_part_of_the_first_record() -> None:
    (first,) = read_records([b"\xef\xbb\xbf" + json_lines([record()])[0]])
    assert first.problem is None


def test_an_endless_line_is_one_malformed_record() -> None:
    lines = [*json_lines([record()]), b"{" + b" " * RECORD_BYTES_MAX]
    assert [each.problem is None for each in read_records(lines)] == [True, False]


def test_csv_gives_the_ids_that_json_gives() -> None:
    header = (
        "user_id,article_id,type,quality_multiplier,reputation_multiplier,demand_multiplier,"
        "description,metadata.word_count,created_at\n"
    )
    row = (
        "507f1f77bcf86cd799439011,507f1f77bcf86cd799439012,creation,2.5,1.2,1.8,"
        "Created comprehensive DeFi guide with examples,2500,2024-12-15T14:20:00Z\n"
    )
    (found,) = read_records([header.encode(), row.encode()])
    assert read(found.values).id == read(record()).id


def test_csv_metadata_may_be_json() -> None:
    metadata = json.dumps({"word_count": 2500}).replace('"', '""')
    lines = [b"user_id,type,created_at,metadata\n", f'u,review,2024-12-09,"{metadata}"\n'.encode()]
    (found,) = read_records(lines)
    assert read(found.values).metadata == {"word_count": 2500}


def test_csv_rows_that_cannot_be_read_are_named_by_their_line() -> None:
    lines = [
        b"user_id,type,created_at,metadata\n",
        b"u,review,2024-12-09\n",
        b"u,review,2024-12-09,{broken\n",
        b'u,review,2024-12-09,"{}"\n',
        b"\n",
    ]
    found = list(read_records(lines))
    assert [each.line for each in found] == [2, 3, 4]
    assert [each.problem is None for each in found] == [False, False, True]


@pytest.mark.parametrize("content", [b"a,b,c\n", b"hello\n", b"\x89PNG\r\n"])
def test_another_kind_of_file_is_refused_as_a_whole(content: bytes) -> None:
    with pytest.raises(NotAContributionFile):
        list(read_records([content]))


def test_an_empty_file_holds_no_record() -> None:
    assert list(read_records([b"\n", b"  \n"])) == []
