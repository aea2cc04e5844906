"""User ids in one canonical form, and the commitments that stand for them in public.

The published plan names nobody: a user appears as SHA-256(salt || user id). Each user has a salt,
derived from the plan's salt. The plan's salt is derived from the receipt key's secret and the week.
So the same data gives the same plan again, and a user can receive their own salt as a proof.
"""

from __future__ import annotations

import hashlib
import hmac
import re

from worker.core.errors import UsageError
from worker.core.storable import is_storable_text
from worker.core.week import Week

SALT_MESSAGE = b"\xffkontrib/1/salt-secret"
"""A key that cannot be read has the hash of its signature of this message as its secret.

It begins with 0xff, as no transaction does, so that its signature can move nothing.
"""
_HEX_ID = re.compile(r"[0-9a-fA-F]{24}")


class MalformedId(UsageError):
    """An id that no document can have."""

    def __init__(self, text: str) -> None:
        super().__init__(f"The id {text!a} is not UTF-8. Give the _id of a document.")


def canonical_user_id(user_id: str) -> str:
    """24 lower-case hex characters for an ObjectId, else the unchanged string.

    Raises:
        MalformedId: the id is not UTF-8.
    """
    if not is_storable_text(user_id):
        raise MalformedId(user_id)
    return user_id.lower() if _HEX_ID.fullmatch(user_id) else user_id


def plan_salt(receipt_secret: bytes, week: Week) -> bytes:
    """The secret salt of one week's plan: 32 bytes, always the same."""
    return hmac.digest(receipt_secret, f"kontrib/1/salt/{week.id}".encode(), "sha256")


def user_salt(salt: bytes, user_id: str) -> bytes:
    """One user's own salt in a plan: 32 bytes. The user may receive it as a proof."""
    return hmac.digest(salt, user_id.encode(), "sha256")


def user_commitment(salt: bytes, user_id: str) -> bytes:
    """The commitment that stands for a user in a plan with this salt: 32 bytes."""
    return hashlib.sha256(user_salt(salt, user_id) + user_id.encode()).digest()
