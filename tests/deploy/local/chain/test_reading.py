"""The local chain's answers about transactions, accounts and tokens."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from solders.keypair import Keypair
from solders.pubkey import Pubkey
from solders.signature import Signature
from spl.token.instructions import create_idempotent_associated_token_account

from deploy.local.chain.base58 import base58_decode
from tests.deploy.local.chain.caller import CONFIRMED, PROCESSED, Caller, owner_filter, paid
from tests.deploy.local.chain.payments import (
    GENEROUS,
    SOL,
    TOKEN,
    advance,
    pay_sol,
    sign,
    treasury,
)


@pytest.fixture
def chain() -> Caller:
    return Caller()


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
    config = shown("json")["message"]["transactionConfig"]
    assert config["computeUnitLimit"] == GENEROUS.compute_unit_limit


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
