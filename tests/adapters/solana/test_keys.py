"""Keys are read in the two usual forms, and never printed."""

from __future__ import annotations

import json
import traceback

import pytest
from solders.keypair import Keypair

from worker.adapters.solana.chain import SolanaChain
from worker.adapters.solana.errors import AddressUnusable, KeyUnusable
from worker.adapters.solana.signing.keys import Keyring, read_address, read_keypair

KEY = Keypair.from_seed(bytes(range(32)))
NUMBERS = list(bytes(KEY))
BASE58 = str(KEY)
OTHER_PUBLIC_HALF = NUMBERS[:32] + list(bytes(Keypair.from_seed(bytes(32)).pubkey()))


@pytest.mark.parametrize(
    "text", [json.dumps(NUMBERS), json.dumps(NUMBERS, indent=2), BASE58, f"  {BASE58}\n"]
)
def test_both_forms_of_a_key_are_read(text: str) -> None:
    assert read_keypair("SOLANA_PRIVATE_KEY", text) == KEY


@pytest.mark.parametrize(
    "text",
    [
        "",
        "   ",
        "[]",
        "1234567",
        json.dumps(NUMBERS[:32]),
        json.dumps(NUMBERS[:-1]),
        json.dumps([*NUMBERS, 0]),
        json.dumps([256, *NUMBERS[1:]]),
        json.dumps([-1, *NUMBERS[1:]]),
        json.dumps(["x", *NUMBERS[1:]]),
        json.dumps([None, *NUMBERS[1:]]),
        json.dumps(NUMBERS)[:-1],
        json.dumps(OTHER_PUBLIC_HALF),
        BASE58[:-1],
        BASE58 + "1",
        BASE58[:-1] + "0",
        BASE58[:40] + " " + BASE58[40:],
        "/home/me/id.json",
        "schlüssel",
    ],
)
def test_an_unusable_key_is_named_by_its_variable_and_never_shown(text: str) -> None:
    with pytest.raises(KeyUnusable, match="SOLANA_PRIVATE_KEY") as caught:
        read_keypair("SOLANA_PRIVATE_KEY", text)

    shown = "".join(traceback.format_exception_only(caught.value)) + str(caught.value.args)
    assert text.strip() == "" or text not in shown
    for part in (str(NUMBERS[:4])[1:-1], BASE58[:8], "home", "schl"):
        assert part not in shown
    # Neither the cause nor the context of an error may contain the typed text.
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None


PHRASE = "abandon ability able about above absent absorb abstract absurd abuse access accident"


@pytest.mark.parametrize(
    ("text", "mistake"),
    [
        ("", "it is empty"),
        (PHRASE, "a seed phrase of 12 words; `solana-keygen recover"),
        (f"{PHRASE}\n{PHRASE}\n", "a seed phrase of 24 words"),
        (str(KEY.pubkey()), "an address, the public half"),
        (bytes(KEY).hex(), "hexadecimal"),
        ("-----BEGIN PRIVATE KEY-----\nMC4C\n", "a PEM file"),
        ('{"publicKey": "x"}', "a JSON object"),
        (json.dumps(NUMBERS[:32]), "it has 32 numbers instead of 64"),
        (json.dumps(NUMBERS)[:-1], "cut off"),
        (json.dumps(OTHER_PUBLIC_HALF), "halves, secret and public, match"),
        ("nonsense", "halves, secret and public, match"),
    ],
)
def test_a_usual_mistake_is_named(text: str, mistake: str) -> None:
    with pytest.raises(KeyUnusable, match="RECEIPT_KEY_FILE") as caught:
        read_keypair("RECEIPT_KEY_FILE", text)
    assert mistake in str(caught.value)
    assert caught.value.exit_code == 3


def test_nothing_that_holds_keys_prints_them() -> None:
    keys = Keyring(KEY, KEY, KEY)
    chain = SolanaChain(
        ["http://localhost:1"], str(KEY.pubkey()), KEY, KEY, KEY, None, timeout_seconds=1
    )

    for shown in (repr(keys), str(keys), repr(chain), str(chain)):
        assert BASE58 not in shown
        assert str(KEY.pubkey()) in shown


def test_one_key_in_several_roles_signs_once() -> None:
    other = Keypair()

    assert Keyring(KEY, KEY, KEY).signers(moves_tokens=True, makes_receipts=True) == [KEY]
    separate = Keyring(KEY, other, KEY)
    assert separate.signers(moves_tokens=True, makes_receipts=True) == [KEY, other]
    assert separate.signers(moves_tokens=False, makes_receipts=False) == [KEY]


def test_only_those_sign_who_have_to() -> None:
    authority, receipt_key, payer = Keypair(), Keypair(), Keypair()
    keys = Keyring(authority, receipt_key, payer)

    assert keys.signers(moves_tokens=True, makes_receipts=True) == [payer, receipt_key, authority]
    assert keys.signers(moves_tokens=False, makes_receipts=True) == [payer, receipt_key]
    assert keys.signers(moves_tokens=False, makes_receipts=False) == [payer]


@pytest.mark.parametrize("text", ["", "KONTRIB", str(KEY), "0" * 44])
def test_an_unusable_address_is_named(text: str) -> None:
    with pytest.raises(AddressUnusable, match="mint"):
        read_address("mint", text)
