"""Hand-written proposals, and ideas that no database can store, on both stores."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from bson import ObjectId
from bson.datetime_ms import DatetimeMS

from tests.contracts.paid_weeks import pay_week
from tests.contracts.raw_documents import RawDocuments
from tests.contracts.wiki.voting_town import RAISE
from tests.contracts.wiki.wiki_worlds import ADA, WikiWorld
from worker.adapters.mongo import names
from worker.adapters.mongo.connection import Mongo
from worker.core.errors import Unreachable
from worker.core.identity import MalformedId
from worker.core.money import ONE_TOKEN
from worker.core.wiki.governance import (
    CLOSE_GRACE,
    Choice,
    Proposal,
    ProposalStatus,
    ProposalType,
    ProposalUnusable,
)
from worker.ports.wiki import GovernanceStore
from worker.services.wiki.governance import (
    Idea,
    UnknownProposal,
    cancel,
    get_proposal,
    propose,
    vote,
)
from worker.services.wiki.governance_clock import ProposalsStuck, execute, keep_governance

FEATURE = Idea("More images", ADA, ProposalType.FEATURE_REQUEST)
S = ProposalStatus
LONE = "\udcff"
"""Python's form of an argument's byte that is not UTF-8."""


@pytest.fixture
def rich_world(wiki_world: WikiWorld) -> WikiWorld:
    pay_week(wiki_world.base.store, {ADA: 25_000 * ONE_TOKEN})
    wiki_world.clock.sleep(3600)
    return wiki_world


def odd_document(world: WikiWorld, **fields: Any) -> dict[str, Any]:
    now = world.wiki.now()
    return {
        "_id": ObjectId(), "title": "odd", "proposer_id": ADA, "created_at": now,
        "proposal_type": "parameter_change", "status": "passed", "quorum_required": 1.0,
        "voting_start": now - timedelta(days=2), "voting_end": now - timedelta(days=1),
        "parameters": {}, **fields,
    }  # fmt: skip


def nested(levels: int) -> dict[str, Any]:
    made: dict[str, Any] = {}
    for _ in range(levels):
        made = {"inner": made}
    return made


# --- documents ---------------------------------------------------------------------------------


@pytest.mark.parametrize("status", ["draft", "active", "passed"])
@pytest.mark.parametrize(
    "odd",
    [
        {"parameters": "weekly_pool=5"},
        {"parameters": [1]},
        {"title": 5},
        {"description": {"text": 1}},
        {"voting_end": "soon"},
        {"voting_start": None},
        {"voting_end": DatetimeMS(2**60)},
        {"created_at": 5},
        {"quorum_required_base_units": float("inf")},
        {"execution": "done"},
        {"execution": {"parameter": "weekly_pool"}},
    ],
)
def test_a_proposal_that_nobody_can_read_stops_nothing(
    rich_world: WikiWorld, odd: dict[str, Any], status: str
) -> None:
    document = odd_document(rich_world, **odd, status=status)
    RawDocuments(rich_world).add(names.GOVERNANCE_PROPOSALS, document)
    made = propose(rich_world.wiki, RAISE)
    vote(rich_world.wiki, made.id, ADA, Choice.FOR)
    rich_world.clock.moment = made.voting_end + CLOSE_GRACE

    assert keep_governance(rich_world.wiki).executed == 1

    assert [p.id for p in rich_world.wiki.governance.proposals(list(S))] == [made.id]
    with pytest.raises(UnknownProposal, match="`kontrib check` names those that cannot be read"):
        cancel(rich_world.wiki, str(document["_id"]), "odd")


@pytest.mark.parametrize(
    "parameters",
    [
        {},
        {"parameter_name": ["weekly_pool"], "proposed_value": 5},
        {"parameter_name": "weekly_pool"},
        {"parameter_name": "weekly_pool", "proposed_value": {"a": 1}},
        {"parameter_name": "staking_bonus", "proposed_value": [1]},
        {"parameter_name": "weekly_pool", "proposed_value": float("nan")},
    ],
)
def test_a_change_that_makes_no_sense_waits_and_can_be_cancelled(
    rich_world: WikiWorld, parameters: dict[str, Any]
) -> None:
    document = odd_document(rich_world, parameters=parameters)
    RawDocuments(rich_world).add(names.GOVERNANCE_PROPOSALS, document)
    odd = str(document["_id"])

    assert keep_governance(rich_world.wiki).waiting == 1

    assert get_proposal(rich_world.wiki, odd).reason
    assert cancel(rich_world.wiki, odd, "odd").status is S.CANCELLED


class Failing:
    """A store with an unexpected error for one proposal."""

    def __init__(self, real: GovernanceStore, proposal: Proposal, error: Exception) -> None:
        self._real, self._failing, self._error = real, proposal.id, error

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)

    def change_of(self, proposal_id: str) -> Any:
        if proposal_id == self._failing:
            raise self._error
        return self._real.change_of(proposal_id)


def passed(world: WikiWorld, count: int) -> list[Proposal]:
    made = []
    for _ in range(count):
        made.append(propose(world.wiki, RAISE))
        vote(world.wiki, made[-1].id, ADA, Choice.FOR)
        world.clock.sleep(1)
    world.clock.moment = made[-1].voting_end + CLOSE_GRACE
    return made


def test_a_proposal_that_fails_stops_no_other_and_is_named(rich_world: WikiWorld) -> None:
    first, second = passed(rich_world, 2)
    failing: Any = Failing(rich_world.wiki.governance, first, AttributeError("odd"))

    with pytest.raises(ProposalsStuck, match=f"{first.id}: AttributeError: odd"):
        keep_governance(replace(rich_world.wiki, governance=failing))

    assert get_proposal(rich_world.wiki, first.id).status is S.PASSED
    assert get_proposal(rich_world.wiki, second.id).status is S.EXECUTED


def test_a_database_that_does_not_answer_is_no_fault_of_a_proposal(rich_world: WikiWorld) -> None:
    [only] = passed(rich_world, 1)
    failing: Any = Failing(rich_world.wiki.governance, only, Unreachable("away"))

    with pytest.raises(Unreachable):
        keep_governance(replace(rich_world.wiki, governance=failing))


def test_records_of_changes_that_are_none_hide_no_other(rich_world: WikiWorld) -> None:
    rich_world.set_rules(governance_changes=["odd", {}, {"proposal_id": 5}])
    [made] = passed(rich_world, 1)

    assert keep_governance(rich_world.wiki).executed == 1
    assert rich_world.wiki.governance.change_of(made.id) is not None
    rich_world.set_rules(governance_changes=[])


@pytest.mark.real
def test_the_server_refuses_parameters_that_are_no_object(contract_database: Mongo) -> None:
    from pymongo.errors import WriteError

    now = datetime(2024, 12, 16, tzinfo=UTC)
    document = {
        "title": "odd", "proposer_id": ADA, "proposal_type": "parameter_change",
        "status": "passed", "created_at": now,
    }  # fmt: skip
    proposals = contract_database[names.GOVERNANCE_PROPOSALS]
    for odd in ({"parameters": "weekly_pool=5"}, {"voting_start": "now"}, {"voting_end": 5}):
        with pytest.raises(WriteError):
            proposals.insert_one(document | odd)


# --- ideas -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"title": f"More {LONE}"}, "the title is not UTF-8"),
        ({"description": LONE}, "the description is not UTF-8"),
        ({"parameters": {"amount": 2**64}}, "the data has a number beyond 64 bits"),
        ({"parameters": {"a": [{"b\0": 1}]}}, "the data has a field name with a zero byte"),
        ({"parameters": {LONE: 1}}, "the data is not UTF-8"),
        ({"parameters": {"a": [LONE]}}, "the data is not UTF-8"),
        ({"parameters": nested(300)}, "the data is nested too deeply"),
        ({"voting_start": datetime(9999, 12, 31, tzinfo=UTC)}, "must end before the year 9999"),
        ({"voting_start": datetime(9999, 12, 20, tzinfo=UTC)}, "must end before the year 9999"),
        ({"voting_time": timedelta(days=999_999_999)}, "must end before the year 9999"),
        ({"voting_time": timedelta(days=91)}, "can last 90 days at most"),
    ],
)
def test_what_cannot_be_kept_is_refused_and_changes_nothing(
    rich_world: WikiWorld, changes: Mapping[str, Any], why: str
) -> None:
    with pytest.raises(ProposalUnusable, match=why):
        propose(rich_world.wiki, replace(FEATURE, **changes))
    assert rich_world.wiki.governance.proposals(list(S)) == []


def test_data_that_can_be_kept_comes_back(rich_world: WikiWorld) -> None:
    data = json.loads('{"größe": [1, 9223372036854775807, -1.5, null, {"text": "a\\u0000b"}]}')

    made = propose(rich_world.wiki, replace(FEATURE, title="Größe", parameters=data))

    assert get_proposal(rich_world.wiki, made.id).parameters == data


def test_ids_and_reasons_that_are_not_utf8_have_a_named_error(rich_world: WikiWorld) -> None:
    made = propose(rich_world.wiki, FEATURE)
    with pytest.raises(MalformedId):
        propose(rich_world.wiki, replace(FEATURE, proposer_id=LONE))
    with pytest.raises(MalformedId):
        vote(rich_world.wiki, made.id, LONE, Choice.FOR)
    with pytest.raises(UnknownProposal):
        vote(rich_world.wiki, LONE, ADA, Choice.FOR)
    with pytest.raises(ProposalUnusable, match="reason"):
        cancel(rich_world.wiki, made.id, LONE)
    with pytest.raises(ProposalUnusable, match="signature"):
        execute(rich_world.wiki, replace(made, status=S.PASSED), signature=LONE)
    assert get_proposal(rich_world.wiki, made.id) == made
