"""`SolanaChain` before endpoints that lag, disagree, refuse or know only half."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from solders.keypair import Keypair
from solders.pubkey import Pubkey

from tests.adapters.rpc_server import JsonRpcError, Misbehaviour, RpcServer, rpc_server
from worker.adapters.solana import history
from worker.adapters.solana.addresses import TOKEN_PROGRAM, V1_FEATURE_GATE
from worker.adapters.solana.chain import SolanaChain
from worker.adapters.solana.endpoint import Retries
from worker.adapters.solana.errors import EndpointsDisagree, MintUnusable
from worker.core.errors import Unreachable
from worker.core.money import BaseUnits
from worker.core.receipts import ReceiptState, Resolution
from worker.core.records import Blockhash, Height, Intent, Landing, SendResult, Transfer
from worker.ports import Chain

KEY = Keypair.from_seed(bytes([1]) * 32)
MINT = Pubkey.from_bytes(bytes([7]) * 32)
SYSTEM = "11111111111111111111111111111111"
FAST = Retries(attempts=2, backoff_seconds=0.01)
DOWN = Misbehaviour(500)
BLOCKHASH = Blockhash(str(MINT), 900)


class Cluster:
    """Several servers, the accounts that each of them shows, and a chain before them."""

    def __init__(self, servers: list[RpcServer]) -> None:
        self.servers = servers
        self.accounts: list[dict[str, Any]] = [{} for _ in servers]
        self.slots = [100 for _ in servers]
        self.opened: list[SolanaChain] = []
        for number, server in enumerate(servers):
            server.on("getMultipleAccounts", self._accounts_of(number))
        self.chain = self.open()

    def open(self, **options: Any) -> SolanaChain:
        urls = [server.url for server in self.servers]
        self.opened.append(
            SolanaChain(
                urls, str(MINT), KEY, KEY, KEY, None,
                timeout_seconds=2, retries=FAST, **options,
            )
        )  # fmt: skip
        return self.opened[-1]

    def on(self, method: str, *results: Any) -> None:
        """The same from every server, or one result for each."""
        for number, server in enumerate(self.servers):
            server.on(method, results[number % len(results)])

    def show(self, address: object, account: Any, *numbers: int) -> None:
        """Let all servers show an account, or only those."""
        for number in numbers or range(len(self.servers)):
            self.accounts[number][str(address)] = account

    def receipt(self, receipt_id: str, length: int, *numbers: int) -> None:
        self.show(self.chain.receipt_address(receipt_id), account(bytes(length)), *numbers)

    def _accounts_of(self, number: int) -> Callable[[list[Any]], Any]:
        def answer(params: list[Any]) -> Any:
            shown = [self.accounts[number].get(address) for address in params[0]]
            return {"context": {"slot": self.slots[number]}, "value": shown}

        return answer


def account(content: bytes, owner: str = SYSTEM, **changed: Any) -> dict[str, Any]:
    fields = {
        "owner": owner,
        "lamports": 10**9,
        "data": [base64.b64encode(content).decode(), "base64"],
        "space": len(content),
    }
    return fields | changed


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    with ExitStack() as stack:
        made = Cluster([stack.enter_context(rpc_server()) for _ in range(2)])
        yield made
        for chain in made.opened:
            chain.close()


# --- clusters and heights ------------------------------------------------------------------


def test_the_adapter_is_a_chain(cluster: Cluster) -> None:
    chain: Chain = cluster.chain

    assert chain.mint == str(MINT)
    assert chain.receipt_secret == bytes([1]) * 32


def test_endpoints_of_two_clusters_are_told_apart(cluster: Cluster) -> None:
    cluster.on("getGenesisHash", "mainnet", "devnet")

    with pytest.raises(EndpointsDisagree, match=r"mainnet.*devnet"):
        cluster.chain.cluster_genesis()


def test_endpoints_of_one_cluster_agree(cluster: Cluster) -> None:
    cluster.on("getGenesisHash", "mainnet")

    assert cluster.chain.cluster_genesis() == "mainnet"


def test_a_cluster_is_not_known_while_one_endpoint_is_silent(cluster: Cluster) -> None:
    cluster.on("getGenesisHash", "mainnet")
    cluster.servers[1].always = DOWN

    with pytest.raises(Unreachable):
        cluster.chain.cluster_genesis()


def test_the_lowest_height_among_those_that_answer_counts(cluster: Cluster) -> None:
    cluster.on(
        "getEpochInfo",
        {"blockHeight": 900, "absoluteSlot": 1_000},
        {"blockHeight": 890, "absoluteSlot": 991},
    )

    assert cluster.chain.finalized_height() == Height(890, 991)
    cluster.servers[1].always = DOWN
    assert cluster.chain.finalized_height() == Height(900, 1_000)
    cluster.servers[0].always = DOWN
    with pytest.raises(Unreachable):
        cluster.chain.finalized_height()


def test_a_height_that_makes_no_sense_is_passed_over(cluster: Cluster) -> None:
    cluster.on("getEpochInfo", {"blockHeight": None}, {"blockHeight": 890, "absoluteSlot": 991})

    assert cluster.chain.finalized_height() == Height(890, 991)


# --- receipts ------------------------------------------------------------------------------


def test_a_receipt_counts_only_if_every_endpoint_says_the_same(cluster: Cluster) -> None:
    cluster.receipt("paid", 1)
    cluster.receipt("void", 2)
    cluster.receipt("disputed", 1, 0)
    cluster.receipt("bare", 0)

    assert cluster.chain.receipts(["paid", "void", "disputed", "bare", "free"]) == {
        "paid": ReceiptState.PAID,
        "void": ReceiptState.VOID,
        "disputed": ReceiptState.UNKNOWN,
        "bare": ReceiptState.FREE,
        "free": ReceiptState.FREE,
    }


@pytest.mark.parametrize("number", [0, 1])
def test_one_silent_endpoint_makes_everything_unknown(cluster: Cluster, number: int) -> None:
    cluster.receipt("paid", 1)
    cluster.servers[number].always = DOWN

    assert set(cluster.chain.receipts(["paid", "free"]).values()) == {ReceiptState.UNKNOWN}


def test_one_endpoint_that_is_behind_makes_everything_unknown(cluster: Cluster) -> None:
    cluster.slots[1] = 99

    assert cluster.chain.receipts(["x"], not_before_slot=99) == {"x": ReceiptState.FREE}
    assert cluster.chain.receipts(["x"], not_before_slot=100) == {"x": ReceiptState.UNKNOWN}


@pytest.mark.parametrize(
    "odd",
    [
        account(b"\0", str(TOKEN_PROGRAM)),
        account(bytes(3)),
        account(bytes(1), space=2),
        account(bytes(2), space=1),
        account(bytes(1), space="1"),
        account(bytes(1), data=["2", "base58"]),
        account(bytes(1), data="AA=="),
        account(bytes(1), data=["not base64!", "base64"]),
        account(bytes(1), owner=None),
        {"lamports": 1},
        "x",
        [],
    ],
)
def test_an_odd_account_is_unknown_and_never_free(cluster: Cluster, odd: Any) -> None:
    cluster.show(cluster.chain.receipt_address("odd"), odd)

    assert cluster.chain.receipts(["odd"]) == {"odd": ReceiptState.UNKNOWN}


@pytest.mark.parametrize(
    "answer",
    [
        None,
        {"value": [None]},
        {"context": {}, "value": [None]},
        {"context": {"slot": None}, "value": [None]},
        {"context": {"slot": 100}, "value": []},
        {"context": {"slot": 100}, "value": [None, None]},
        {"context": {"slot": 100}, "value": None},
    ],
)
def test_an_answer_that_makes_no_sense_is_unknown(cluster: Cluster, answer: Any) -> None:
    cluster.servers[1].on("getMultipleAccounts", lambda params: answer)

    assert cluster.chain.receipts(["x"]) == {"x": ReceiptState.UNKNOWN}


def test_an_error_for_some_ids_leaves_the_others_known(cluster: Cluster) -> None:
    ids = [f"id {number}" for number in range(150)]
    answer = cluster.servers[1].handlers["getMultipleAccounts"]

    def refuse_the_second(params: list[Any]) -> Any:
        if len(params[0]) == 50:
            raise JsonRpcError(-32603)
        return answer(params)

    cluster.servers[1].on("getMultipleAccounts", refuse_the_second)

    states = list(cluster.chain.receipts(ids).values())

    assert states == [ReceiptState.FREE] * 100 + [ReceiptState.UNKNOWN] * 50


# --- sending -------------------------------------------------------------------------------


def refusing(code: int) -> Callable[[list[Any]], Any]:
    def refuse(params: list[Any]) -> Any:
        raise JsonRpcError(code, f"refused with {code}")

    return refuse


@pytest.mark.parametrize("code", [-32002, -32003, -32602])
def test_a_transaction_is_refused_only_if_every_endpoint_refused_it(
    cluster: Cluster, code: int
) -> None:
    cluster.on("sendTransaction", refusing(code))

    [result] = cluster.chain.send([("sig", b"wire")])

    assert result.refused is not None
    assert result.refused.count(f"refused with {code}") == 2


@pytest.mark.parametrize(
    "second",
    ["sig", refusing(-32005), refusing(-32603), refusing(429)],
)
def test_one_endpoint_that_may_have_passed_it_on_is_enough(cluster: Cluster, second: Any) -> None:
    cluster.on("sendTransaction", refusing(-32002), second)

    assert cluster.chain.send([("sig", b"wire")]) == [SendResult("sig")]


@pytest.mark.parametrize(
    "misbehaviour", [DOWN, Misbehaviour(429), Misbehaviour(401), Misbehaviour(hangs_up=True)]
)
def test_silence_never_means_refused(cluster: Cluster, misbehaviour: Misbehaviour) -> None:
    for server in cluster.servers:
        server.always = misbehaviour

    assert cluster.chain.send([("sig", b"wire")]) == [SendResult("sig")]


def test_each_transaction_is_sent_to_each_endpoint_as_it_should(cluster: Cluster) -> None:
    seen: list[Any] = []
    cluster.on("sendTransaction", lambda params: seen.append(params))

    cluster.chain.send([("one", b"1"), ("two", b"2")])

    options = {"encoding": "base64", "skipPreflight": True, "maxRetries": 0}
    wires = sorted(params[0] for params in seen)
    assert wires == ["MQ==", "MQ==", "Mg==", "Mg=="]
    assert all(params[1] == options for params in seen)
    assert cluster.chain.send([]) == []


# --- statuses ------------------------------------------------------------------------------

PROCESSED = {"confirmationStatus": "processed", "err": None}
FINALIZED = {"confirmationStatus": "finalized", "err": None}
FAILING = {"confirmationStatus": "confirmed", "err": "Custom"}
FAILED = {"confirmationStatus": "finalized", "err": {"InstructionError": [1, "Custom"]}}


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        (None, None, Landing.UNSEEN),
        (None, PROCESSED, Landing.PENDING),
        (FAILING, None, Landing.PENDING),
        (FAILED, FAILING, Landing.FAILED),
        (None, FAILED, Landing.FAILED),
        (PROCESSED, FINALIZED, Landing.FINALIZED),
        (FAILED, FINALIZED, Landing.FINALIZED),
        ("odd", {}, Landing.PENDING),
    ],
)
def test_the_most_certain_status_counts(
    cluster: Cluster, first: Any, second: Any, expected: Landing
) -> None:
    cluster.on("getSignatureStatuses", {"value": [first]}, {"value": [second]})

    assert cluster.chain.statuses(["sig"])[0].landing is expected


def test_one_endpoint_is_enough_for_statuses(cluster: Cluster) -> None:
    cluster.on("getSignatureStatuses", {"value": [FINALIZED]})
    cluster.servers[0].always = DOWN

    assert cluster.chain.statuses(["sig"])[0].landing is Landing.FINALIZED
    cluster.servers[1].always = DOWN
    with pytest.raises(Unreachable):
        cluster.chain.statuses(["sig"])


def test_many_statuses_are_asked_256_at_a_time(cluster: Cluster) -> None:
    cluster.on(
        "getSignatureStatuses",
        lambda params: {"value": [FINALIZED if it == "300" else None for it in params[0]]},
    )

    found = cluster.chain.statuses([str(number) for number in range(600)])

    assert [it for it, status in enumerate(found) if status.landing is Landing.FINALIZED] == [300]
    assert len(cluster.servers[0].requests[0]) == 3


# --- history -------------------------------------------------------------------------------


def test_history_is_paged_through_and_given_up_at_last(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(history, "PAGES_MAX", 3)
    monkeypatch.setattr(history, "PAGE_SIGNATURES", 2)
    before: list[Any] = []
    asked: list[str] = []

    def page(params: list[Any]) -> Any:
        before.append(params[1].get("before"))
        first = 2 * (len(before) - 1)
        return [{"signature": str(first + it), "err": None} for it in range(2)]

    cluster.servers[0].on("getSignaturesForAddress", page)
    cluster.servers[0].on("getTransaction", lambda params: asked.append(params[0]))
    cluster.servers[1].on("getSignaturesForAddress", [])

    assert cluster.chain.executions(["x"]) == {}

    assert before == [None, "1", "3"]
    assert sorted(asked) == ["0", "1", "2", "3", "4", "5"]


def test_the_likeliest_transaction_is_read_first(cluster: Cluster) -> None:
    entries = [
        {"signature": "failed", "err": "x", "memo": "[1] x"},
        {"signature": "newer", "err": None, "memo": None},
        {"signature": "ours", "err": None, "memo": "[1] x"},
        {"signature": "older", "err": None, "memo": "[5] other"},
    ]
    asked: list[str] = []
    cluster.on("getSignaturesForAddress", entries, [])
    cluster.on("getTransaction", lambda params: asked.append(params[0]))

    cluster.chain.executions(["x"])

    assert asked[0] == "ours"
    assert sorted(asked[1:]) == ["newer", "older"]


@pytest.mark.parametrize("odd", [None, 7, ["x"], [{}], [{"signature": "s"}]])
def test_a_history_that_makes_no_sense_is_no_answer(cluster: Cluster, odd: Any) -> None:
    cluster.on("getSignaturesForAddress", odd, [])

    assert cluster.chain.executions(["x"]) == {}
    cluster.servers[1].always = DOWN
    with pytest.raises(Unreachable):
        cluster.chain.executions(["x"])


# --- signing -------------------------------------------------------------------------------


def ready(cluster: Cluster, *, v1: tuple[bool, bool] = (True, True)) -> None:
    """A mint, prices and the feature gate: what signing needs."""
    mint = bytes(36) + (10**18).to_bytes(8, "little") + b"\x09\x01"
    cluster.show(MINT, account(mint.ljust(82, b"\0"), str(TOKEN_PROGRAM)))
    for number, active in enumerate(v1):
        if active:
            cluster.show(V1_FEATURE_GATE, account(b"\1" + bytes(8)), number)
    cluster.on("getMinimumBalanceForRentExemption", lambda params: 1_000 + params[0])
    cluster.on("getLatestBlockhash", {"value": {"blockhash": str(MINT), "lastValidBlockHeight": 9}})
    cluster.on("getFeeForMessage", {"value": 5_000})
    simulated = {"err": None, "unitsConsumed": 10_000, "loadedAccountsDataSize": 200_000}
    cluster.on("simulateTransaction", {"value": simulated})


def intent(receipt: str, transfers: int = 1) -> Intent:
    listed = (Transfer(str(KEY.pubkey()), BaseUnits(1)),) * transfers
    return Intent((receipt,), Resolution.PAID, listed, receipt)


@pytest.mark.parametrize(
    ("v1", "transfers"),
    [((True, True), 57), ((True, False), 14), ((False, True), 14), ((False, False), 14)],
)
def test_v1_is_used_only_where_every_endpoint_has_it(
    cluster: Cluster, v1: tuple[bool, bool], transfers: int
) -> None:
    ready(cluster, v1=v1)

    assert cluster.chain.costs().transfers_per_transaction == transfers


def test_the_version_is_not_guessed_while_an_endpoint_is_silent(cluster: Cluster) -> None:
    ready(cluster)
    cluster.servers[1].always = DOWN
    with pytest.raises(Unreachable):
        cluster.chain.costs()

    cluster.servers[1].always = None
    assert cluster.chain.costs().transfers_per_transaction == 57


def test_one_simulation_for_each_shape_and_process(cluster: Cluster) -> None:
    ready(cluster)

    for number in range(3):
        cluster.chain.sign([intent(f"{number}/{it}", 4) for it in range(10)], BLOCKHASH)
    cluster.chain.sign([intent("a/b", 3), intent("c/d", 2)], BLOCKHASH)

    methods = [method for request in cluster.servers[0].requests for method in request]
    assert methods.count("simulateTransaction") == 2


def test_a_larger_intent_of_a_shape_is_simulated_again(cluster: Cluster) -> None:
    ready(cluster)

    for transfers in (4, 6, 5, 4):
        cluster.chain.sign([intent("x", transfers)], BLOCKHASH)

    methods = [method for request in cluster.servers[0].requests for method in request]
    assert methods.count("simulateTransaction") == 2


@pytest.mark.parametrize(
    "simulation",
    [
        {"value": {"err": {"InstructionError": [1, "Custom"]}, "unitsConsumed": 300}},
        {"value": None},
        {},
    ],
)
def test_where_a_simulation_fails_the_limit_is_generous(cluster: Cluster, simulation: Any) -> None:
    ready(cluster)
    [measured] = cluster.chain.sign([intent("x")], BLOCKHASH)
    cluster.on("simulateTransaction", simulation)

    [generous] = cluster.open().sign([intent("x")], BLOCKHASH)

    assert (1_400_000).to_bytes(4, "little") in generous.wire
    assert (1_400_000).to_bytes(4, "little") not in measured.wire
    # 10,000 units and 30%, and the margins.
    assert (24_000).to_bytes(4, "little") in measured.wire


@pytest.mark.parametrize(
    ("price", "fee"),
    [(0, 0), (50_000, 1_200), (10**12, 2_000)],
)
def test_the_priority_fee_follows_others_up_to_its_maximum(
    cluster: Cluster, price: int, fee: int
) -> None:
    ready(cluster)
    cluster.on("getRecentPrioritizationFees", [{"slot": 1, "prioritizationFee": price}])
    generous = cluster.open(priority_fee_lamports_max=2_000)
    [plain] = cluster.chain.sign([intent("x")], BLOCKHASH)

    [urgent] = generous.sign([intent("x")], BLOCKHASH)

    assert fee == 0 or fee.to_bytes(8, "little") in urgent.wire
    assert len(urgent.wire) == len(plain.wire)
    assert generous.costs().priority_fee_max == 2_000


def test_no_fees_of_others_are_no_reason_to_wait(cluster: Cluster) -> None:
    ready(cluster)

    [signed] = cluster.open(priority_fee_lamports_max=2_000).sign([intent("x")], BLOCKHASH)

    assert signed.blockhash is BLOCKHASH


def test_a_mint_that_is_missing_is_told_before_anything_is_signed(cluster: Cluster) -> None:
    ready(cluster)
    cluster.show(MINT, None)

    with pytest.raises(MintUnusable, match="no account on this cluster"):
        cluster.chain.check_mint()
    with pytest.raises(MintUnusable):
        cluster.chain.sign([intent("x")], BLOCKHASH)


def test_prices_are_asked_for_once(cluster: Cluster) -> None:
    ready(cluster)

    assert cluster.chain.costs() == cluster.chain.costs()

    methods = [method for request in cluster.servers[0].requests for method in request]
    assert methods.count("getFeeForMessage") == 1
    assert methods.count("getMinimumBalanceForRentExemption") == 3


@pytest.mark.parametrize("value", [None, "5000", True])
def test_a_price_that_is_no_number_is_no_price(cluster: Cluster, value: Any) -> None:
    ready(cluster)
    cluster.on("getFeeForMessage", {"value": value})

    with pytest.raises(Unreachable, match="not a number"):
        cluster.chain.costs()
