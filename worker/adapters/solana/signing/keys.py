"""Reads signing keys, and keeps them out of everything that is printed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from string import hexdigits
from types import MappingProxyType

from solders.keypair import Keypair
from solders.pubkey import Pubkey

from worker.adapters.solana.errors import AddressUnusable, KeyUnusable
from worker.adapters.solana.signing.signing_key import TEST_MESSAGE, PlanSalts, SigningKey, signs

KEY_BYTES = 64
MESSAGE_LENGTHS = (4_096, 3_072, 2_040, 1_920, 1_536, 1_232)
"""The lengths that are tried. Modules have limits, such as 2 kB, and nobody tells which."""
NO_KEY = "not 64 bytes whose halves, secret and public, match"
SEED_PHRASE_WORDS = (12, 15, 18, 21, 24)
HEX_CHARACTERS = (64, 128)


def read_keypair(variable: str, text: str) -> Keypair:
    """A signing key from its text: a JSON array in the Solana command line's format, or base58.

    Raises:
        KeyUnusable: the text is not a key. The error names the variable; neither the error nor
            its causes contain the text.
    """
    text = text.strip()
    if not text:
        raise KeyUnusable(variable, "it is empty")
    keypair = _keypair(text)
    if keypair is None:
        # Raised outside of any handler, since an error of the JSON parser keeps the text.
        raise KeyUnusable(variable, _mistake(text))
    return keypair


def _mistake(text: str) -> str:
    """The usual mistake that a text which is no key looks like. It repeats no part of the text."""
    words = text.split()
    if len(words) in SEED_PHRASE_WORDS and all(word.isalpha() for word in words):
        return (
            f"it is a seed phrase of {len(words)} words; `solana-keygen recover -o FILE` makes "
            "the key file of it"
        )
    if text.startswith("-----BEGIN"):
        return "it is a PEM file, which holds another kind of key"
    if text.startswith("{"):
        return "it is a JSON object, such as the export of a wallet"
    if text.startswith("["):
        return _mistake_in_list(text)
    if len(text) in HEX_CHARACTERS and all(character in hexdigits for character in text):
        return "it is hexadecimal"
    if _is_address(text):
        return "it is an address, the public half of a key"
    return NO_KEY


def _mistake_in_list(text: str) -> str:
    try:
        numbers = json.loads(text)
    except ValueError:
        return "it is cut off, or not JSON"
    if len(numbers) != KEY_BYTES:
        return f"it has {len(numbers)} numbers instead of {KEY_BYTES}"
    return NO_KEY


def _is_address(text: str) -> bool:
    try:
        Pubkey.from_string(text)
    except ValueError:
        return False
    return True


def read_address(name: str, text: str) -> Pubkey:
    """
    Raises:
        AddressUnusable: not 32 bytes of base58.
    """
    try:
        return Pubkey.from_string(text)
    except ValueError:
        raise AddressUnusable(name, text) from None


class Keyring:
    """The keys of one operator. Prints as public keys only.

    `str()` of a solders Keypair is its secret. So a Keypair must stay out of every printed field.
    """

    __slots__ = ("_message_bytes_max", "authority", "fee_payer", "receipt_key", "salts")

    def __init__(
        self,
        authority: SigningKey,
        receipt_key: SigningKey,
        fee_payer: SigningKey,
        earlier_salts: Mapping[str, bytes] = MappingProxyType({}),
    ) -> None:
        self.authority = authority
        self.receipt_key = receipt_key
        self.fee_payer = fee_payer
        self.salts = PlanSalts(receipt_key, earlier_salts)
        self._message_bytes_max: int | None = None

    def __repr__(self) -> str:
        return (
            f"Keyring(authority={self.authority.pubkey()}, "
            f"receipt_key={self.receipt_key.pubkey()}, fee_payer={self.fee_payer.pubkey()})"
        )

    def all(self) -> list[SigningKey]:
        """Every key, once."""
        return self.signers(moves_tokens=True, makes_receipts=True)

    def check(self) -> None:
        """Let each key sign a message that is no transaction, as long as a payment may be.

        Raises:
            KeyUnusable: a key cannot sign now.
        """
        for key in self.all():
            key.sign_message(TEST_MESSAGE.ljust(self.message_bytes_max(), b"\0"))

    def message_bytes_max(self) -> int:
        """The longest message that every key signs. Tried once, from the largest on."""
        if self._message_bytes_max is None:
            lengths = (n for n in MESSAGE_LENGTHS if all(signs(key, n) for key in self.all()))
            self._message_bytes_max = next(lengths, MESSAGE_LENGTHS[-1])
        return self._message_bytes_max

    def signers(self, *, moves_tokens: bool, makes_receipts: bool) -> list[SigningKey]:
        """The signers of a transaction, fee payer first. A key in several roles signs once."""
        keys = {self.fee_payer.pubkey(): self.fee_payer}
        if makes_receipts:
            keys.setdefault(self.receipt_key.pubkey(), self.receipt_key)
        if moves_tokens:
            keys.setdefault(self.authority.pubkey(), self.authority)
        return list(keys.values())


def _keypair(text: str) -> Keypair | None:
    try:
        if not text.startswith("["):
            return Keypair.from_base58_string(text)
        # bytes() of a single number n makes n zeros, and would turn a typo into a key.
        return Keypair.from_bytes(bytes([int(number) for number in json.loads(text)]))
    except (ValueError, TypeError):
        return None
