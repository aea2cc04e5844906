"""What signs: the port of a key, in a file or in a module."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from functools import cached_property
from typing import Protocol

from solders.keypair import Keypair
from solders.pubkey import Pubkey
from solders.signature import Signature

from worker.adapters.solana.signing.key_errors import (
    MessageTooLong,
    SaltsNotRepeatable,
    SigningUnavailable,
)
from worker.core.identity import SALT_MESSAGE, plan_salt
from worker.core.week import Week

TEST_MESSAGE = b"\xffkontrib/1/test"
"""Signed to test a key. No transaction begins with 0xff, so this signature can move nothing."""


class SigningKey(Protocol):
    """An Ed25519 key. A `solders` Keypair, read from a file, is one."""

    def pubkey(self) -> Pubkey: ...

    def sign_message(self, message: bytes) -> Signature:
        """
        Raises:
            KeyUnusable: the key cannot sign now. Nothing was signed.
            MessageTooLong: the key signs only shorter messages.
        """


def salt_secret(key: SigningKey) -> bytes:
    """The secret from which plan salts are derived: 32 bytes, always the same for a key's place.

    A key from a file is its own secret. A key in a module has none that we can read, but its
    signature of a fixed message is known to its holders alone.

    Raises:
        SaltsNotRepeatable: the key does not sign in the same way twice.
    """
    if isinstance(key, Keypair):
        return bytes(key.secret())
    signature = key.sign_message(SALT_MESSAGE)
    if key.sign_message(SALT_MESSAGE) != signature:
        raise SaltsNotRepeatable("RECEIPT_KEY_URI")
    return hashlib.sha256(bytes(signature)).digest()


class PlanSalts:
    """The salts of all weeks: those of a file, then those that the receipt key gives."""

    def __init__(self, receipt_key: SigningKey, earlier: Mapping[str, bytes]) -> None:
        self._receipt_key, self._earlier = receipt_key, earlier

    def of(self, week: Week) -> bytes:
        return self._earlier.get(week.id) or plan_salt(self._secret, week)

    @cached_property
    def _secret(self) -> bytes:
        return salt_secret(self._receipt_key)


def signs(key: SigningKey, length_bytes: int) -> bool:
    """Whether a key signs messages of this length. Some modules sign 2 kB at most.

    Modules refuse longer ones with many errors: a YubiHSM with CKR_ARGUMENTS_BAD or
    CKR_BUFFER_TOO_SMALL. If a short message is signed then, the length was the reason.

    Raises:
        KeyUnusable: the key cannot sign now.
    """
    try:
        key.sign_message(TEST_MESSAGE.ljust(length_bytes, b"\0"))
    except MessageTooLong:
        return False
    except SigningUnavailable:
        key.sign_message(TEST_MESSAGE)
        return False
    return True
