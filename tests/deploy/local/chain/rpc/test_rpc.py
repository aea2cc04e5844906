"""The JSON-RPC methods of the local chain answer as a real server does."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from solders.hash import Hash
from solders.message import TransactionConfig, to_bytes_versioned
from solders.pubkey import Pubkey

from deploy.local.chain.rpc.methods import answer
from tests.deploy.local.chain.caller import CONFIRMED, PROCESSED, Caller
from tests.deploy.local.chain.payments import (
    SOL,
    advance,
    memo,
    pay_sol,
    sign,
)


@pytest.fixture
def chain() -> Caller:
    return Caller()


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
