"""The baselines pay real tokens, and report only payments that were made."""

from __future__ import annotations

import itertools
import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from bson import Int64
from solders.keypair import Keypair

from bench.baselines import Baseline, NoTokenAccount, NotPaid, Treasury, in_flight, one_by_one
from bench.synthetic import add_token_accounts
from deploy.local.chain.client import ChainClient
from deploy.local.chain.setup import finalize, prepare
from tests.end_to_end.support import wiki
from tests.end_to_end.support.balances import associated_balances
from worker.adapters.mongo.connection import Document, connect

pytestmark = pytest.mark.real

LAMPORTS_PER_SIGNATURE = 5_000
PEOPLE = 100
WITHOUT_ACCOUNT = PEOPLE + 1

_collections = itertools.count()


@pytest.fixture(scope="module")
def settings(
    stack_settings: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> dict[str, str]:
    """A mint and a treasury of these tests' own, and people with token accounts."""
    url = stack_settings["SOLANA_RPC_URL"]
    found = dict(prepare(tmp_path_factory.mktemp("chain"), url))
    add_token_accounts(url, found["TOKEN_MINT_ADDRESS"], range(PEOPLE))
    return found


@pytest.fixture
def treasury(settings: dict[str, str], mongo_uri: str) -> Iterator[Treasury]:
    key = json.loads(Path(settings["SOLANA_PRIVATE_KEY_FILE"]).read_text())
    database = connect(mongo_uri, f"test_baselines_{os.getpid()}")
    yield Treasury(
        rpc_url=settings["SOLANA_RPC_URL"],
        mint=settings["TOKEN_MINT_ADDRESS"],
        authority=Keypair.from_bytes(bytes(key)),
        rewards=database[f"rewards_{next(_collections)}"],
    )
    database.client.drop_database(database.name)
    database.client.close()


def pending(treasury: Treasury, wallets: list[str]) -> list[Document]:
    """Rewards of 1,000, 1,001, ... base units that nobody has paid yet."""
    rewards: list[Document] = [
        {"wallet_address": wallet, "amount_base_units": Int64(1_000 + i), "status": "pending"}
        for i, wallet in enumerate(wallets)
    ]
    treasury.rewards.insert_many(rewards)
    return rewards


def assert_paid(treasury: Treasury, baseline: Baseline, count: int) -> None:
    assert baseline.recipients == count
    assert baseline.lamports_per_recipient == LAMPORTS_PER_SIGNATURE
    assert baseline.per_second > 0
    stored = list(treasury.rewards.find())
    assert {each["status"] for each in stored} == {"completed"}
    assert len({each["transaction_signature"] for each in stored}) == count


def test_one_by_one_pays_each_with_a_transaction_of_its_own(
    treasury: Treasury, settings: dict[str, str]
) -> None:
    wallets = [wiki.wallet(number) for number in range(3)]

    baseline = one_by_one(treasury, pending(treasury, wallets))

    assert_paid(treasury, baseline, 3)
    with ChainClient(treasury.rpc_url) as client:
        finalize(client)
    assert list(associated_balances(settings, wallets).values()) == [1_000, 1_001, 1_002]


def test_more_than_fit_in_flight_are_all_paid(treasury: Treasury) -> None:
    rewards = pending(treasury, [wiki.wallet(number) for number in range(10, 50)])

    baseline = in_flight(treasury, rewards)

    assert_paid(treasury, baseline, 40)


def test_there_is_no_figure_if_a_wallet_gained_nothing(treasury: Treasury) -> None:
    # A payment from the treasury to itself lands and moves nothing.
    own = str(treasury.authority.pubkey())
    rewards = pending(treasury, [wiki.wallet(60), own])

    with pytest.raises(NotPaid, match="gained -1000 base units instead of 1001"):
        one_by_one(treasury, rewards)


def test_there_is_no_figure_if_a_document_does_not_say_that_it_is_paid(treasury: Treasury) -> None:
    rewards = pending(treasury, [wiki.wallet(number) for number in range(70, 73)])
    treasury.rewards.delete_one({"_id": rewards[1]["_id"]})

    with pytest.raises(NotPaid, match=rewards[1]["wallet_address"]):
        in_flight(treasury, rewards)


def test_who_has_no_token_account_is_found_before_anybody_is_paid(treasury: Treasury) -> None:
    rewards = pending(treasury, [wiki.wallet(80), wiki.wallet(WITHOUT_ACCOUNT)])

    with pytest.raises(NoTokenAccount, match=wiki.wallet(WITHOUT_ACCOUNT)):
        one_by_one(treasury, rewards)

    assert treasury.rewards.count_documents({"status": "pending"}) == 2
