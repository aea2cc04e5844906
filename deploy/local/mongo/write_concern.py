"""Write concerns, as the primary of a replica set with one member honours them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from deploy.local.mongo.errors import Document, failure

MEMBERS = 1
MEMBERS_MAX = 50

# Commands that write. Every other command refuses a write concern.
_WRITES = frozenset(
    {"insert", "update", "delete", "findandmodify", "aggregate", "create", "createindexes",
     "drop", "dropdatabase", "dropindexes", "collmod", "renamecollection"}
)  # fmt: skip
_FIELDS = frozenset({"w", "j", "fsync", "wtimeout", "provenance", "getLastError"})


def refuse_write_concern(command: str, concern: Any) -> Document | None:
    """The error of a write concern that no server accepts; its command does not run."""
    if concern is None:
        return None
    if not isinstance(concern, Mapping):
        wrong = f"BSON field 'writeConcern' is the wrong type, expected type 'object': {concern!r}"
        return failure(14, "TypeMismatch", wrong)
    if command.lower() not in _WRITES:
        return failure(72, "InvalidOptions", f"Command {command} does not support writeConcern")
    reason = _why_malformed(concern)
    return None if reason is None else failure(9, "FailedToParse", reason)


def _why_malformed(concern: Mapping[str, Any]) -> str | None:
    if unknown := {*concern} - _FIELDS:
        return f"unrecognized write concern field: {min(unknown)}"
    w = concern.get("w", 1)
    if isinstance(w, int | float) and not isinstance(w, bool):
        if not 0 <= w <= MEMBERS_MAX:
            found = f"non-negative number and not greater than {MEMBERS_MAX}; found: {w}"
            return f"w has to be a {found}"
    elif not isinstance(w, str | Mapping):
        return f"w has to be a number, string, or object; found: {type(w).__name__}"
    for name in ("j", "fsync"):
        if not isinstance(concern.get(name, False), bool | int | float):
            return f"{name} must be numeric or a boolean value"
    if concern.get("j") and concern.get("fsync"):
        return "fsync and j options cannot be used together"
    if not isinstance(concern.get("wtimeout", 0), int | float):
        return "wtimeout must be a number"
    return None


def is_unacknowledged(concern: Any) -> bool:
    """True if the client asks for no result. `j` or `fsync` ask for one."""
    if not isinstance(concern, Mapping):
        return False
    w = concern.get("w", 1)
    return (
        w == 0
        and not isinstance(w, str | bool)
        and not concern.get("j")
        and not concern.get("fsync")
    )


def unmet(concern: Any) -> Document | None:
    """The `writeConcernError` of a write that happened, but not on as many members as asked."""
    w = concern.get("w", 1) if isinstance(concern, Mapping) else 1
    if w == "majority":
        return None
    if isinstance(w, str):
        missing = f"No write concern mode named '{w}' found in replica set configuration"
        return _error(79, "UnknownReplWriteConcern", missing, concern)
    if isinstance(w, Mapping):
        missing = "The tags of this write concern are not in the replica set configuration"
        return _error(79, "UnknownReplWriteConcern", missing, concern)
    if w > MEMBERS:
        return _error(100, "UnsatisfiableWriteConcern", "Not enough data-bearing nodes", concern)
    return None


def _error(code: int, name: str, message: str, concern: Mapping[str, Any]) -> Document:
    asked = {
        "w": concern["w"],
        "wtimeout": concern.get("wtimeout", 0),
        "provenance": "clientSupplied",
    }
    return {
        "code": code,
        "codeName": name,
        "errmsg": f"{name}: {message}" if code == 100 else message,
        "errInfo": {"writeConcern": asked},
    }
