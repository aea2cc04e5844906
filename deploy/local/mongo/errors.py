"""Translates DocumentDB's errors into the codes of MongoDB's drivers.

PostgreSQL numbers errors with an SQLSTATE of five characters; DocumentDB has its own class "M0".
Inside a reply it packs the SQLSTATE into an integer, like PostgreSQL does internally.
"""

from __future__ import annotations

from typing import Any

Document = dict[str, Any]

DUPLICATE_KEY = 11000
INTERNAL_ERROR = 1

# Errors that drivers or applications treat in special ways. All others become InternalError.
_CODES: dict[str, tuple[int, str]] = {
    "M0001": (2, "BadValue"),
    "M0003": (9, "FailedToParse"),
    "M0004": (14, "TypeMismatch"),
    "M0005": (15, "Overflow"),
    "M00DO": (16, "InvalidLength"),
    "M0006": (20, "IllegalOperation"),
    "M00EW": (24, "LockTimeout"),
    "M0008": (26, "NamespaceNotFound"),
    "M0009": (27, "IndexNotFound"),
    "M000A": (28, "PathNotViable"),
    "M000D": (40, "ConflictingUpdateOperators"),
    "M000E": (43, "CursorNotFound"),
    "M000F": (48, "NamespaceExists"),
    "57014": (50, "MaxTimeMSExpired"),
    "M00EX": (50, "MaxTimeMSExpired"),
    "M000G": (52, "DollarPrefixedFieldName"),
    "M000J": (56, "EmptyFieldName"),
    "M000M": (66, "ImmutableField"),
    "M000N": (67, "CannotCreateIndex"),
    "M000O": (68, "IndexAlreadyExists"),
    "M000P": (72, "InvalidOptions"),
    "M000Q": (73, "InvalidNamespace"),
    "M000R": (85, "IndexOptionsConflict"),
    "M000S": (86, "IndexKeySpecsConflict"),
    "40001": (112, "WriteConflict"),
    "40P01": (112, "WriteConflict"),
    "55P03": (112, "WriteConflict"),
    "M00F1": (112, "WriteConflict"),
    "M000U": (115, "CommandNotSupported"),
    "0A000": (115, "CommandNotSupported"),
    "M00CO": (121, "DocumentValidationFailure"),
    "M0012": (197, "InvalidIndexSpecificationOption"),
    "M0015": (241, "ConversionFailure"),
    "M0016": (263, "OperationNotSupportedInTransaction"),
    "M001B": (10334, "BSONObjectTooLarge"),
    "M001C": (DUPLICATE_KEY, "DuplicateKey"),
    "23505": (DUPLICATE_KEY, "DuplicateKey"),
    "23P01": (DUPLICATE_KEY, "DuplicateKey"),
    "53100": (14031, "OutOfDiskSpace"),
    "M007U": (40324, "UnrecognizedCommand"),
}

# PostgreSQL stops or has no free connection. The command did not run.
_SHUTDOWN_STATES = {"57P01", "57P02", "57P03", "53300"}


def mongo_code(sqlstate: str) -> tuple[int, str]:
    """MongoDB's code and name for an SQLSTATE."""
    return _CODES.get(sqlstate, (INTERNAL_ERROR, "InternalError"))


def is_shutdown(sqlstate: str | None) -> bool:
    """True if the error means that PostgreSQL is going away. Other errors are refusals."""
    return sqlstate in _SHUTDOWN_STATES


def unpack_sqlstate(packed: int) -> str:
    """Unpack the five characters of an SQLSTATE: six bits each, lowest first."""
    return "".join(chr(((packed >> (6 * i)) & 0x3F) + ord("0")) for i in range(5))


def failure(code: int, name: str, message: str) -> Document:
    """The reply to a completely failed command."""
    return {"ok": 0.0, "errmsg": message, "code": code, "codeName": name}


def translate_write_errors(reply: Document) -> list[Document]:
    """Set the MongoDB code of each error in `reply`; return the duplicate-key errors."""
    errors: list[Document] = reply.get("writeErrors", [])
    for error in errors:
        error["code"] = mongo_code(unpack_sqlstate(error["code"]))[0]
    return [error for error in errors if error["code"] == DUPLICATE_KEY]


def describe_duplicate(
    namespace: str, index: str, key: Document, document: Document | None
) -> Document:
    """MongoDB's description of a duplicate key: the index's key, and known values."""
    message = f"E11000 duplicate key error collection: {namespace} index: {index}"
    described: Document = {"keyPattern": key}
    if document is not None:
        values = {path: _value_at(document, path) for path in key}
        shown = ", ".join(f"{path}: {value!r}" for path, value in values.items())
        message += f" dup key: {{ {shown} }}"
        described["keyValue"] = values
    return described | {"errmsg": message}


def _value_at(document: Document, path: str) -> Any:
    """The value at a dotted path; None if absent, like in MongoDB's own message."""
    value: Any = document
    for part in path.split("."):
        value = value.get(part) if isinstance(value, dict) else None
    return value
