"""Values that every real cluster has: the wrapped SOL mint, the rent rate, amounts as text."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pytest
from solders.instruction import AccountMeta, Instruction
from solders.keypair import Keypair
from solders.pubkey import Pubkey
from spl.token.instructions import create_idempotent_associated_token_account

from deploy.local.chain.preinstalled import MEMO_CODE, MEMO_PROGRAM, NATIVE_MINT
from deploy.local.chain.snapshot import load, save
from tests.deploy.local.chain.caller import PROCESSED, Caller, wire
from tests.deploy.local.chain.payments import SOL, advance, memo, pay_sol, sign, treasury

STEPS = [6_960, 6_333, 5_080, 2_575, 1_322, 696]


@pytest.mark.parametrize("rate", STEPS)
def test_each_step_of_the_rent_rate_can_be_chosen(rate: int) -> None:
    chain = Caller(lamports_per_byte=rate)

    asked = [chain.call("getMinimumBalanceForRentExemption", size) for size in (0, 1, 165)]

    assert asked == [128 * rate, 129 * rate, 293 * rate]
    assert chain.value("getAccountInfo", str(NATIVE_MINT), {"encoding": "base64"})["lamports"] == (
        chain.call("getMinimumBalanceForRentExemption", 82)
    )


def test_a_step_of_the_rent_rate_happens_while_the_chain_runs(tmp_path: Path) -> None:
    chain, poor = Caller(), Pubkey.new_unique()
    payment = sign([pay_sol(chain.payer, poor, 696 * 128)], [chain.payer], chain.tip_hash)
    error = chain.refused(payment)
    assert "InsufficientFundsForRent" in error["data"]["err"]

    assert chain.call("local_setRent", 696)

    assert chain.send(payment)
    assert chain.value("getBalance", str(poor), PROCESSED) == 696 * 128
    save(chain.ledger, tmp_path / "chain")
    again = load(tmp_path / "chain", chain.ledger.rules)
    assert again.executor.svm.minimum_balance_for_rent_exemption(1) == 129 * 6_960


def test_the_wrapped_sol_mint_exists_and_holds_wrapped_sol() -> None:
    chain = Caller()
    mint = chain.value("getAccountInfo", str(NATIVE_MINT), {"encoding": "jsonParsed"})
    owner = chain.payer.pubkey()

    chain.send(
        sign(
            [create_idempotent_associated_token_account(owner, owner, NATIVE_MINT)],
            [chain.payer],
            chain.tip_hash,
        )
    )

    assert mint["owner"] == "TokenkegQfeZyiNwAJbNbGKPFXCWuBvf9Ss623VQ5DA"
    assert mint["data"]["parsed"]["info"] == {
        "decimals": 9,
        "freezeAuthority": None,
        "isInitialized": True,
        "mintAuthority": None,
        "supply": "0",
    }
    advance(chain.ledger, 20)
    wanted = [str(owner), {"mint": str(NATIVE_MINT)}, {"encoding": "base64"}]
    held = chain.value("getTokenAccountsByOwner", *wanted)
    assert len(held) == 1


@pytest.mark.parametrize(
    ("text", "units", "logged"),
    [
        ("", 1_382, '""'),
        ("receiver_address", 7_200, '"receiver_address"'),
        ("2024-12-09/00007", 7_200, '"2024-12-09/00007"'),
        ('a"b\\\n\u0301', 4_102, r'"a\"b\\\n\u{301}"'),
    ],
)
def test_a_memo_costs_and_logs_what_it_does_on_a_cluster(
    text: str, units: int, logged: str
) -> None:
    chain = Caller()

    shown = simulated(chain, memo(text))

    length = len(text.encode())
    assert shown["logs"][1] == f"Program log: Memo (len {length}): {logged}"
    assert shown["unitsConsumed"] == units


def test_a_memo_names_its_signers() -> None:
    chain = Caller()
    signer = AccountMeta(chain.payer.pubkey(), is_signer=True, is_writable=False)

    shown = simulated(chain, Instruction(MEMO_PROGRAM, b"hi", [signer]))

    assert shown["logs"][1:3] == [
        f"Program log: Signed by {chain.payer.pubkey()}",
        'Program log: Memo (len 2): "hi"',
    ]
    assert shown["unitsConsumed"] > 10_000


def simulated(chain: Caller, instruction: Instruction) -> Any:
    transaction = sign([instruction], [chain.payer], chain.tip_hash)
    options = {"encoding": "base64", **PROCESSED}
    return chain.value("simulateTransaction", wire(transaction), options)


def test_the_memo_program_is_the_one_of_clusters() -> None:
    code = "f520eaf096361abbb9639ea4dc3e5388a87b9330e121f476607b87c46ef67954"

    assert hashlib.sha256(MEMO_CODE.read_bytes()).hexdigest() == code


def test_the_supply_of_a_token_is_text_and_a_float() -> None:
    chain = Caller()
    payer = treasury(chain.ledger)
    advance(chain.ledger, 20)

    assert chain.value("getTokenSupply", str(payer.mint)) == {
        "amount": "1000000000000000",
        "decimals": 9,
        "uiAmount": 1_000_000.0,
        "uiAmountString": "1000000",
    }
    assert chain.value("getTokenSupply", str(NATIVE_MINT)) == {
        "amount": "0",
        "decimals": 9,
        "uiAmount": 0.0,
        "uiAmountString": "0",
    }


def test_the_supply_of_something_else_is_refused_in_the_words_of_a_validator() -> None:
    chain = Caller()
    payer = treasury(chain.ledger)
    advance(chain.ledger, 20)
    wallet = Keypair().pubkey()
    chain.call("requestAirdrop", str(wallet), SOL)
    advance(chain.ledger, 20)

    def refusal(address: object) -> str:
        return str(chain.error("getTokenSupply", str(address))["message"])

    assert refusal(Pubkey.new_unique()) == "Invalid param: could not find account"
    assert refusal(wallet) == "Invalid param: not a Token mint"
    assert refusal(payer.source) == "Invalid param: mint could not be unpacked"
