"""User ids in one canonical form, and the commitments that stand for them in public.

The published plan names nobody: a user appears as SHA-256(salt || user id). Each user has a salt,
derived from the plan's salt. The plan's salt is derived from the receipt key's secret and the week.
So the same data gives the same plan again, and a user can receive their own salt as a proof.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
from collections.abc import Mapping

from worker.core.errors import NotReady, UsageError
from worker.core.storable import is_storable_text
from worker.core.week import MalformedWeek, Week

SALT_MESSAGE = b"\xffkontrib/1/salt-secret"
"""A key that cannot be read has the hash of its signature of this message as its secret.

It begins with 0xff, as no transaction does, so that its signature can move nothing.
"""
SALT_BYTES = 32
_HEX_ID = re.compile(r"[0-9a-fA-F]{24}")


class MalformedId(UsageError):
    """An id that no document can have."""

    def __init__(self, text: str) -> None:
        super().__init__(f"The id {text!a} is not UTF-8. Give the _id of a document.")


class SaltsUnusable(NotReady):
    """A file of salts cannot be used. The message repeats no salt."""

    def __init__(self, why: str) -> None:
        super().__init__(f"EARLIER_SALTS_FILE holds no salts that we can use: {why}.")


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


def salts_document(receipt_key: str, salts: Mapping[str, bytes]) -> bytes:
    """The salts of weeks, by their ids, as a file. It holds no key."""
    listed = {week: salt.hex() for week, salt in salts.items()}
    return json.dumps({"receipt_key": receipt_key, "salts": listed}, indent=1).encode() + b"\n"


def read_salts(document: bytes, receipt_key: str) -> dict[str, bytes]:
    """The salts of a file, by week.

    Raises:
        SaltsUnusable: not such a file, or that of another receipt key.
    """
    try:
        content = json.loads(document)
        found = str(content["receipt_key"])
        salts = {
            Week.parse(week).id: bytes.fromhex(text) for week, text in content["salts"].items()
        }
        is_whole = all(len(salt) == SALT_BYTES for salt in salts.values())
    except (ValueError, TypeError, KeyError, AttributeError, MalformedWeek):
        is_whole = False
    if not is_whole:
        # Raised outside of the handler, since a parser's error keeps the text.
        raise SaltsUnusable("it is not a file of `kontrib salts`")
    if found != receipt_key:
        raise SaltsUnusable(f"they are of the receipt key {found}, and ours is {receipt_key}")
    return salts


def user_salt(salt: bytes, user_id: str) -> bytes:
    """One user's own salt in a plan: 32 bytes. The user may receive it as a proof."""
    return hmac.digest(salt, user_id.encode(), "sha256")


def user_commitment(salt: bytes, user_id: str) -> bytes:
    """The commitment that stands for a user in a plan with this salt: 32 bytes."""
    return hashlib.sha256(user_salt(salt, user_id) + user_id.encode()).digest()
