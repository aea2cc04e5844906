"""Stakes from their beginning to their end, on both stores."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from threading import Barrier, Thread
from typing import Any

import pytest
from bson import ObjectId

from tests.contracts.paid_weeks import pay_week
from tests.contracts.store_worlds import WEEK
from tests.contracts.wiki.wiki_worlds import ADA, BOB, WikiWorld
from tests.fakes.documents import stake_document
from tests.fakes.wiki.staking import FakeTransfers
from worker.core.errors import KontribError
from worker.core.money import ONE_TOKEN, BaseUnits, MalformedAmount
from worker.core.payout.records import Stake
from worker.core.wiki.stake_record import StakeStatus
from worker.core.wiki.staking import (
    StakeBelowMinimum,
    StakeBeyondEarned,
    StakeHasEnded,
    StakeOfZero,
    UnknownDuration,
)
from worker.ports.wiki import FoundTransfer
from worker.services.wiki.staking import (
    TransferDiffers,
    TransferMissing,
    TransferNotFinal,
    TransferUsed,
    UnknownStake,
    keep_stakes,
    stake,
    unstake,
)
from worker.services.wiki_context import UnknownUser, WikiContext

VAULT, WALLET = "the vault", "ada's wallet"


@pytest.fixture
def rich_world(wiki_world: WikiWorld) -> WikiWorld:
    """Ada has earned 1,000 KONTRIB."""
    return make_rich(wiki_world)


def make_rich(world: WikiWorld) -> WikiWorld:
    pay_week(world.base.store, {ADA: 1000 * ONE_TOKEN})
    world.clock.sleep(3600)
    return world


def with_vault(world: WikiWorld, **transfers: list[FoundTransfer] | None) -> WikiContext:
    reader = FakeTransfers()
    reader.known = {key: found for key, found in transfers.items() if found is not None}
    world.base.add_user(world.user(ADA) | {"wallet_address": WALLET})
    return replace(world.wiki, vault=VAULT, transfers=reader)


def to_vault(amount: int, *, from_wallet: str = WALLET, to: str = VAULT) -> FoundTransfer:
    return FoundTransfer(from_wallet, "a token account", to, BaseUnits(amount))


def test_a_stake_is_recorded_as_the_schema_has_it(rich_world: WikiWorld) -> None:
    made = stake(rich_world.wiki, ADA, "250.5", 90)

    now = rich_world.clock.now()
    [document] = rich_world.stakes()
    assert document == {
        "_id": ObjectId(made.id),
        "user_id": ADA,
        "amount": 250.5,
        "amount_base_units": 250_500_000_000,
        "duration_days": 90,
        "apy_rate": 0.12,
        "multiplier": 1.3,
        "start_date": now,
        "end_date": now + timedelta(days=90),
        "status": "active",
        "stake_tx_hash": None,
        "unstake_tx_hash": None,
        "unstaked_at": None,
        "rewards_earned": 0.0,
        "rewards_earned_base_units": 0,
        "accrued_through": now,
        "number": 1,
        "created_at": now,
        "updated_at": now,
    }


@pytest.mark.parametrize(
    ("days", "multiplier"), [(30, "1.1"), (90, "1.3"), (180, "1.6"), (365, "2.0")]
)
def test_a_stake_takes_part_in_the_weeks_that_it_covers(
    rich_world: WikiWorld, days: int, multiplier: str
) -> None:
    made = stake(rich_world.wiki, ADA, 100, days)

    covered = rich_world.base.store.stakes_covering(WEEK.next().next(), [ADA])

    assert [str(each.multiplier) for each in covered] == [multiplier]
    assert covered == [Stake(ADA, made.amount, made.multiplier, made.start, made.end)]
    assert rich_world.base.store.stakes_covering(WEEK.next(), [ADA]) == []


def test_the_users_sums_follow(rich_world: WikiWorld) -> None:
    stake(rich_world.wiki, ADA, 400, 30)

    user = rich_world.user(ADA)
    assert user["staked_tokens"] == 400.0
    assert user["staked_tokens_base_units"] == 400 * ONE_TOKEN
    assert user["governance_power"] == (1000 - 400) + 2 * 400
    assert user["token_updated_at"] == rich_world.clock.now()


@pytest.mark.parametrize(
    ("user_id", "amount", "days", "error"),
    [
        (ADA, 0, 30, StakeOfZero),
        (ADA, "-1", 30, MalformedAmount),
        (ADA, "lots", 30, MalformedAmount),
        (ADA, 5, 31, UnknownDuration),
        (ADA, "1000.000000001", 30, StakeBeyondEarned),
        (BOB, "0.000000001", 30, StakeBeyondEarned),
        ("nobody", 5, 30, UnknownUser),
    ],
)
def test_refusals_have_names_and_change_nothing(
    rich_world: WikiWorld, user_id: str, amount: Any, days: int, error: type[Exception]
) -> None:
    before = rich_world.user(ADA)

    with pytest.raises(error):
        stake(rich_world.wiki, user_id, amount, days)

    assert rich_world.stakes() == []
    assert rich_world.user(ADA) == before


def test_a_stake_below_the_configured_least_is_refused(rich_world: WikiWorld) -> None:
    rich_world.set_rules(min_stake=10.5)

    with pytest.raises(StakeBelowMinimum, match=r"10\.5"):
        stake(rich_world.wiki, ADA, "10.499999999", 30)
    stake(rich_world.wiki, ADA, "10.5", 30)


def test_what_is_staked_cannot_be_staked_again(rich_world: WikiWorld) -> None:
    stake(rich_world.wiki, ADA, 600, 30)

    with pytest.raises(StakeBeyondEarned, match="more than the 400"):
        stake(rich_world.wiki, ADA, 401, 30)
    assert stake(rich_world.wiki, ADA, 400, 90).number == 2


def test_what_a_matured_stake_held_is_free_again_at_once(rich_world: WikiWorld) -> None:
    first = stake(rich_world.wiki, ADA, 1000, 30)
    rich_world.clock.pass_days(30)

    stake(rich_world.wiki, ADA, 1000, 90)

    assert rich_world.wiki.staking.stake(first.id).status is StakeStatus.COMPLETED  # type: ignore[union-attr]
    assert rich_world.user(ADA)["staked_tokens"] == 1000.0


# --- the vault ---------------------------------------------------------------------------------


def test_with_a_vault_the_transfer_to_it_makes_the_stake(rich_world: WikiWorld) -> None:
    wiki = with_vault(rich_world, sig=[to_vault(100 * ONE_TOKEN)])

    made = stake(wiki, ADA, 100, 30, signature="sig")

    assert made.stake_signature == "sig"
    assert rich_world.stakes()[0]["stake_tx_hash"] == "sig"


def test_the_vault_may_be_named_by_its_token_account(rich_world: WikiWorld) -> None:
    found = FoundTransfer(WALLET, VAULT, "the owner", BaseUnits(100 * ONE_TOKEN))

    assert stake(with_vault(rich_world, sig=[found]), ADA, 100, 30, signature="sig")


@pytest.mark.parametrize(
    ("found", "error"),
    [
        (None, TransferNotFinal),
        ([], TransferDiffers),
        ([to_vault(99 * ONE_TOKEN)], TransferDiffers),
        ([to_vault(101 * ONE_TOKEN)], TransferDiffers),
        ([to_vault(100 * ONE_TOKEN, from_wallet="somebody else")], TransferDiffers),
        ([to_vault(100 * ONE_TOKEN, to="elsewhere")], TransferDiffers),
    ],
)
def test_a_transfer_that_is_not_the_stakes_is_refused(
    rich_world: WikiWorld, found: list[FoundTransfer] | None, error: type[Exception]
) -> None:
    with pytest.raises(error):
        stake(with_vault(rich_world, sig=found), ADA, 100, 30, signature="sig")
    assert rich_world.stakes() == []


def test_with_a_vault_a_transaction_must_be_named(rich_world: WikiWorld) -> None:
    with pytest.raises(TransferMissing, match="the vault"):
        stake(with_vault(rich_world), ADA, 100, 30)


def test_a_transfer_makes_one_stake(rich_world: WikiWorld) -> None:
    wiki = with_vault(rich_world, sig=[to_vault(100 * ONE_TOKEN)])
    stake(wiki, ADA, 100, 30, signature="sig")

    with pytest.raises(TransferUsed):
        stake(wiki, ADA, 100, 30, signature="sig")
    assert len(rich_world.stakes()) == 1


def test_a_transfer_that_the_wiki_recorded_itself_is_used_too(rich_world: WikiWorld) -> None:
    old = stake_document(BOB, rich_world.clock.now()) | {"stake_tx_hash": "sig"}
    rich_world.base.add_stake(old)

    with pytest.raises(TransferUsed):
        stake(rich_world.wiki, ADA, 100, 30, signature="sig")


# --- unstaking ---------------------------------------------------------------------------------


def test_unstaking_early_ends_the_stake_now(rich_world: WikiWorld) -> None:
    made = stake(rich_world.wiki, ADA, 100, 90)
    rich_world.clock.pass_days(20.5)

    ended = unstake(rich_world.wiki, made.id, signature="back")

    now, [document] = rich_world.clock.now(), rich_world.stakes()
    assert ended.status is StakeStatus.UNSTAKED_EARLY
    assert (document["status"], document["unstaked_at"]) == ("unstaked_early", now)
    assert document["unstake_tx_hash"] == "back"
    # 100 x 0.12 x 20 / 365, in base units and rounded down.
    assert document["rewards_earned_base_units"] == 657_534_246
    assert rich_world.user(ADA)["staked_tokens"] == 0.0
    assert rich_world.user(ADA)["token_updated_at"] == now


def test_a_stake_that_ended_early_covers_no_later_week(rich_world: WikiWorld) -> None:
    made = stake(rich_world.wiki, ADA, 100, 90)
    rich_world.clock.pass_days(20)
    unstake(rich_world.wiki, made.id)
    store = rich_world.base.store

    assert len(store.stakes_covering(WEEK.next().next(), [ADA])) == 1
    assert store.stakes_covering(WEEK.next().next().next(), [ADA]) == []


def test_a_stake_ends_once(rich_world: WikiWorld) -> None:
    made = stake(rich_world.wiki, ADA, 100, 90)
    unstake(rich_world.wiki, made.id)

    with pytest.raises(StakeHasEnded, match="unstaked_early"):
        unstake(rich_world.wiki, made.id)


def test_unstaking_after_its_time_is_no_early_end(rich_world: WikiWorld) -> None:
    made = stake(rich_world.wiki, ADA, 100, 30)
    rich_world.clock.pass_days(40)

    assert unstake(rich_world.wiki, made.id).status is StakeStatus.COMPLETED
    assert rich_world.stakes()[0]["unstaked_at"] is None


@pytest.mark.parametrize("stake_id", ["nothing", "f" * 24, ""])
def test_an_unknown_stake_is_named(rich_world: WikiWorld, stake_id: str) -> None:
    with pytest.raises(UnknownStake):
        unstake(rich_world.wiki, stake_id)


# --- day by day --------------------------------------------------------------------------------


def test_interest_accrues_once_a_day_whatever_the_number_of_runs(rich_world: WikiWorld) -> None:
    stake(rich_world.wiki, ADA, 1000, 365)
    seen = []
    for _ in range(4):
        rich_world.clock.pass_days(1)
        kept = [keep_stakes(rich_world.wiki).accrued for _ in range(3)]
        seen.append((kept, rich_world.stakes()[0]["rewards_earned_base_units"]))

    # 1000 x 0.5 / 365 a day.
    daily = [1_369_863_013, 2_739_726_027, 4_109_589_041, 5_479_452_054]
    assert seen == [([1, 0, 0], amount) for amount in daily]


def test_missed_days_are_made_up_for(rich_world: WikiWorld) -> None:
    stake(rich_world.wiki, ADA, 1000, 365)
    rich_world.clock.pass_days(4.9)

    keep_stakes(rich_world.wiki)

    [document] = rich_world.stakes()
    assert document["rewards_earned_base_units"] == 5_479_452_054
    assert document["accrued_through"] == document["start_date"] + timedelta(days=4)


def test_a_matured_stake_is_completed_with_all_its_interest(rich_world: WikiWorld) -> None:
    stake(rich_world.wiki, ADA, 1000, 365)
    rich_world.clock.pass_days(500)

    kept = keep_stakes(rich_world.wiki)

    [document] = rich_world.stakes()
    assert (kept.completed, document["status"]) == (1, "completed")
    assert document["rewards_earned"] == 500.0
    assert rich_world.user(ADA)["staked_tokens"] == 0.0
    assert rich_world.user(ADA)["token_updated_at"] == document["end_date"]
    assert keep_stakes(rich_world.wiki).sentence().startswith("0 active stakes, 0 accrued, 0 com")


def test_stakes_of_the_wiki_itself_are_kept_too(rich_world: WikiWorld) -> None:
    start = rich_world.clock.now() - timedelta(days=10)
    rich_world.base.add_stake(stake_document(ObjectId(BOB), start, amount=365.0))
    rich_world.base.add_stake(stake_document(BOB, start, amount="lots"))

    kept = keep_stakes(rich_world.wiki)

    assert (kept.active, kept.accrued) == (1, 1)
    document = next(d for d in rich_world.stakes() if d["amount"] == 365.0)
    # 12 percent a year on 365 tokens: 0.12 a day.
    assert document["rewards_earned"] == 1.2
    assert rich_world.user(BOB)["staked_tokens"] == 365.0


@pytest.mark.real
def test_two_at_the_same_time_cannot_stake_the_same_tokens(real_wiki_world: WikiWorld) -> None:
    rich_world = make_rich(real_wiki_world)
    barrier, refused = Barrier(4), []

    def work() -> None:
        barrier.wait()
        try:
            stake(rich_world.wiki, ADA, 400, 30)
        except KontribError as error:
            refused.append(error)

    threads = [Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert [type(error) for error in refused] == [StakeBeyondEarned] * 2
    assert sorted(document["number"] for document in rich_world.stakes()) == [1, 2]
    assert rich_world.user(ADA)["staked_tokens"] == 800.0
