"""Findings about configuration changes without a vote, on both stores."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from tests.contracts.wiki.voting_town import PROPOSALS, S, Town
from tests.contracts.wiki.wiki_worlds import ADA, WikiWorld


@pytest.fixture
def town(wiki_world: WikiWorld) -> Town:
    return Town(wiki_world)


def changes_of(town: Town) -> list[dict[str, Any]]:
    document: Any = town.wiki.store.rules_document()
    return copy.deepcopy(document["governance_changes"])


@pytest.fixture
def changed(town: Town) -> Town:
    """The proposal to raise the pool was executed."""
    assert town.close().status is S.EXECUTED
    return town


def test_a_change_whose_record_is_gone(changed: Town) -> None:
    changed.world.set_rules(governance_changes=[])

    assert changed.differences() == {"": "executed / with its change in governance_changes"}


def test_a_change_of_no_proposal(changed: Town) -> None:
    forged = changes_of(changed)[0] | {"proposal_id": "f" * 24, "new": 15_000.0}
    changed.world.set_rules(governance_changes=[forged, *changes_of(changed)])

    assert list(changed.differences()) == [f"proposal {'f' * 24}"]


def test_a_change_that_is_recorded_twice(changed: Town) -> None:
    changed.world.set_rules(governance_changes=changes_of(changed) * 2)

    assert changed.differences() == {"": "2 times in governance_changes / once"}


def test_a_change_to_another_value_than_proposed(changed: Town) -> None:
    other = changes_of(changed)[0] | {"new": 99_000.0}
    changed.world.set_rules(governance_changes=[other], weekly_pool=99_000.0)

    found = changed.differences()

    assert set(found) == {"its change", "execution"}
    assert found["its change"] == (
        f"weekly_pool to 99000.0 by {ADA} / weekly_token_pool to 15000.0 by {ADA}"
    )


def test_a_change_of_a_proposal_that_did_not_pass(changed: Town) -> None:
    changed.raw.change(PROPOSALS, changed.key, status="cancelled")

    assert changed.differences() == {"": "cancelled / executed: its change was made"}


def test_a_change_that_a_crash_left_unmarked_is_no_difference(changed: Town) -> None:
    changed.raw.change(PROPOSALS, changed.key, status="passed", execution=None)

    assert changed.differences() == {}


def test_a_value_that_was_changed_without_a_vote(changed: Town) -> None:
    changed.world.set_rules(weekly_pool=1_000_000.0)

    assert changed.differences() == {
        "system_config.weekly_pool": (f"1000000.0 / 15000.0, set by proposal {changed.proposal.id}")
    }


def test_a_value_that_an_operator_changed_later_is_no_difference(changed: Town) -> None:
    changed.world.clock.pass_days(1)
    changed.world.set_rules(weekly_pool=12_000.0, updated_at=changed.wiki.now())

    assert changed.differences() == {}


def test_changes_that_are_no_list(changed: Town) -> None:
    changed.world.set_rules(governance_changes=["odd", *changes_of(changed)])

    assert set(changed.differences()) == {"proposal None"}
