"""Sending to the local chain is refused, dropped or executed as on a cluster."""

from __future__ import annotations

import base64

import pytest
from solders.hash import Hash
from solders.keypair import Keypair
from solders.pubkey import Pubkey
from solders.signature import Signature
from solders.transaction import VersionedTransaction

from deploy.local.chain.base58 import base58_encode
from deploy.local.chain.blocks import Commitment
from deploy.local.chain.execution import V1_FEATURE
from tests.deploy.local.chain.caller import PROCESSED, Caller, sending, wire
from tests.deploy.local.chain.payments import (
    SOL,
    memo,
    pay_sol,
    sign,
)


@pytest.fixture
def chain() -> Caller:
    return Caller()


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
