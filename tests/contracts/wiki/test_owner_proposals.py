"""Proposals and stakes of the owner's own, in every status and number type, on both stores."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from bson import Decimal128, Int64, ObjectId
from bson.datetime_ms import DatetimeMS

from tests.contracts.check.test_check_contract import Ports
from tests.contracts.paid_weeks import pay_week
from tests.contracts.raw_documents import RawDocuments
from tests.contracts.store_worlds import WEEK, MongoStoreWorld
from tests.contracts.wiki.wiki_worlds import ADA, BOB, WikiWorld
from worker.adapters.mongo import names
from worker.core.check.report import CheckReport
from worker.core.money import ONE_TOKEN
from worker.core.wiki.governance import (
    CLOSE_GRACE,
    Choice,
    ExecutedElsewhere,
    ProposalStatus,
    ProposalType,
    Votes,
)
from worker.services.check.governance import check_governance
from worker.services.check.stakes import check_stakes
from worker.services.wiki.governance import Idea, cancel, get_proposal, propose, vote
from worker.services.wiki.governance_clock import execute, keep_governance
from worker.services.wiki.recount import recount_all
from worker.services.wiki.staking import keep_stakes

PROPOSALS, STAKES = names.GOVERNANCE_PROPOSALS, names.STAKING_RECORDS
S = ProposalStatus
HASH = "6KqKCKXYrD8ZTbNMqUxvQRAyrZzDsGYdLVL9zYtAWWM"
TALLIES = ("votes_for", "votes_against", "votes_abstain", "total_voting_power", "quorum_required")
NUMBERS: dict[str, Callable[[Any], Any]] = {
    "int": int, "long": Int64, "double": float, "decimal": lambda n: Decimal128(str(n)),
}  # fmt: skip


def proposal(world: WikiWorld, status: str, number: str = "double", **fields: Any) -> Any:
    """The owner's sample: a vote that began a day ago and has six days left."""
    now, made = world.wiki.now(), NUMBERS[number]
    return {
        "_id": ObjectId(),
        "title": "Increase Weekly Reward Pool to 15,000 KONTRIB",
        "description": "Proposal to increase the weekly reward pool",
        "proposer_id": ADA,
        "proposal_type": "parameter_change",
        "parameters": {
            "parameter_name": "weekly_token_pool",
            "current_value": made(10000),
            "proposed_value": made(15000),
        },
        "voting_start": now - timedelta(days=1),
        "voting_end": now + timedelta(days=6),
        "votes_for": made(25000),
        "votes_against": made(8000),
        "votes_abstain": made(2000),
        "total_voting_power": made(35000),
        "quorum_required": made(20000),
        "status": status,
        "execution_tx_hash": None,
        "created_at": now - timedelta(days=1),
        "updated_at": now - timedelta(days=1),
        **fields,
    }


def stake(status: str, number: str = "double", **fields: Any) -> Any:
    """The owner's sample: 90 days that cover many weeks."""
    made = NUMBERS[number]
    start = WEEK.start - timedelta(days=8)
    return {
        "_id": ObjectId(),
        "user_id": ADA,
        "amount": made(1000),
        "duration_days": made(90),
        "apy_rate": 0.12,
        "multiplier": 1.3,
        "start_date": start,
        "end_date": start + timedelta(days=90),
        "status": status,
        "stake_tx_hash": HASH,
        "unstake_tx_hash": None,
        "rewards_earned": 15.5,
        "created_at": start,
        "updated_at": start + timedelta(days=1),
        **fields,
    }


class Wiki:
    """Ada has earned 5,000 KONTRIB, and Bob 30,000, before anything was proposed."""

    def __init__(self, world: WikiWorld) -> None:
        self.world, self.wiki, self.raw = world, world.wiki, RawDocuments(world)
        pay_week(world.base.store, {ADA: 5000 * ONE_TOKEN, BOB: 30_000 * ONE_TOKEN})
        world.clock.pass_days(2)

    def add(self, collection: str, document: Any) -> str:
        self.raw.add(collection, document)
        return str(document["_id"])

    def end_of_vote(self, proposal_id: str) -> ProposalStatus:
        self.world.clock.moment = get_proposal(self.wiki, proposal_id).voting_end + CLOSE_GRACE
        keep_governance(self.wiki)
        return get_proposal(self.wiki, proposal_id).status

    def check(self) -> CheckReport:
        report = CheckReport()
        check_governance(self.wiki, Ports(self.world).check, report)
        check_stakes(self.wiki, Ports(self.world).check, report, is_online=False)
        return report


@pytest.fixture
def wiki(wiki_world: WikiWorld) -> Wiki:
    return Wiki(wiki_world)


def same(found: Any, document: Any) -> None:
    """Every field that was there has the value that it had."""
    for name, value in document.items():
        assert found[name] == as_read(value), name


def as_read(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: as_read(each) for name, each in value.items()}
    return value.to_decimal() if isinstance(value, Decimal128) else value


# --- proposals that a transaction executed ------------------------------------------------------


@pytest.mark.parametrize("number", NUMBERS)
@pytest.mark.parametrize("status", [status.value for status in S])
def test_what_a_transaction_executed_is_never_executed_again_and_never_changed(
    wiki: Wiki, status: str, number: str
) -> None:
    document = proposal(wiki.world, status, number, execution_tx_hash=HASH)
    known = wiki.add(PROPOSALS, document)

    for act in (
        lambda: vote(wiki.wiki, known, ADA, Choice.FOR),
        lambda: cancel(wiki.wiki, known, "late"),
        lambda: execute(wiki.wiki, get_proposal(wiki.wiki, known), signature="other"),
    ):
        with pytest.raises(Exception, match=r"never executed again|cannot become"):
            act()
    keep_governance(wiki.wiki)
    recount_all(wiki.wiki)
    wiki.end_of_vote(known)

    found = wiki.raw.find(PROPOSALS, document["_id"])
    assert set(found) == set(document)
    same(found, document)
    assert wiki.wiki.rules().pool == 10_000 * ONE_TOKEN
    assert wiki.check().is_clean


def test_a_hash_that_arrives_meanwhile_stops_the_execution(wiki: Wiki) -> None:
    document = proposal(wiki.world, "passed")
    known = get_proposal(wiki.wiki, wiki.add(PROPOSALS, document))
    wiki.raw.change(PROPOSALS, {"_id": document["_id"]}, execution_tx_hash=HASH)

    with pytest.raises(ExecutedElsewhere, match=HASH):
        execute(wiki.wiki, known)

    assert wiki.wiki.rules().pool == 10_000 * ONE_TOKEN
    assert not wiki.wiki.governance.move(known.id, S.PASSED, S.EXECUTED)


@pytest.mark.parametrize("number", NUMBERS)
def test_a_passed_proposal_is_executed_once_and_says_by_what(wiki: Wiki, number: str) -> None:
    document = proposal(wiki.world, "passed", number)
    known = wiki.add(PROPOSALS, document)

    assert keep_governance(wiki.wiki).executed == 1
    assert keep_governance(wiki.wiki).executed == 0

    found = get_proposal(wiki.wiki, known)
    assert wiki.wiki.rules().pool == 15_000 * ONE_TOKEN
    assert found.execution is not None
    assert (found.status, found.execution.by) == (S.EXECUTED, "the governance task")
    stored = wiki.raw.find(PROPOSALS, document["_id"])
    assert stored["execution"]["by"] == "the governance task"
    same({**stored, "status": "passed", "updated_at": document["updated_at"]}, document)


def test_the_command_that_executes_stands_in_the_record(wiki: Wiki) -> None:
    known = wiki.add(PROPOSALS, proposal(wiki.world, "passed"))

    done = execute(wiki.wiki, get_proposal(wiki.wiki, known), signature="a signature")

    assert done.execution is not None
    assert done.execution.by == "kontrib execute"
    assert get_proposal(wiki.wiki, known).execution_signature == "a signature"


# --- tallies without votes ----------------------------------------------------------------------


@pytest.mark.parametrize("number", NUMBERS)
def test_the_wikis_tallies_decide_where_nobody_votes_here(wiki: Wiki, number: str) -> None:
    document = proposal(wiki.world, "active", number)
    known = wiki.add(PROPOSALS, document)
    keep_governance(wiki.wiki)
    same(wiki.raw.find(PROPOSALS, document["_id"]), document)

    assert wiki.end_of_vote(known) in (S.PASSED, S.EXECUTED)

    found = get_proposal(wiki.wiki, known)
    assert found.votes == Votes(*(n * ONE_TOKEN for n in (25_000, 8000, 2000)))  # type: ignore[arg-type]
    assert wiki.wiki.rules().pool == 15_000 * ONE_TOKEN


@pytest.mark.parametrize("status", ["draft", "active"])
@pytest.mark.parametrize("kept", [True, False])
def test_votes_add_to_the_wikis_tallies(wiki: Wiki, status: str, kept: bool) -> None:
    known = wiki.add(PROPOSALS, proposal(wiki.world, status))
    if kept:
        keep_governance(wiki.wiki)

    vote(wiki.wiki, known, BOB, Choice.FOR)
    vote(wiki.wiki, known, BOB, Choice.AGAINST)

    found = get_proposal(wiki.wiki, known)
    assert (found.votes.in_favour, found.votes.against) == (25_000 * ONE_TOKEN, 38_000 * ONE_TOKEN)
    assert found.opening == Votes(*(n * ONE_TOKEN for n in (25_000, 8000, 2000)))  # type: ignore[arg-type]
    report = wiki.check()
    assert report.findings == []
    [listed] = report.from_before
    assert "tallies" in listed.subject
    assert "25,000 for, 8,000 against, 2,000 abstaining" in listed.found
    assert wiki.end_of_vote(known) is S.REJECTED


def test_the_base_is_derived_once(wiki: Wiki) -> None:
    known = wiki.add(PROPOSALS, proposal(wiki.world, "active"))
    governance = wiki.wiki.governance
    vote(wiki.wiki, known, ADA, Choice.FOR)

    for _ in range(3):
        governance.keep_opening(known)
        keep_governance(wiki.wiki)

    found = get_proposal(wiki.wiki, known)
    assert found.votes.in_favour == 30_000 * ONE_TOKEN
    assert found.opening is not None
    assert found.opening.in_favour == 25_000 * ONE_TOKEN


def test_a_crash_before_the_base_is_written_loses_no_voter(
    wiki: Wiki, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = wiki.add(PROPOSALS, proposal(wiki.world, "active"))

    def die(proposal_id: str) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as dying:
        dying.setattr(wiki.wiki.governance, "keep_opening", die)
        with pytest.raises(KeyboardInterrupt):
            vote(wiki.wiki, known, ADA, Choice.FOR)

    assert vote(wiki.wiki, known, BOB, Choice.FOR).weight == 30_000 * ONE_TOKEN
    assert get_proposal(wiki.wiki, known).votes.in_favour == 55_000 * ONE_TOKEN


def test_a_proposal_of_ours_has_no_base(wiki: Wiki) -> None:
    made = propose(wiki.wiki, Idea("More images", ADA, ProposalType.FEATURE_REQUEST))
    vote(wiki.wiki, made.id, ADA, Choice.FOR)

    assert get_proposal(wiki.wiki, made.id).opening == Votes()
    assert not any(n.startswith("opening") for n in wiki.raw.find(PROPOSALS, ObjectId(made.id)))
    assert wiki.check().from_before == []


@pytest.mark.parametrize("status", ["rejected", "executed", "cancelled"])
def test_what_the_wiki_ended_stays_as_it_is(wiki: Wiki, status: str) -> None:
    document = proposal(wiki.world, status)
    known = wiki.add(PROPOSALS, document)
    wiki.end_of_vote(known)

    assert wiki.raw.find(PROPOSALS, document["_id"]) == document
    assert wiki.check().is_clean


@pytest.mark.parametrize("odd", [float("nan"), "many", -1.0, Decimal128("NaN"), 1e300])
def test_a_tally_that_is_no_amount_is_named(wiki: Wiki, odd: Any) -> None:
    known = wiki.add(PROPOSALS, proposal(wiki.world, "active", votes_for=odd))
    keep_governance(wiki.wiki)

    [found] = wiki.check().findings
    assert (found.subject, found.found) == (f"proposal {known}", "not readable")


# --- stakes that ended without a date -----------------------------------------------------------

LATER = WEEK.end + timedelta(days=3)
EARLIER = WEEK.start + timedelta(days=3)


@pytest.mark.parametrize("status", ["unstaked_early", "completed"])
@pytest.mark.parametrize(
    ("fields", "covers"),
    [
        ({"updated_at": LATER}, True),
        ({"updated_at": WEEK.end}, True),
        ({"updated_at": EARLIER}, False),
        ({"updated_at": None}, False),
        ({"updated_at": "yesterday"}, False),
        ({"updated_at": EARLIER - timedelta(days=300)}, False),
        ({"updated_at": EARLIER, "unstaked_at": LATER}, True),
        ({"updated_at": DatetimeMS(2**52)}, True),
    ],
)
def test_a_stake_ended_no_later_than_it_was_updated(
    wiki: Wiki, status: str, fields: dict[str, Any], covers: bool
) -> None:
    wiki.add(STAKES, stake(status, **fields))

    found = wiki.world.base.store.stakes_covering(WEEK, [ADA])

    assert len(found) == covers
    at = WEEK.end - timedelta(hours=1)
    power = wiki.wiki.counters.user_tokens([ADA], at=at)[ADA]
    assert power.staked == (1000 * ONE_TOKEN if covers else 0)
    assert wiki.wiki.counters.user_tokens([ADA])[ADA].staked == 0
    report = wiki.check()
    assert report.findings == []
    is_assumed = "unstaked_at" not in fields and not (
        status == "completed" and isinstance(fields["updated_at"], DatetimeMS)
    )
    assert len(report.from_before) == is_assumed


def test_an_active_stake_counts_until_its_end_and_no_longer(wiki: Wiki) -> None:
    document = stake("active", end_date=WEEK.end - timedelta(days=1))
    known = wiki.add(STAKES, document)

    assert wiki.world.base.store.stakes_covering(WEEK, [ADA]) == []
    assert wiki.wiki.counters.user_tokens([ADA], at=WEEK.end)[ADA].staked == 0
    keep_stakes(wiki.wiki)
    found = wiki.wiki.staking.stake(known)
    assert found is not None
    assert found.status.value == "completed"


@pytest.mark.parametrize("number", NUMBERS)
def test_interest_that_the_wiki_counted_is_kept(wiki: Wiki, number: str) -> None:
    document = stake("active", number)
    wiki.add(STAKES, document)

    keep_stakes(wiki.wiki)

    found = wiki.raw.find(STAKES, document["_id"]) if number == "double" else None
    stored = wiki.world.stakes()[0] if found is None else found
    same({**stored, "updated_at": document["updated_at"]}, document)
    assert wiki.check().findings == []


# --- dates and numbers --------------------------------------------------------------------------


@pytest.mark.parametrize(
    "fields",
    [
        {"end_date": DatetimeMS(8_640_000_000_000_000)},
        {"end_date": datetime(9999, 12, 31, tzinfo=UTC)},
        {"end_date": None},
        {"end_date": None, "duration_days": Decimal128("1E+9")},
        {"amount": Decimal128("1000.0"), "multiplier": Decimal128("1.3")},
        {"apy_rate": Decimal128("0.12"), "rewards_earned": Decimal128("15.5")},
    ],
)
def test_a_stake_without_end_or_in_decimals_counts(wiki: Wiki, fields: dict[str, Any]) -> None:
    wiki.add(STAKES, stake("active", **fields))
    wiki.add(STAKES, stake("active", user_id=BOB, stake_tx_hash="another"))

    found = wiki.world.base.store.stakes_covering(WEEK, [ADA, BOB])

    assert sorted(each.user_id for each in found) == sorted([ADA, BOB])
    assert {each.multiplier for each in found} == {Decimal("1.3")}
    assert wiki.wiki.counters.user_tokens([ADA])[ADA].staked == 1000 * ONE_TOKEN
    keep_stakes(wiki.wiki)


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"amount": 0}, "amount is 0"),
        ({"amount": Decimal128("0")}, "amount is 0"),
        ({"amount": "much"}, "not an amount"),
        ({"amount": Decimal128("Infinity")}, "not finite"),
        ({"multiplier": 0}, "multiplier"),
        ({"multiplier": None}, "None"),
        ({"multiplier": Decimal128("NaN")}, "not finite"),
        ({"end_date": "never"}, "end_date is 'never'"),
        ({"end_date": None, "duration_days": None}, "end_date is None"),
        ({"start_date": None}, "start_date is None"),
        ({"status": "frozen"}, "status is 'frozen'"),
    ],
)
def test_a_stake_that_counts_for_nothing_is_named(
    wiki: Wiki, fields: dict[str, Any], reason: str
) -> None:
    known = wiki.add(STAKES, {**stake("active"), **fields})
    store = wiki.world.base.store

    assert store.stakes_covering(WEEK, [ADA]) == []
    [unusable] = store.unusable_stakes(WEEK)
    assert unusable.user_id == ADA
    assert reason in unusable.reason
    named = [*Ports(wiki.world).check.unreadable_stakes(), *wiki.check().findings]
    assert any(known in str(each) for each in named)


@pytest.mark.parametrize("number", NUMBERS)
def test_rules_may_hold_every_type_of_number(wiki: Wiki, number: str) -> None:
    made = NUMBERS[number]
    wiki.world.set_rules(
        weekly_pool=made(12000),
        min_tokens_per_user=made(2),
        multipliers={k: {"min": made(1), "max": made(3), "default": made(1)} for k in KINDS},
        contribution_types={"creation": {"base_points": made(100)}},
        staking_tiers={"30_days": {"apy": made(1), "multiplier": made(2)}},
    )

    rules = wiki.wiki.rules()

    assert (rules.pool, rules.floor) == (12_000 * ONE_TOKEN, 2 * ONE_TOKEN)
    assert rules.points.base_points == {"creation": 100}
    # A vote compares the stored document before it changes it.
    known = wiki.add(PROPOSALS, proposal(wiki.world, "passed", number))
    keep_governance(wiki.wiki)
    assert get_proposal(wiki.wiki, known).status is S.EXECUTED


KINDS = ("quality", "reputation", "demand")


@pytest.mark.real
@pytest.mark.parametrize("number", NUMBERS)
def test_the_server_accepts_the_owners_documents(real_wiki_world: WikiWorld, number: str) -> None:
    assert isinstance(real_wiki_world.base, MongoStoreWorld)
    database = real_wiki_world.base.database
    proposals = [proposal(real_wiki_world, status.value, number) for status in S]
    proposals += [p | {"_id": ObjectId(), "execution_tx_hash": HASH} for p in proposals]
    stakes = [stake(status, number) for status in ("active", "completed", "unstaked_early")]

    database[PROPOSALS].insert_many(proposals)
    database[STAKES].insert_many(stakes)

    readable = real_wiki_world.wiki.governance.proposals(list(S))
    assert len(readable) == len(proposals)
    assert len(real_wiki_world.wiki.staking.stakes_of(ADA)) == len(stakes)
