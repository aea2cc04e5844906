"""A wallet that is no address says what to correct. Nothing is corrected by a guess."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from solders.keypair import Keypair
from solders.pubkey import Pubkey
from solders.signature import Signature

from tests.fakes.wallets import wallet_named
from worker.core.payout.chain import AccountProblem, Recipient
from worker.core.payout.hold import NO_WALLET, USER_TWICE, hold_without_chain
from worker.core.payout.records import Account
from worker.core.payout.wallet_text import (
    describe_wallet,
    has_lost_case,
    is_address,
    problem_text,
)

WALLET = wallet_named("x")
BITCOIN = "1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa"


@pytest.mark.parametrize(
    ("stored", "said"),
    [
        (WALLET + " ", "it has a blank at its end, remove it"),
        (" " + WALLET, "it has a blank at its beginning, remove it"),
        (f" {WALLET}\n", "it has a blank at its beginning and a line break at its end, remove it"),
        (WALLET + "\n", "it has a line break at its end, remove it"),
        (WALLET[:9] + "\t" + WALLET[9:], "it has a tab inside, remove it"),
        (WALLET + "\u200b", "it has an invisible character U+200B at its end, remove it"),
        ("\ufeff" + WALLET, "it has an invisible character U+FEFF at its beginning, remove it"),
        (WALLET + "\u00a0", "it has an invisible character U+00A0 at its end, remove it"),
        (f'"{WALLET}"', "it has other characters around an address, leave the address alone"),
        (f"solana:{WALLET}", "it has other characters around an address, leave the address alone"),
        (f"{WALLET}, {wallet_named('y')}", "it has more than one address, leave the address alone"),
        ("0x52908400098527886e0f7030069857d2e4169ee7", "it is an Ethereum address"),
        ("52908400098527886E0F7030069857D2E4169EE7", "it is an Ethereum address"),
        (BITCOIN, "it is a Bitcoin address"),
        ("bc1qar0srrr7xfkvy5l643lydnw9re59gtzzwf5mdq", "it is a Bitcoin address"),
        (WALLET.lower(), "it is all in lower case, and capitals count in an address"),
        (WALLET.upper(), "it is all in upper case, and capitals count in an address"),
        ("alice.sol", "it is a name, not an address"),
        ("@alice", "it is a name, not an address"),
        ("alice@example.org", "it is an e-mail address"),
        ("0" + WALLET[1:], "it has the character '0', which no address has"),
        ("\u0410" + WALLET[1:], r"it has the character '\u0410', which no address has"),
        (WALLET[:36], "it has 27 bytes, and an address has 32"),
        (str(Keypair.from_seed(bytes(32))), "it is as long as a secret key or a signature"),
        (WALLET[:8], "it has 8 characters, and an address has 32 to 44"),
        ("x" * 100_000, "it has 100,000 characters, and an address has 32 to 44"),
        (" \n", "it is blank"),
        ({"solana": WALLET}, "it is a document, not text"),
        ([WALLET], "it is a list, not text"),
        (True, "it is true or false, not text"),
        (4.5, "it is a number, not text"),
        (b"\x01", "it is of type bytes, not text"),
    ],
)
def test_it_says_what_to_correct(stored: object, said: str) -> None:
    assert describe_wallet(stored) == f"wallet is not an address: {said}"


@given(st.text() | st.integers() | st.lists(st.text()))
def test_every_value_is_described(stored: object) -> None:
    said = describe_wallet(stored)
    assert said.startswith("wallet is not an address: it ")
    assert said.isprintable()


@given(st.binary(min_size=32, max_size=32))
def test_no_address_of_a_key_has_letters_of_one_case_only(key: bytes) -> None:
    assert not has_lost_case(str(Pubkey(key))) or key[:20] == bytes(20)


@pytest.mark.parametrize(
    ("stored", "said"),
    [
        (f"{WALLET[:31]}0", "it has the character '0', which no address has"),
        (f"{WALLET[:30]}0", "it has 31 characters, and an address has 32 to 44"),
        (f"0{'Aa' * 22}", "it has 45 characters, and an address has 32 to 44"),
        (f"0{'Aa' * 21}A", "it has the character '0', which no address has"),
        (WALLET[:32], "it has 24 bytes, and an address has 32"),
        (WALLET[:31], "it has 31 characters, and an address has 32 to 44"),
        ("zZ" * 22, "it has 33 bytes, and an address has 32"),
        ("zZ" * 22 + "z", "it has 45 characters, and an address has 32 to 44"),
        ("a@b.org", "it is an e-mail address"),
        ("@b.org", "it is a name, not an address"),
    ],
)
def test_the_limits_of_an_address(stored: str, said: str) -> None:
    assert describe_wallet(stored) == f"wallet is not an address: {said}"


@pytest.mark.parametrize(
    ("stored", "reason"),
    [
        (WALLET, ""),
        (None, NO_WALLET),
        ("", NO_WALLET),
        (7, describe_wallet(7)),
        (WALLET.lower(), describe_wallet(WALLET.lower())),
        (WALLET[:36], describe_wallet(WALLET[:36])),
        ("zZ" * 22, describe_wallet("zZ" * 22)),
        (BITCOIN, describe_wallet(BITCOIN)),
    ],
)
def test_a_wallet_is_judged_without_the_chain(stored: object, reason: str) -> None:
    account = Account("ada", stored, {}, had_token_account=False)

    assert hold_without_chain(account) == reason
    assert hold_without_chain(replace(account, is_twice=True)) == USER_TWICE


@given(st.binary(min_size=32, max_size=32))
def test_every_key_is_an_address_and_a_shorter_one_is_none(key: bytes) -> None:
    text = str(Pubkey(key))

    assert is_address(text) is not has_lost_case(text)
    assert not is_address(text[:-2])


def test_a_recipients_problem_names_its_own_wallet() -> None:
    known = {problem: Recipient(WALLET[:8], problem, False) for problem in AccountProblem}
    said = {problem: problem_text(recipient) for problem, recipient in known.items()}

    assert said.pop(AccountProblem.NOT_AN_ADDRESS) == describe_wallet(WALLET[:8])
    assert said == {problem: problem.value for problem in said}
    assert problem_text(Recipient(WALLET, None, True)) is None


def test_the_smallest_and_the_largest_key_of_a_length_are_read() -> None:
    assert all(is_address(str(Pubkey(key))) for key in (bytes([1, *bytes(31)]), bytes([255] * 32)))
    assert "it is as long as a secret key" in describe_wallet(str(Signature(bytes([255] * 64))))
