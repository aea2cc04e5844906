"""The JSON-RPC methods of the local chain answer as a real server does."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from solders.hash import Hash
from solders.keypair import Keypair
from solders.message import TransactionConfig, to_bytes_versioned
from solders.pubkey import Pubkey
from solders.signature import Signature
from solders.transaction import VersionedTransaction
from spl.token.instructions import create_idempotent_associated_token_account

from tests.local.chain_payments import (
    NOW,
    SOL,
    TOKEN,
    Treasury,
    advance,
    funded,
    memo,
    new_ledger,
    pay_sol,
    recipients,
    sign,
    treasury,
)
from worker.local.chain_base58 import base58_decode, base58_encode
from worker.local.chain_blocks import Commitment
from worker.local.chain_execution import V1_FEATURE
from worker.local.chain_params import Node
from worker.local.chain_rpc import answer

PROCESSED = {"commitment": "processed"}
CONFIRMED = {"commitment": "confirmed"}


class Caller:
    """A node with a funded payer, and calls to it without HTTP."""

    def __init__(self, *, admin: bool = True, **rules: object) -> None:
        self.ledger = new_ledger(**rules)
        self.node = Node(self.ledger, lambda: NOW, admin=admin)
        self.payer = funded(self.ledger)
        advance(self.ledger, 10)

    def response(self, method: str, *params: Any) -> Any:
        body = {"jsonrpc": "2.0", "id": 7, "method": method, "params": params}
        return json.loads(answer(self.node, json.dumps(body).encode()))

    def call(self, method: str, *params: Any) -> Any:
        response = self.response(method, *params)
        assert "error" not in response, response
        return response["result"]

    def value(self, method: str, *params: Any) -> Any:
        return self.call(method, *params)["value"]

    def error(self, method: str, *params: Any) -> Any:
        response = self.response(method, *params)
        assert "result" not in response, response
        return response["error"]

    @property
    def tip_hash(self) -> Hash:
        return self.ledger.blocks.tip.blockhash

    def send(self, transaction: VersionedTransaction, **config: Any) -> str:
        return str(self.call("sendTransaction", wire(transaction), sending(**config)))

    def refused(self, transaction: VersionedTransaction, **config: Any) -> Any:
        return self.error("sendTransaction", wire(transaction), sending(**config))

    def memo(self, text: str = "x", **options: Any) -> VersionedTransaction:
        return sign([memo(text)], [self.payer], self.tip_hash, **options)


def wire(transaction: VersionedTransaction) -> str:
    return base64.b64encode(bytes(transaction)).decode()


def sending(**config: Any) -> dict[str, Any]:
    return {"encoding": "base64", "preflightCommitment": "processed", "maxRetries": 0, **config}


@pytest.fixture
def chain() -> Caller:
    return Caller()


def paid(chain: Caller, count: int = 3) -> tuple[Treasury, list[Pubkey], str]:
    """Land a payment and let it be finalized."""
    payer = treasury(chain.ledger)
    accounts = recipients(chain.ledger, payer.mint, count)
    rent = chain.call("getMinimumBalanceForRentExemption", 1)
    payment = sign(payer.payment(accounts, "week/1", rent), [payer.authority], chain.tip_hash)
    signature = chain.send(payment)
    advance(chain.ledger, 10)
    return payer, accounts, signature


# --- the envelope ------------------------------------------------------------------------------


def test_an_unknown_method_is_not_found(chain: Caller) -> None:
    assert chain.error("getMoonPhase") == {"code": -32601, "message": "Method not found"}


def test_a_body_that_is_no_json_is_a_parse_error(chain: Caller) -> None:
    response = json.loads(answer(chain.node, b"{nonsense"))

    assert response["error"]["code"] == -32700
    assert response["id"] is None


@pytest.mark.parametrize("body", [b"[]", b"3", b'{"id": 1}'])
def test_a_body_that_is_no_call_is_an_invalid_request(chain: Caller, body: bytes) -> None:
    assert json.loads(answer(chain.node, body))["error"]["code"] == -32600


def test_a_batch_is_answered_in_order_and_each_call_for_itself(chain: Caller) -> None:
    batch = [
        {"jsonrpc": "2.0", "id": "a", "method": "getHealth"},
        {"jsonrpc": "2.0", "id": "b", "method": "nothing"},
        {"jsonrpc": "2.0", "id": "c", "method": "getSlot", "params": [PROCESSED]},
    ]

    first, second, third = json.loads(answer(chain.node, json.dumps(batch).encode()))

    assert first == {"jsonrpc": "2.0", "result": "ok", "id": "a"}
    assert second["error"]["code"] == -32601
    assert third["result"] == chain.ledger.blocks.tip.slot


@pytest.mark.parametrize(
    ("method", "params"),
    [
        ("getBalance", []),
        ("getBalance", ["not an address"]),
        ("getBalance", [7]),
        ("getAccountInfo", ["11111111111111111111111111111111", "processed"]),
        ("getSlot", [{"commitment": "surely"}]),
        ("getSlot", {"commitment": "processed"}),
        ("getSlot", [{"minContextSlot": "x"}]),
        ("isBlockhashValid", ["zero"]),
        ("getMultipleAccounts", ["11111111111111111111111111111111"]),
        ("getMinimumBalanceForRentExemption", [-1]),
        ("sendTransaction", ["AAAA", {"encoding": "base64"}]),
        ("sendTransaction", ["?", {"encoding": "base64"}]),
        ("sendTransaction", ["0", {}]),
        ("sendTransaction", ["1", {"encoding": "hex"}]),
    ],
)
def test_parameters_of_a_wrong_shape_are_invalid_and_break_nothing(
    chain: Caller, method: str, params: Any
) -> None:
    body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}

    response = json.loads(answer(chain.node, json.dumps(body).encode()))

    assert response["error"]["code"] == -32602


# --- commitment --------------------------------------------------------------------------------


def test_reads_default_to_finalized_and_lag_behind_processed(chain: Caller) -> None:
    to = str(Pubkey.new_unique())
    chain.send(
        sign([pay_sol(chain.payer, Pubkey.from_string(to), SOL)], [chain.payer], chain.tip_hash)
    )

    seen = [chain.value("getBalance", to, config) for config in (PROCESSED, CONFIRMED, {})]
    assert seen == [SOL, 0, 0]

    advance(chain.ledger, 2)
    assert chain.value("getBalance", to, CONFIRMED) == SOL
    assert chain.value("getBalance", to) == 0

    advance(chain.ledger, 6)
    assert chain.value("getBalance", to) == SOL


def test_the_context_slot_is_the_slot_of_the_commitment(chain: Caller) -> None:
    address = str(chain.payer.pubkey())
    tip = chain.ledger.blocks.tip.slot

    slots = [
        chain.call("getBalance", address, config)["context"]["slot"]
        for config in (PROCESSED, CONFIRMED, {})
    ]

    assert slots == [tip, tip - 2, tip - 8]
    assert chain.call("getSlot") == tip - 8
    assert chain.call("getBlockHeight", PROCESSED) == chain.ledger.blocks.tip.height


def test_a_context_slot_that_is_not_reached_yet_is_refused(chain: Caller) -> None:
    tip = chain.ledger.blocks.tip.slot

    error = chain.error("getLatestBlockhash", {"minContextSlot": tip})

    assert error["code"] == -32016
    assert error["data"] == {"contextSlot": tip - 8}
    assert chain.value("getLatestBlockhash", {**PROCESSED, "minContextSlot": tip})


def test_the_latest_blockhash_comes_with_the_height_that_it_dies_after(chain: Caller) -> None:
    latest = chain.value("getLatestBlockhash", PROCESSED)

    assert latest["blockhash"] == str(chain.tip_hash)
    assert latest["lastValidBlockHeight"] == chain.ledger.blocks.tip.height + 150
    assert chain.value("isBlockhashValid", latest["blockhash"], PROCESSED) is True
    assert chain.value("isBlockhashValid", latest["blockhash"]) is False


# --- sending -----------------------------------------------------------------------------------


@pytest.mark.parametrize("version", ["legacy", 0, 1])
def test_sending_answers_the_signature_and_executes_at_once(
    chain: Caller, version: int | str
) -> None:
    transaction = chain.memo(version=version)

    signature = chain.send(transaction)

    assert signature == str(transaction.signatures[0])
    [status] = chain.value("getSignatureStatuses", [signature])
    assert status["confirmationStatus"] == "processed"
    assert status["confirmations"] == 0
    assert status["err"] is None


def test_base58_is_the_default_encoding(chain: Caller) -> None:
    transaction = chain.memo(version=0)

    signature = chain.call(
        "sendTransaction", base58_encode(bytes(transaction)), {"preflightCommitment": "processed"}
    )

    assert signature == str(transaction.signatures[0])


def test_a_large_v1_transaction_must_come_as_base64(chain: Caller) -> None:
    transaction = chain.memo("m" * 3_000)

    error = chain.error("sendTransaction", base58_encode(bytes(transaction)), {})

    assert error["code"] == -32602
    assert "base58 encoded" in error["message"]
    assert chain.send(transaction, skipPreflight=True)


@pytest.mark.parametrize(("version", "length", "limit"), [(0, 1_100, 1_232), (1, 3_950, 4_096)])
def test_a_transaction_over_its_size_limit_is_refused(
    chain: Caller, version: int, length: int, limit: int
) -> None:
    error = chain.refused(chain.memo("m" * length, version=version))

    assert error["code"] == -32602
    assert f"(max: {limit} bytes)" in error["message"]


def test_a_failing_preflight_is_explained_and_costs_nothing(chain: Caller) -> None:
    transaction = sign(
        [pay_sol(chain.payer, Pubkey.new_unique(), 1_000 * SOL)], [chain.payer], chain.tip_hash
    )

    error = chain.refused(transaction)

    assert error["code"] == -32002
    assert error["message"] == (
        "Transaction simulation failed: Error processing Instruction 0: custom program error: 0x1"
    )
    assert error["data"]["err"] == {"InstructionError": [0, {"Custom": 1}]}
    assert any("insufficient lamports" in line for line in error["data"]["logs"])
    assert chain.value("getBalance", str(chain.payer.pubkey()), PROCESSED) == 100 * SOL


def test_a_failing_transaction_without_preflight_lands_and_pays(chain: Caller) -> None:
    transaction = sign(
        [pay_sol(chain.payer, Pubkey.new_unique(), 1_000 * SOL)], [chain.payer], chain.tip_hash
    )

    signature = chain.send(transaction, skipPreflight=True)

    [status] = chain.value("getSignatureStatuses", [signature])
    assert status["err"] == {"InstructionError": [0, {"Custom": 1}]}
    assert status["status"] == {"Err": status["err"]}
    assert chain.value("getBalance", str(chain.payer.pubkey()), PROCESSED) == 100 * SOL - 5_000


def test_an_unknown_blockhash_fails_preflight(chain: Caller) -> None:
    error = chain.refused(sign([memo("x")], [chain.payer], Hash.new_unique()))

    assert error["message"] == "Transaction simulation failed: Blockhash not found"
    assert error["data"]["err"] == "BlockhashNotFound"


def test_an_unknown_blockhash_without_preflight_is_dropped_in_silence(chain: Caller) -> None:
    signature = chain.send(sign([memo("x")], [chain.payer], Hash.new_unique()), skipPreflight=True)

    assert chain.value("getSignatureStatuses", [signature]) == [None]


def test_a_fresh_blockhash_fails_preflight_at_the_finalized_default(chain: Caller) -> None:
    error = chain.refused(chain.memo(), preflightCommitment=None)

    assert error["data"]["err"] == "BlockhashNotFound"


def test_sending_again_is_already_processed_in_preflight_and_harmless_without(
    chain: Caller,
) -> None:
    transaction = chain.memo()
    signature = chain.send(transaction)

    assert chain.refused(transaction)["data"]["err"] == "AlreadyProcessed"
    assert chain.send(transaction, skipPreflight=True) == signature
    assert chain.value("getBalance", str(chain.payer.pubkey()), PROCESSED) == 100 * SOL - 5_000


def test_sending_again_before_finalization_passes_a_finalized_preflight(chain: Caller) -> None:
    finalized = chain.ledger.blocks.at(Commitment.FINALIZED).blockhash
    transaction = sign([memo("x")], [chain.payer], finalized)

    signatures = {chain.send(transaction, preflightCommitment="finalized") for _ in range(2)}

    assert signatures == {str(transaction.signatures[0])}
    assert chain.value("getBalance", str(chain.payer.pubkey()), PROCESSED) == 100 * SOL - 5_000


def test_a_wrong_signature_fails_verification(chain: Caller) -> None:
    wrong = VersionedTransaction.populate(chain.memo().message, [Signature.new_unique()])

    assert chain.refused(wrong)["code"] == -32003
    assert chain.send(wrong, skipPreflight=True)
    assert chain.value("getSignatureStatuses", [str(wrong.signatures[0])]) == [None]


def test_a_payer_without_lamports_fails_preflight(chain: Caller) -> None:
    error = chain.refused(sign([memo("x")], [Keypair()], chain.tip_hash))

    assert error["data"]["err"] == "AccountNotFound"
    assert "no record of a prior credit" in error["message"]


def test_trailing_bytes_after_a_v1_transaction_are_refused(chain: Caller) -> None:
    encoded = base64.b64encode(bytes(chain.memo()) + b"\0").decode()

    assert chain.error("sendTransaction", encoded, sending())["code"] == -32602


def test_a_chain_without_v1_does_not_understand_version_1() -> None:
    chain = Caller(v1=False)

    error = chain.refused(chain.memo())

    assert error["code"] == -32602
    assert "valid transaction message version" in error["message"]
    assert chain.value("getAccountInfo", str(V1_FEATURE)) is None
    assert chain.send(chain.memo(version=0))


def test_the_v1_feature_account_is_readable(chain: Caller) -> None:
    account = chain.value("getAccountInfo", str(V1_FEATURE), {"encoding": "base64"})

    assert account["owner"] == "Feature111111111111111111111111111111111111"
    assert base64.b64decode(account["data"][0])[0] == 1


# --- simulating --------------------------------------------------------------------------------


def test_a_simulation_reports_units_fee_and_accounts_and_changes_nothing(chain: Caller) -> None:
    to = Pubkey.new_unique()
    transaction = sign([pay_sol(chain.payer, to, SOL)], [chain.payer], chain.tip_hash)
    accounts = {"addresses": [str(to)], "encoding": "base64"}

    value = chain.value(
        "simulateTransaction", wire(transaction), {**sending(), **PROCESSED, "accounts": accounts}
    )

    assert value["err"] is None
    assert value["unitsConsumed"] == 150
    assert value["fee"] == 5_000
    assert value["accounts"][0]["lamports"] == SOL
    assert chain.value("getBalance", str(to), PROCESSED) == 0


def test_a_simulation_can_replace_the_blockhash_but_not_verify_then(chain: Caller) -> None:
    unsigned = VersionedTransaction.populate(
        sign([memo("x")], [chain.payer], Hash.default()).message, [Signature.default()]
    )
    config = {"encoding": "base64", "replaceRecentBlockhash": True}

    value = chain.value("simulateTransaction", wire(unsigned), config)
    error = chain.error("simulateTransaction", wire(unsigned), {**config, "sigVerify": True})

    assert value["err"] is None
    assert value["replacementBlockhash"] == chain.value("getLatestBlockhash")
    assert error["code"] == -32602


def test_a_simulation_verifies_signatures_when_asked(chain: Caller) -> None:
    wrong = VersionedTransaction.populate(chain.memo().message, [Signature.new_unique()])
    config = {"encoding": "base64", **PROCESSED}

    assert chain.value("simulateTransaction", wire(wrong), config)["err"] is None
    error = chain.error("simulateTransaction", wire(wrong), {**config, "sigVerify": True})
    assert error["code"] == -32003


# --- statuses and history ----------------------------------------------------------------------


def test_a_status_climbs_from_processed_to_finalized(chain: Caller) -> None:
    signature = chain.send(chain.memo())
    seen = []
    for _ in range(9):
        [status] = chain.value("getSignatureStatuses", [signature])
        seen.append((status["confirmationStatus"], status["confirmations"]))
        advance(chain.ledger, 1)

    assert seen == [
        ("processed", 0),
        ("processed", 1),
        *(("confirmed", count) for count in range(2, 8)),
        ("finalized", None),
    ]


def test_the_status_cache_forgets_and_the_history_does_not(chain: Caller) -> None:
    signature = chain.send(chain.memo())
    advance(chain.ledger, 320)

    recent = chain.value("getSignatureStatuses", [signature])
    searched = chain.value("getSignatureStatuses", [signature], {"searchTransactionHistory": True})

    assert recent == [None]
    assert searched[0]["confirmationStatus"] == "finalized"


def test_at_most_256_statuses_are_answered(chain: Caller) -> None:
    signatures = [str(Signature.new_unique())] * 257

    assert len(chain.value("getSignatureStatuses", signatures[:256])) == 256
    error = chain.error("getSignatureStatuses", signatures)
    assert error == {"code": -32602, "message": "Too many inputs provided; max 256"}


def test_a_transaction_is_read_with_its_token_balances(chain: Caller) -> None:
    payer, accounts, signature = paid(chain)

    shown = chain.call("getTransaction", signature, {"maxSupportedTransactionVersion": 1})

    assert shown["version"] == 1
    assert shown["blockTime"] == chain.call("getBlockTime", shown["slot"])
    meta, keys = shown["meta"], shown["transaction"]["message"]["accountKeys"]
    assert meta["err"] is None
    assert meta["fee"] == 5_000
    before = {keys[row["accountIndex"]]: row for row in meta["preTokenBalances"]}
    after = {keys[row["accountIndex"]]: row for row in meta["postTokenBalances"]}
    source = str(payer.source)
    moved = int(before[source]["uiTokenAmount"]["amount"]) - int(
        after[source]["uiTokenAmount"]["amount"]
    )
    assert moved == len(accounts) * TOKEN
    row = after[str(accounts[0])]
    assert row["uiTokenAmount"]["uiAmountString"] == "1"
    assert row["mint"] == str(payer.mint)
    assert row["programId"] == "TokenkegQfeZyiNwAJbNbGKPFXCWuBvf9Ss623VQ5DA"
    assert row["owner"] != str(accounts[0])
    assert meta["preBalances"][0] - meta["postBalances"][0] == 5_000 + 897_840


def test_an_account_that_a_transaction_creates_has_no_balance_before_it(chain: Caller) -> None:
    payer = treasury(chain.ledger)
    wallet = Keypair().pubkey()
    create = create_idempotent_associated_token_account(
        payer.authority.pubkey(), wallet, payer.mint
    )
    signature = chain.send(sign([create], [payer.authority], chain.tip_hash))
    advance(chain.ledger, 3)

    meta = chain.call(
        "getTransaction", signature, {**CONFIRMED, "maxSupportedTransactionVersion": 1}
    )["meta"]

    assert meta["preTokenBalances"] == []
    [created] = meta["postTokenBalances"]
    assert created["owner"] == str(wallet)
    assert created["uiTokenAmount"]["amount"] == "0"
    assert len(meta["innerInstructions"][0]["instructions"]) >= 3


@pytest.mark.parametrize("version", [0, 1])
def test_a_versioned_transaction_is_shown_only_to_those_who_ask_for_it(
    chain: Caller, version: int
) -> None:
    signature = chain.send(chain.memo(version=version))
    advance(chain.ledger, 10)

    for config in ({}, {"maxSupportedTransactionVersion": version - 1} if version else {}):
        assert chain.error("getTransaction", signature, config)["code"] == -32015
    config = {"maxSupportedTransactionVersion": version}
    assert chain.call("getTransaction", signature, config)["version"] == version


def test_a_legacy_transaction_needs_no_version(chain: Caller) -> None:
    signature = chain.send(chain.memo(version="legacy"))
    advance(chain.ledger, 10)

    plain = chain.call("getTransaction", signature)
    asked = chain.call("getTransaction", signature, {"maxSupportedTransactionVersion": 0})

    assert "version" not in plain
    assert asked["version"] == "legacy"


def test_the_encodings_of_a_transaction_agree(chain: Caller) -> None:
    _, _, signature = paid(chain)
    landed = chain.ledger.history.find(Signature.from_string(signature))
    assert landed is not None

    def shown(encoding: str) -> Any:
        config = {"encoding": encoding, "maxSupportedTransactionVersion": 1}
        return chain.call("getTransaction", signature, config)["transaction"]

    assert base64.b64decode(shown("base64")[0]) == landed.raw
    assert base58_decode(shown("base58")[0]) == landed.raw
    parsed = shown("jsonParsed")["message"]["instructions"]
    assert [one.get("program") for one in parsed] == ["system", None] + ["spl-token"] * 3 + [
        "spl-memo"
    ]
    assert shown("json")["message"]["transactionConfig"]["computeUnitLimit"] == 200_000


def test_a_transaction_is_unknown_until_it_reaches_the_commitment(chain: Caller) -> None:
    signature = chain.send(chain.memo(version="legacy"))

    assert chain.call("getTransaction", signature, CONFIRMED) is None
    assert chain.error("getTransaction", signature, PROCESSED)["code"] == -32602
    advance(chain.ledger, 2)
    assert chain.call("getTransaction", signature, CONFIRMED) is not None
    assert chain.call("getTransaction", signature) is None


def test_signatures_for_an_address_are_paged_newest_first_with_failures(chain: Caller) -> None:
    address = str(chain.payer.pubkey())
    sent = [chain.send(chain.memo(f"m{number}")) for number in range(5)]
    failing = sign(
        [pay_sol(chain.payer, Pubkey.new_unique(), 1_000 * SOL)], [chain.payer], chain.tip_hash
    )
    sent.append(chain.send(failing, skipPreflight=True))
    advance(chain.ledger, 10)

    every = chain.call("getSignaturesForAddress", address)
    page = chain.call("getSignaturesForAddress", address, {"limit": 2, "before": sent[4]})
    newer = chain.call("getSignaturesForAddress", address, {"until": sent[3]})
    unknown = {"before": str(Signature.new_unique())}

    assert [one["signature"] for one in every] == sent[::-1]
    assert every[0]["err"] == {"InstructionError": [0, {"Custom": 1}]}
    assert every[-1]["memo"] == "[2] m0"
    assert [one["signature"] for one in page] == [sent[3], sent[2]]
    assert [one["signature"] for one in newer] == [sent[5], sent[4]]
    assert chain.call("getSignaturesForAddress", address, unknown) == []
    assert chain.error("getSignaturesForAddress", address, {"limit": 1_001})["code"] == -32602


def test_every_account_a_transaction_mentions_has_its_signature(chain: Caller) -> None:
    payer, accounts, signature = paid(chain)

    for address in (*accounts, payer.source, payer.mint, payer.authority.pubkey()):
        [found] = chain.call("getSignaturesForAddress", str(address))
        assert found["signature"] == signature


# --- accounts and tokens -----------------------------------------------------------------------


def owner_filter(payer: Treasury) -> list[Any]:
    return [str(payer.authority.pubkey()), {"mint": str(payer.mint)}, {"encoding": "base64"}]


def test_account_data_comes_in_the_encoding_asked_for(chain: Caller) -> None:
    payer, accounts, _ = paid(chain)
    address = str(accounts[0])

    part = {"encoding": "base64", "dataSlice": {"offset": 64, "length": 8}}
    sliced = chain.value("getAccountInfo", address, part)
    parsed = chain.value("getAccountInfo", address, {"encoding": "jsonParsed"})["data"]["parsed"]
    mint = chain.value("getAccountInfo", str(payer.mint), {"encoding": "jsonParsed"})["data"]

    assert base64.b64decode(sliced["data"][0]) == TOKEN.to_bytes(8, "little")
    assert sliced["space"] == 165
    assert parsed["info"]["tokenAmount"]["amount"] == str(TOKEN)
    assert mint["parsed"]["info"]["decimals"] == 9
    assert chain.error("getAccountInfo", address)["code"] == -32600
    zstd = {"encoding": "base64+zstd"}
    assert chain.error("getAccountInfo", address, zstd)["code"] == -32602
    assert chain.value("getAccountInfo", str(Pubkey.new_unique())) is None


def test_many_accounts_are_read_at_one_slot_and_at_most_100(chain: Caller) -> None:
    known, unknown = str(chain.payer.pubkey()), str(Pubkey.new_unique())

    first, second = chain.value("getMultipleAccounts", [known, unknown], PROCESSED)

    assert first["lamports"] == 100 * SOL
    assert second is None
    assert chain.error("getMultipleAccounts", [known] * 101)["code"] == -32602


def test_token_balances_and_supply(chain: Caller) -> None:
    payer, accounts, _ = paid(chain)

    assert chain.value("getTokenAccountBalance", str(accounts[0]))["amount"] == str(TOKEN)
    assert chain.value("getTokenSupply", str(payer.mint))["uiAmountString"] == "1000000"
    assert chain.error("getTokenAccountBalance", str(payer.mint))["code"] == -32602
    assert chain.error("getTokenAccountBalance", str(Pubkey.new_unique()))["code"] == -32602


def test_token_accounts_are_found_by_owner_and_by_program(chain: Caller) -> None:
    payer, accounts, _ = paid(chain)
    owner = str(payer.authority.pubkey())
    program = "TokenkegQfeZyiNwAJbNbGKPFXCWuBvf9Ss623VQ5DA"

    by_mint = chain.value("getTokenAccountsByOwner", *owner_filter(payer))
    parsed = {"encoding": "jsonParsed"}
    by_program = chain.value("getTokenAccountsByOwner", owner, {"programId": program}, parsed)
    of_mint = {"memcmp": {"offset": 0, "bytes": str(payer.mint)}}
    filters = {"encoding": "base64", "filters": [{"dataSize": 165}, of_mint]}
    by_filter = chain.call("getProgramAccounts", program, filters)

    assert [one["pubkey"] for one in by_mint] == [str(payer.source)]
    assert by_program[0]["account"]["data"]["parsed"]["info"]["owner"] == owner
    assert {one["pubkey"] for one in by_filter} == {str(one) for one in (payer.source, *accounts)}
    error = chain.error("getTokenAccountsByOwner", owner, {"mint": owner}, {})
    assert error["code"] == -32602


# --- the cluster -------------------------------------------------------------------------------


def test_the_cluster_describes_itself(chain: Caller) -> None:
    info = chain.call("getEpochInfo", PROCESSED)

    assert chain.call("getHealth") == "ok"
    assert chain.call("getVersion")["solana-core"]
    assert Pubkey.from_string(chain.call("getIdentity")["identity"])
    assert chain.call("getGenesisHash") == str(chain.ledger.genesis_hash)
    assert info["absoluteSlot"] == chain.ledger.blocks.tip.slot
    assert info["blockHeight"] < info["absoluteSlot"]
    assert chain.call("getFirstAvailableBlock") == chain.ledger.rules.first_slot
    assert chain.call("getMinimumBalanceForRentExemption", 1) == 897_840


def test_the_fee_of_a_message_is_known_while_its_blockhash_is(chain: Caller) -> None:
    config = TransactionConfig(
        priority_fee=777, compute_unit_limit=9, loaded_accounts_data_size_limit=1_000
    )
    fresh = chain.memo(config=config).message
    stale = sign([memo("x")], [chain.payer], Hash.new_unique(), version=0).message

    def fee(message: Any) -> Any:
        encoded = base64.b64encode(to_bytes_versioned(message)).decode()
        return chain.value("getFeeForMessage", encoded, PROCESSED)

    assert fee(fresh) == 5_777
    assert fee(stale) is None


def test_recent_fees_are_the_lowest_price_by_slot(chain: Caller) -> None:
    config = TransactionConfig(
        priority_fee=20, compute_unit_limit=10_000, loaded_accounts_data_size_limit=1_000_000
    )
    slot = chain.ledger.blocks.tip.slot
    chain.send(chain.memo(config=config), skipPreflight=True)
    advance(chain.ledger, 5)

    mine = chain.call("getRecentPrioritizationFees", [str(chain.payer.pubkey())])
    other = chain.call("getRecentPrioritizationFees", [str(Pubkey.new_unique())])

    assert {"slot": slot, "prioritizationFee": 2_000} in mine
    assert {"slot": slot, "prioritizationFee": 0} in other
    assert len(mine) <= 150


def test_a_block_is_read_by_slot_and_a_skipped_slot_has_none() -> None:
    chain = Caller(skip_every_slots=4)
    signature = chain.send(chain.memo())
    tip = chain.ledger.blocks.tip
    slot, height, parent_slot = tip.slot, tip.height, tip.parent_slot
    advance(chain.ledger, 20)
    skipped = slot // 4 * 4 + 4
    config = {"maxSupportedTransactionVersion": 1}

    block = chain.call("getBlock", slot, config)
    signatures = chain.call("getBlock", slot, {**config, "transactionDetails": "signatures"})
    slots = chain.call("getBlocks", slot, slot + 8)

    assert block["transactions"][0]["transaction"]["signatures"] == [signature]
    assert signatures["signatures"] == [signature]
    assert (block["blockHeight"], block["parentSlot"]) == (height, parent_slot)
    assert skipped not in slots
    assert chain.error("getBlock", skipped, config)["code"] == -32007
    assert chain.error("getBlockTime", chain.ledger.blocks.tip.slot + 1)["code"] == -32004


# --- levers for tests --------------------------------------------------------------------------


def test_an_airdrop_is_a_real_transfer_and_two_of_them_are_two(chain: Caller) -> None:
    to = str(Pubkey.new_unique())

    signatures = {chain.call("requestAirdrop", to, SOL) for _ in range(2)}

    assert len(signatures) == 2
    assert chain.value("getBalance", to, PROCESSED) == 2 * SOL
    assert chain.error("requestAirdrop", to, 2**63)["code"] == -32600


def test_local_methods_do_not_exist_without_admin() -> None:
    chain = Caller(admin=False)

    for name in ("local_advanceSlots", "local_setAccount", "local_dropUnfinalized"):
        assert chain.error(name, 1)["code"] == -32601


def test_slots_and_the_clock_are_moved_by_hand(chain: Caller) -> None:
    slot = chain.ledger.blocks.tip.slot

    assert chain.call("local_pauseSlots") == slot
    assert chain.node.paused
    chain.call("local_setClockOffset", -86_400)
    assert chain.call("local_advanceSlots", 3) == slot + 3
    assert chain.call("getBlockTime", slot + 3) == NOW - 86_400
    chain.call("local_resumeSlots")
    assert not chain.node.paused


def test_an_account_is_set_and_removed_by_decree(chain: Caller) -> None:
    address = str(Pubkey.new_unique())
    fields = {"lamports": 5 * SOL, "data": base64.b64encode(b"abc").decode()}

    chain.call("local_setAccount", address, fields)
    assert chain.value("getBalance", address, PROCESSED) == 5 * SOL
    chain.call("local_setAccount", address, None)
    assert chain.value("getAccountInfo", address, PROCESSED) is None


def test_a_frozen_token_account_refuses_a_payment(chain: Caller) -> None:
    payer, accounts, _ = paid(chain)
    rent = chain.call("getMinimumBalanceForRentExemption", 1)

    def pay(name: str) -> VersionedTransaction:
        return sign(payer.payment(accounts, name, rent), [payer.authority], chain.tip_hash)

    chain.call("local_freezeTokenAccount", str(accounts[1]))
    refused = chain.refused(pay("week/2"))
    chain.call("local_freezeTokenAccount", str(accounts[1]), False)

    assert refused["data"]["err"] == {"InstructionError": [3, {"Custom": 17}]}
    assert chain.send(pay("week/2"))


@pytest.mark.parametrize(("commitment", "left"), [("finalized", 0), ("confirmed", 1)])
def test_a_fork_drops_what_is_newer_than_a_commitment(
    chain: Caller, commitment: str, left: int
) -> None:
    first = chain.send(chain.memo("first"))
    advance(chain.ledger, 3)
    second = chain.send(chain.memo("second"))

    dropped = chain.call("local_dropUnfinalized", commitment)

    statuses = chain.value("getSignatureStatuses", [first, second])
    assert dropped == 2 - left
    assert [status is not None for status in statuses] == [bool(left), False]
    assert chain.ledger.blocks.at(Commitment.PROCESSED) == chain.ledger.blocks.tip
    assert chain.error("local_dropUnfinalized", "processed")["code"] == -32602
