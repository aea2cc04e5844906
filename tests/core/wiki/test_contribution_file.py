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
    contribution_from,
)
from worker.core.wiki.contribution_lines import (
    LINE_BYTES_MAX,
    NotAContributionFile,
    read_records,
)

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
        {"user_id": {"$oid": "507F1F77BCF86CD799439011"}},
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
        ({"type": ...}, "Unknown contribution type"),
        ({"user_id": ...}, "no user_id"),
        ({"user_id": ""}, "no user_id"),
        ({"user_id": 17}, "user_id is not text"),
        ({"article_id": 17}, "article_id is not text"),
        ({"created_at": "yesterday"}, "created_at is not a date"),
        ({"created_at": 1734272400}, "created_at is not a date"),
        ({"created_at": ...}, "created_at is not a date"),
        ({"created_at": "1969-12-31T23:59:59Z"}, "not between 1970 and 2106"),
        ({"created_at": "9999-12-31T23:59:59-12:00"}, "created_at is not a date"),
        ({"quality_multiplier": NAN}, "not finite"),
        ({"quality_multiplier": "1e999"}, "not finite"),
        ({"quality_multiplier": True}, "not a number"),
        ({"quality_multiplier": [1]}, "not a number"),
        ({"description": 17}, "description is not text"),
        ({"description": "\udcff"}, "description is not UTF-8"),
        ({"metadata": [1]}, "metadata is not an object"),
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
    lines = [*json_lines([record()]), b"{" + b" " * LINE_BYTES_MAX]
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


@pytest.mark.parametrize("content", [b"[\n", b"a,b,c\n", b"hello\n", b"\x89PNG\r\n"])
def test_another_kind_of_file_is_refused_as_a_whole(content: bytes) -> None:
    with pytest.raises(NotAContributionFile):
        list(read_records([content]))


def test_an_empty_file_holds_no_record() -> None:
    assert list(read_records([b"\n", b"  \n"])) == []
