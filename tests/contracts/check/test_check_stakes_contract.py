"""Findings about altered stakes and users, on both stores."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from bson import Int64, ObjectId

from tests.contracts.check.test_check_contract import Ports, contribution
from tests.contracts.paid_weeks import pay_week
from tests.contracts.raw_documents import RawDocuments
from tests.contracts.wiki.wiki_worlds import ADA, BOB, WikiWorld
from tests.fakes.wiki.staking import FakeTransfers
from worker.adapters.mongo import names
from worker.core.check.report import Area, CheckReport
from worker.core.errors import Unreachable
from worker.core.money import ONE_TOKEN, BaseUnits
from worker.core.wiki.stake_record import StakeRecord
from worker.core.wiki.stored_counters import REPUTATION_WRITTEN
from worker.ports.check import CheckStore
from worker.ports.wiki import FoundTransfer
from worker.services.check.people import check_people
from worker.services.check.stakes import check_stakes
from worker.services.wiki.recount import recount_all
from worker.services.wiki.staking import keep_stakes, stake, unstake

STAKES = names.STAKING_RECORDS
VAULT, WALLET = "the vault", "ada's wallet"


class Staked:
    """Ten days ago, Ada staked 500 of her 1,000 KONTRIB for 30 days."""

    def __init__(self, world: WikiWorld) -> None:
        self.world, self.wiki, self.raw = world, world.wiki, RawDocuments(world)
        self.store: CheckStore = Ports(world).check
        self.transfers = FakeTransfers()
        pay_week(world.base.store, {ADA: 1000 * ONE_TOKEN})
        world.clock.sleep(3600)
        self.made: StakeRecord = stake(self.wiki, ADA, 500, 30)
        self.pass_days(10)

    def pass_days(self, days: float) -> None:
        self.world.clock.pass_days(days)
        keep_stakes(self.wiki)

    def change(self, **fields: Any) -> None:
        self.raw.change(STAKES, {"_id": ObjectId(self.made.id)}, **fields)

    def with_vault(self) -> None:
        self.wiki = replace(self.wiki, vault=VAULT, transfers=self.transfers)

    def stands_on(self, signature: str, *transfers: tuple[str, int]) -> None:
        """Let the stake name a transaction that moved these amounts to these wallets."""
        self.change(stake_tx_hash=signature, transfer_key=signature)
        self.transfers.known[signature] = [
            FoundTransfer(WALLET, "a token account", to, BaseUnits(amount * ONE_TOKEN))
            for to, amount in transfers
        ]

    def differences(self, *, is_online: bool = True) -> dict[str, str]:
        """The found and the expected value by field of the stake."""
        report = CheckReport()
        check_stakes(self.wiki, self.store, report, is_online=is_online)
        assert {each.area for each in report.findings} <= {Area.STAKES}
        return {
            each.subject.removeprefix(f"stake {self.made.id}, "): f"{each.found} / {each.expected}"
            for each in report.findings
        }


@pytest.fixture
def staked(wiki_world: WikiWorld) -> Staked:
    return Staked(wiki_world)


# --- raw documents ------------------------------------------------------------------------------


def test_stakes_that_can_be_read_come_with_their_fields(staked: Staked) -> None:
    staked.raw.add(STAKES, {"_id": "odd", "user_id": ADA, "amount": "much"})
    staked.raw.add(STAKES, {"_id": "endless", "user_id": ADA, "duration_days": float("inf")})

    [stored] = staked.store.stored_stakes()

    assert stored.record == staked.wiki.staking.stake(staked.made.id)
    assert stored.fields["amount_base_units"] == 500 * ONE_TOKEN


# --- clean books -------------------------------------------------------------------------------


def test_a_stake_has_no_difference_on_any_day_of_its_life(staked: Staked) -> None:
    for days in (0, 0.3, 1, 18.6, 0.2, 40):
        staked.pass_days(days)
        assert staked.differences() == {}
    [document] = staked.world.stakes()
    assert document["status"] == "completed"


@pytest.mark.parametrize("days", [0, 0.5, 3.2, 25])
def test_a_stake_that_was_ended_has_no_difference(staked: Staked, days: float) -> None:
    staked.world.clock.pass_days(days)
    unstake(staked.wiki, staked.made.id)

    assert staked.differences() == {}


def test_a_record_of_the_wiki_itself_has_no_difference(staked: Staked) -> None:
    start = staked.wiki.now()
    record = {
        "user_id": BOB, "amount": 0.1 + 0.2, "duration_days": 90, "apy_rate": 0.12,
        "multiplier": 1.3, "start_date": start, "end_date": start + timedelta(days=90),
        "rewards_earned": 15.5, "created_at": start,
    }  # fmt: skip
    for status in ("active", "completed", "unstaked_early"):
        staked.raw.add(STAKES, record | {"_id": ObjectId(), "status": status})

    assert staked.differences() == {}
    staked.pass_days(3)
    assert staked.differences() == {}


# --- one field changed -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"amount": 5000.0}, "amount"),
        ({"rewards_earned": 99.0}, "rewards_earned"),
        ({"duration_days": 10**12}, "end_date"),
        ({"duration_days": 90}, "end_date"),
        ({"multiplier": 5.1}, "multiplier"),
        ({"multiplier": 0.5}, "multiplier"),
        ({"accrued_through": None}, "accrued_through"),
        ({"status": "unstaked_early"}, "unstaked_at"),
    ],
)
def test_a_field_that_was_changed(staked: Staked, changes: dict[str, Any], field: str) -> None:
    staked.change(**changes)

    assert list(staked.differences()) == [field]


def test_interest_that_was_raised(staked: Staked) -> None:
    expected = 500 * ONE_TOKEN * 5 * 10 // 36500
    staked.change(rewards_earned=99.0, rewards_earned_base_units=Int64(99 * ONE_TOKEN))

    assert staked.differences() == {
        "rewards_earned_base_units": f"{99 * ONE_TOKEN} / {expected}",
    }


def test_a_rate_that_was_raised_shows_in_the_interest(staked: Staked) -> None:
    staked.change(apy_rate=0.5)
    assert list(staked.differences()) == ["rewards_earned_base_units"]
    staked.change(apy_rate=2.5)
    assert list(staked.differences()) == ["rewards_earned_base_units", "apy_rate"]


def test_an_end_that_was_moved(staked: Staked) -> None:
    staked.change(end_date=staked.made.end + timedelta(days=300))

    assert list(staked.differences()) == ["end_date"]


def test_interest_of_days_that_have_not_come(staked: Staked) -> None:
    days = 25
    earned = 500 * ONE_TOKEN * 5 * days // 36500
    staked.change(
        accrued_through=staked.made.start + timedelta(days=days),
        rewards_earned_base_units=Int64(earned),
        rewards_earned=earned / ONE_TOKEN,
    )

    assert list(staked.differences()) == ["accrued_through"]


def test_a_completed_stake_that_did_not_earn_all_of_its_days(staked: Staked) -> None:
    staked.change(status="completed")

    assert list(staked.differences()) == ["accrued_through"]


def test_an_end_on_a_stake_that_is_active(staked: Staked) -> None:
    staked.change(unstaked_at=staked.wiki.now())

    assert list(staked.differences()) == ["unstaked_at"]


def test_an_end_before_the_beginning(staked: Staked) -> None:
    before = staked.made.start - timedelta(days=1)
    staked.change(unstaked_at=before, status="unstaked_early")

    assert list(staked.differences()) == ["unstaked_at"]


# --- transfers ---------------------------------------------------------------------------------


def test_a_stake_on_a_transfer_to_the_vault_has_no_difference(staked: Staked) -> None:
    staked.with_vault()
    staked.stands_on("sig", (VAULT, 500), ("somewhere else", 7))

    assert staked.differences() == {}


@pytest.mark.parametrize("transfers", [[], [("somewhere else", 500)], [(VAULT, 499)]])
def test_a_transfer_that_is_another(staked: Staked, transfers: list[tuple[str, int]]) -> None:
    staked.with_vault()
    staked.stands_on("sig", *transfers)

    assert list(staked.differences()) == ["stake_tx_hash"]
    assert staked.differences(is_online=False) == {}


def test_a_transfer_that_nobody_knows_and_none_at_all(staked: Staked) -> None:
    staked.with_vault()
    assert staked.differences(is_online=False)["stake_tx_hash"].startswith("missing / a transfer")
    staked.change(stake_tx_hash="forged")
    assert "no finalized transaction" in staked.differences()["stake_tx_hash"]

    unstake(staked.wiki, staked.made.id)

    assert staked.differences() == {}


def test_a_chain_that_does_not_answer_says_nothing(staked: Staked) -> None:
    class Away(FakeTransfers):
        def finalized_transfers(self, signature: str) -> list[FoundTransfer] | None:
            raise Unreachable("away")

    staked.change(stake_tx_hash="sig")
    staked.wiki = replace(staked.wiki, vault=VAULT, transfers=Away())

    with pytest.raises(Unreachable):
        staked.differences()


def test_two_stakes_on_one_transfer(staked: Staked) -> None:
    other = stake(staked.wiki, ADA, 100, 30)
    for each in (staked.made, other):
        staked.raw.change(STAKES, {"_id": ObjectId(each.id)}, stake_tx_hash="sig")

    assert len(staked.differences()) == 1
    assert "stake_tx_hash" in next(iter(staked.differences()))


# --- users -------------------------------------------------------------------------------------


def of_users(world: WikiWorld) -> list[str]:
    report = CheckReport()
    check_people(world.wiki, Ports(world).check, report)
    return [each.subject for each in report.findings]


@pytest.mark.parametrize(
    ("field", "value", "written"),
    [
        ("reputation_score", 1.5, {REPUTATION_WRITTEN: 1.5}),
        ("last_reward_claim", None, {}),
        ("token_updated_at", None, {}),
    ],
)
def test_a_field_of_a_user_that_was_changed(
    staked: Staked, field: str, value: Any, written: dict[str, Any]
) -> None:
    staked.world.base.add_contributions([contribution(1, staked.wiki.now())])
    recount_all(staked.wiki)
    assert of_users(staked.world) == []
    staked.raw.change(names.USERS, {"_id": ObjectId(ADA)}, **{field: value}, **written)

    assert of_users(staked.world) == [f"user {ADA}, {field}"]


def test_a_score_that_this_system_has_not_written_is_listed_as_the_wikis(staked: Staked) -> None:
    staked.world.base.add_contributions([contribution(1, staked.wiki.now())])
    recount_all(staked.wiki)
    staked.raw.change(names.USERS, {"_id": ObjectId(ADA)}, reputation_score=1.5)

    report = CheckReport()
    check_people(staked.wiki, Ports(staked.world).check, report)

    assert report.is_clean
    assert f"user {ADA}, reputation_score: 1.5" in str(report.from_before[0])


def test_the_reputation_of_who_has_not_contributed_is_the_wikis(staked: Staked) -> None:
    recount_all(staked.wiki)
    staked.raw.change(names.USERS, {"_id": ObjectId(BOB)}, reputation_score=1.0)

    assert of_users(staked.world) == []
