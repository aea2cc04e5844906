"""The owner's documents at the terminal: migrate, check, recount, set aside, roll back."""

from __future__ import annotations

import pytest

from tests.cli.database.test_data_safety_commands import DatabaseSession, database
from tests.contracts.wiki.owner_documents import ARTICLE, USER, owner_documents
from tests.contracts.wiki.test_owner_documents import wiki_of
from worker.adapters.mongo.connection import Mongo
from worker.cli.main import run

__all__ = ["database"]
pytestmark = pytest.mark.real


def kontrib(database: Mongo, *arguments: str) -> int:
    session = DatabaseSession(database)
    session.__dict__["wiki"] = wiki_of(database)
    return run(arguments, session)


@pytest.fixture
def owners(database: Mongo) -> Mongo:
    for name, document in owner_documents().items():
        database[name].insert_one(document)
    return database


def test_the_check_exits_0_before_and_after_a_recount(
    owners: Mongo, capsys: pytest.CaptureFixture[str]
) -> None:
    assert kontrib(owners, "migrate") == 0
    assert kontrib(owners, "check", "--offline") == 0
    shown = capsys.readouterr().out
    assert "from before: stakes" in shown
    assert "staked_tokens: 100.0, expected 1000.0 from the next recount on" in shown
    assert kontrib(owners, "recount") == 0
    assert "staked_tokens was 100, is now 1,000" in capsys.readouterr().out
    assert kontrib(owners, "check", "--offline") == 0


def test_counters_that_are_text_are_counted_or_named(
    owners: Mongo, capsys: pytest.CaptureFixture[str]
) -> None:
    owners.users.update_one({"username": "owner"}, {"$set": {"total_tokens_earned": "250.75"}})
    owners.articles.update_one({"title": "DeFi"}, {"$set": {"contribution_count": "eight"}})

    assert kontrib(owners, "migrate") == 0
    assert f"article {ARTICLE}: contribution_count is 'eight'" in capsys.readouterr().err
    assert kontrib(owners, "recount") == 0
    assert f"article {ARTICLE}, contribution_count is 'eight'" in capsys.readouterr().out
    assert kontrib(owners, "check", "--offline") == 1
    assert f"article {ARTICLE}, contribution_count" in capsys.readouterr().out

    owners.articles.update_one({"title": "DeFi"}, {"$set": {"contribution_count": 8}})
    assert kontrib(owners, "recount") == 0
    assert kontrib(owners, "check", "--offline") == 0
    assert (owners.users.find_one({"username": "owner"}) or {})["total_tokens_earned"] == 250.75


def test_a_rollback_names_the_collections_that_stay(
    database: Mongo,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert kontrib(database, "migrate") == 0
    contribution = owner_documents()["contributions"]
    database.contributions.insert_one(dict(contribution))

    asked = ("migrate", "rollback", "--confirm", database.name, "--no-backup")
    assert kontrib(database, *asked) == 0

    shown = capsys.readouterr().out
    assert "keep collection contributions: 1 of its documents are the wiki's" in shown
    assert "drop collection token_rewards (0 documents)" in shown
    assert list(database.contributions.find({"user_id": USER})) == [contribution]


def test_a_week_of_rewards_alone_is_set_aside(
    owners: Mongo, capsys: pytest.CaptureFixture[str]
) -> None:
    owners.weekly_distributions.delete_many({})
    assert kontrib(owners, "migrate") == 0
    asked = ("migrate", "set-aside", "2024-W50", "--reason", "a trial")

    assert kontrib(owners, *asked) == 0
    said = capsys.readouterr().err
    assert "That system has paid, or may have paid, 1 reward of the week" in said
    assert kontrib(owners, *asked) == 2
