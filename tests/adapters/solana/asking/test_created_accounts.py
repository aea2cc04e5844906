"""Recipients whose token account was just created, and endpoints that do not show it yet."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from solders.keypair import Keypair

from tests.adapters.solana.cluster import DOWN, MINT, Cluster, account, some_endpoints
from tests.adapters.solana.test_sending import BLOCKHASH, ready
from worker.adapters.solana.addresses import TOKEN_PROGRAM, associated_account
from worker.core.errors import Unreachable

WALLET = str(Keypair.from_seed(bytes([2]) * 32).pubkey())
TOKEN_ACCOUNT = associated_account(WALLET, MINT, TOKEN_PROGRAM)
CREATED_AT_SLOT = 1_000


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    """Two endpoints. The first one is asked first, and has not reached the created account."""
    with some_endpoints(2) as made:
        ready(made)
        made.slots = [CREATED_AT_SLOT - 3, CREATED_AT_SLOT]
        show_account(made, 1)
        yield made


def show_account(cluster: Cluster, number: int) -> None:
    cluster.show(TOKEN_ACCOUNT, account(bytes(165), str(TOKEN_PROGRAM)), number)


def sign_creation(cluster: Cluster) -> str:
    [signed] = cluster.chain.sign_account_creations([WALLET], BLOCKHASH)
    return signed.signature


def see_landed(cluster: Cluster, signature: str, level: str = "confirmed") -> None:
    status = {"confirmationStatus": level, "err": None, "slot": CREATED_AT_SLOT}
    cluster.on("getSignatureStatuses", {"value": [status]})
    cluster.chain.statuses([signature])


def account_exists(cluster: Cluster) -> bool:
    [recipient] = cluster.chain.recipients([WALLET])
    return recipient.account_exists


@pytest.mark.parametrize("level", ["confirmed", "finalized"])
@pytest.mark.parametrize("lag", [1, 3, 100])
def test_an_account_that_was_seen_created_is_read_where_it_exists(
    cluster: Cluster, level: str, lag: int
) -> None:
    cluster.slots[0] = CREATED_AT_SLOT - lag
    see_landed(cluster, sign_creation(cluster), level)
    cluster.chain.recipients([])

    assert account_exists(cluster)
    assert account_exists(cluster), "the second read is no older than the first one"


@pytest.mark.parametrize(("later_groups", "holds_up"), [(0, True), (1, True), (2, False)])
def test_a_group_lands_while_the_next_one_is_signed(
    cluster: Cluster, later_groups: int, *, holds_up: bool
) -> None:
    signature = sign_creation(cluster)
    for number in range(later_groups):
        later = str(Keypair.from_seed(bytes([3 + number]) * 32).pubkey())
        cluster.chain.sign_account_creations([later], BLOCKHASH)
    see_landed(cluster, signature)

    assert account_exists(cluster) is holds_up


def test_a_single_endpoint_is_asked_until_it_shows_a_created_account() -> None:
    with some_endpoints(1) as cluster:
        ready(cluster, v1=(False, False))
        signature = sign_creation(cluster)
        cluster.slots, cluster.slots_a_read = [CREATED_AT_SLOT - 1], [1]
        answer = cluster.servers[0].handlers["getMultipleAccounts"]

        def create_in_time(params: list[Any]) -> Any:
            if cluster.slots[0] == CREATED_AT_SLOT:
                show_account(cluster, 0)
            return answer(params)

        cluster.servers[0].on("getMultipleAccounts", create_in_time)
        see_landed(cluster, signature)

        assert account_exists(cluster)


def test_the_slot_of_a_creation_is_forgotten_after_a_read_that_no_endpoint_answers(
    cluster: Cluster,
) -> None:
    see_landed(cluster, sign_creation(cluster))
    cluster.servers[1].always = DOWN

    with pytest.raises(Unreachable, match="Minimum context slot"):
        account_exists(cluster)

    assert not account_exists(cluster)


def test_a_creation_that_is_not_confirmed_holds_no_read_up(cluster: Cluster) -> None:
    see_landed(cluster, sign_creation(cluster), "processed")

    assert not account_exists(cluster)


def test_a_payment_that_landed_holds_no_read_up(cluster: Cluster) -> None:
    """Accounts may lag behind statuses, and payments land all the time."""
    sign_creation(cluster)
    see_landed(cluster, "the signature of a payment")

    assert not account_exists(cluster)
