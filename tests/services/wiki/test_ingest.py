"""An import adds every well-formed contribution once, even after interruptions at any point."""

from __future__ import annotations

import random
from collections.abc import Sequence

import pytest

from tests.fakes.store.store import FakeStore
from tests.fakes.wiki.ingest import FakeIngestStore, Killed, json_lines, record
from worker.core.plan.rules import MalformedRules
from worker.core.week import Week
from worker.core.wiki.files.reading import read_records
from worker.services.wiki.ingest import MALFORMED_LISTED_MAX, IngestOptions, IngestReport, ingest

WEEK = Week.parse("2024-W50")
REAL_LINES, REAL_TWINS = 66_476, 155
"""The number of contributions in the largest known file, and of equal ones among them."""


class Wiki:
    """A wiki in memory, and a file to import into it."""

    def __init__(self, lines: Sequence[bytes]) -> None:
        self.lines = lines
        self.store = FakeStore()
        self.ingest_store = FakeIngestStore(self.store)

    def run(self, options: IngestOptions | None = None) -> IngestReport:
        return ingest(
            self.store,
            self.ingest_store,
            read_records(self.lines),
            options or IngestOptions(),
            lambda report: None,
        )

    @property
    def ids(self) -> set[object]:
        return set(self.store.state.contributions)


def records(count: int, *, twins: int = 0) -> list[dict[str, object]]:
    chance = random.Random(7)
    made = [
        record(
            user_id=f"{chance.randrange(count // 20 + 1):024x}",
            type=chance.choice(["creation", "major_edit", "minor_edit", "review", "translation"]),
            quality_multiplier=chance.randrange(5, 30) / 10,
            description=f"page {i}",
            created_at=f"2024-12-{9 + i % 7:02}T{i % 24:02}:{i % 60:02}:00Z",
        )
        for i in range(count - twins)
    ]
    return made + made[:twins]


def test_twins_are_kept_and_a_second_run_adds_nothing() -> None:
    wiki = Wiki(json_lines(records(500, twins=20)))
    first, second = wiki.run(), wiki.run()
    assert (first.added, first.known) == (500, 0)
    assert (second.added, second.known) == (0, 500)
    assert len(wiki.ids) == 500


def test_an_import_that_was_killed_goes_on_where_it_stopped() -> None:
    options = IngestOptions(create_users=True, chunk_records=50)
    whole, broken = (
        Wiki(json_lines(records(500, twins=20))),
        Wiki(json_lines(records(500, twins=20))),
    )
    whole.run(options)
    broken.ingest_store.dies_after_chunks = 4
    with pytest.raises(Killed):
        broken.run(options)
    broken.ingest_store.dies_after_chunks = None
    report = broken.run(options)
    assert (report.added, report.known) == (300, 200)
    assert broken.store.state.contributions == whole.store.state.contributions
    assert broken.store.state.users.keys() == whole.store.state.users.keys()


def test_malformed_lines_are_listed_with_their_numbers_and_the_others_imported() -> None:
    lines = json_lines([record(), record(type="poem"), record(description="b")])
    report = Wiki([*lines, b"{broken\n"]).run()
    assert (report.added, report.malformed_count) == (2, 2)
    assert [each.line for each in report.malformed] == [2, 4]
    assert "poem" in report.malformed[0].reason


def test_the_list_of_malformed_lines_is_bounded_and_its_count_is_not() -> None:
    wiki = Wiki([b"{broken\n"] * (MALFORMED_LISTED_MAX + 50))
    report = wiki.run()
    assert report.malformed_count == MALFORMED_LISTED_MAX + 50
    assert len(report.malformed) == MALFORMED_LISTED_MAX


def test_only_one_week_is_imported_and_gets_the_ids_of_a_whole_import() -> None:
    outside = record(created_at="2024-12-16T00:00:00Z")
    lines = json_lines([record(), outside, outside, record()])
    one, whole = Wiki(lines), Wiki(lines)
    report = one.run(IngestOptions(week=WEEK))
    whole.run()
    assert (report.added, report.elsewhere) == (2, 2)
    assert one.ids < whole.ids


def test_weeks_of_what_was_added_are_counted() -> None:
    report = Wiki(json_lines([record(), record(created_at="2024-12-16T00:00:00Z")])).run()
    assert report.weeks == {WEEK: 1, WEEK.next(): 1}


def test_missing_users_are_counted_and_created_only_on_demand() -> None:
    wiki = Wiki(json_lines([record(), record(), record(user_id="somebody else")]))
    assert wiki.run().users_missing == 2
    assert not wiki.store.state.users
    assert wiki.run(IngestOptions(create_users=True)).users_added == 2
    assert wiki.run(IngestOptions(create_users=True)).users_added == 0


def test_wallets_are_given_to_those_who_have_none() -> None:
    wiki = Wiki(json_lines([record(user_id="a"), record(user_id="b"), record(user_id="c")]))
    wiki.store.add_user({"_id": "a", "wallet_address": "their own"})
    wiki.store.add_user({"_id": "b", "wallet_address": ""})
    options = IngestOptions(wallet_of=lambda user_id: f"wallet of {user_id}")
    assert wiki.run(options).wallets_given == 1
    wallets = {u: d["wallet_address"] for u, d in wiki.store.state.users.items()}
    assert wallets == {"a": "their own", "b": "wallet of b"}


def test_users_and_wallets_can_be_made_together() -> None:
    wiki = Wiki(json_lines([record()]))
    options = IngestOptions(create_users=True, wallet_of=lambda user_id: f"wallet of {user_id}")
    report = wiki.run(options)
    assert (report.users_added, report.wallets_given) == (1, 1)


def test_points_are_computed_and_differing_ones_of_the_file_counted() -> None:
    wiki = Wiki(json_lines([record(total_points=540), record(total_points=1_000_000)]))
    report = wiki.run()
    assert report.repriced == 1
    assert {d["total_points"] for d in wiki.store.state.contributions.values()} == {540}


def test_nothing_that_exists_is_changed() -> None:
    lines = json_lines([record(_id="507f1f77bcf86cd799439099")])
    wiki = Wiki(lines)
    wiki.run()
    before = dict(wiki.store.state.contributions)
    wiki.lines = json_lines([record(_id="507f1f77bcf86cd799439099", type="review")])
    wiki.run()
    assert wiki.store.state.contributions == before


def test_an_id_that_comes_twice_is_one_contribution() -> None:
    report = Wiki(json_lines([record(_id="x"), record(_id="x", type="review")])).run()
    assert (report.added, report.known) == (1, 1)


def test_without_rules_nothing_is_imported() -> None:
    wiki = Wiki(json_lines([record()]))
    wiki.store.drop_rules()
    with pytest.raises(MalformedRules):
        wiki.run()
    assert not wiki.ids


def test_the_largest_known_file_is_imported_whole() -> None:
    wiki = Wiki(json_lines(records(REAL_LINES, twins=REAL_TWINS)))
    report = wiki.run(IngestOptions(create_users=True))
    assert report.added == REAL_LINES
