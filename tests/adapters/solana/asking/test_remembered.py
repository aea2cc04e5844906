"""What a process remembers of the chain instead of asking again."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace

import pytest

from tests.adapters.solana.cluster import KEY, MINT, Cluster, account, some_endpoints
from tests.adapters.solana.test_executions import ID, PAYMENT, reply_of, signed
from worker.adapters.solana import chain as solana_chain
from worker.adapters.solana import reader
from worker.adapters.solana.addresses import TOKEN_PROGRAM, associated_account
from worker.adapters.solana.reading import history
from worker.adapters.solana.rpc.transport import rpc_calls

OTHER_ID = "2024-12-09/00008"
SIGNATURE = str(signed().signatures[0])
SOURCE = associated_account(str(KEY.pubkey()), MINT, TOKEN_PROGRAM)


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    with some_endpoints(1) as made:
        yield made


def asked(cluster: Cluster) -> Counter[str]:
    return Counter(method for request in cluster.servers[0].requests for method in request)


def mint_bytes() -> bytes:
    return bytes(44) + bytes([9, 1]) + bytes(36)


def token_bytes(amount: int) -> bytes:
    head = bytes(MINT) + bytes(KEY.pubkey()) + amount.to_bytes(8, "little")
    return (head + bytes(36) + b"\1").ljust(165, b"\0")


def fund(cluster: Cluster, amount: int) -> None:
    cluster.show(MINT, account(mint_bytes(), str(TOKEN_PROGRAM)))
    cluster.show(SOURCE, account(token_bytes(amount), str(TOKEN_PROGRAM)))


def test_calls_are_counted_by_method_and_each_of_a_batch(cluster: Cluster) -> None:
    before = Counter(rpc_calls)

    cluster.chain.receipts([f"receipt {number}" for number in range(250)])

    assert Counter(rpc_calls) - before == Counter(getMultipleAccounts=3)


def test_the_genesis_hash_is_remembered_for_some_minutes(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    cluster.on("getGenesisHash", "mainnet")
    assert {cluster.chain.cluster_genesis() for _ in range(3)} == {"mainnet"}
    assert asked(cluster)["getGenesisHash"] == 1

    cluster.on("getGenesisHash", "devnet")
    monkeypatch.setattr(reader, "GENESIS_REMEMBERED_SECONDS", 0.0)
    assert cluster.chain.cluster_genesis() == "devnet"


def test_the_treasury_after_a_check_of_the_mint_is_what_the_check_read(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    fund(cluster, 7)
    cluster.chain.check_mint()
    reads = asked(cluster)["getMultipleAccounts"]

    assert cluster.chain.treasury().tokens == 7
    assert asked(cluster)["getMultipleAccounts"] == reads
    fund(cluster, 5)
    assert cluster.chain.treasury().tokens == 5, "a second look reads anew"

    cluster.chain.check_mint()
    fund(cluster, 3)
    monkeypatch.setattr(solana_chain, "TREASURY_FRESH_SECONDS", 0.0)
    assert cluster.chain.treasury().tokens == 3, "an older one is not used"


def test_a_transaction_that_was_read_is_not_read_again_for_some_minutes(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    chain = cluster.open()
    cluster.on("getTransaction", reply_of(signed()))
    found = chain.executions_of({ID: SIGNATURE})
    assert found.keys() == {ID}

    assert chain.executions_of({ID: SIGNATURE}) == found
    assert asked(cluster)["getTransaction"] == 1
    monkeypatch.setattr(history, "REMEMBERED_SECONDS", 0.0)
    assert chain.executions_of({ID: SIGNATURE}) == found
    assert asked(cluster)["getTransaction"] == 2


def test_only_so_many_transactions_are_remembered(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(history, "REMEMBERED_MAX", 1)
    chain = cluster.open()
    other = signed(replace(PAYMENT, receipts=(OTHER_ID,), memo=OTHER_ID))
    signatures = {ID: SIGNATURE, OTHER_ID: str(other.signatures[0])}
    replies = {SIGNATURE: reply_of(signed()), signatures[OTHER_ID]: reply_of(other)}
    cluster.on("getTransaction", lambda params: replies[params[0]])

    found = chain.executions_of(signatures)
    assert found.keys() == signatures.keys()
    assert asked(cluster)["getTransaction"] == 2
    for reads in (3, 4):  # one is remembered, and the other is read again each time
        assert chain.executions_of(signatures) == found
        assert asked(cluster)["getTransaction"] == reads
