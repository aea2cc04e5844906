"""A second implementation of the plan format, written from docs/plan-format.md alone.

It uses only hashlib and json's reader, and shares no code with worker/core. The format is the
content on which both agree. It is also the shortest answer to "how would I check a week in my own
language?".
"""

from __future__ import annotations

import hashlib
import json
from typing import Any

ALPHABET = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
MILLION = 10**6
ROW_KEYS = ["amount", "batch", "points", "user", "wallet", "weight"]
HEADER_KEYS = [
    "batch_size",
    "batches",
    "cutoff",
    "floor_waived",
    "held",
    "mint",
    "previous_root",
    "rewards",
    "rules",
    "total_amount",
    "total_points",
    "total_weight",
    "version",
    "week",
]
SHORT_ESCAPES = {
    '"': '\\"',
    "\\": "\\\\",
    "\b": "\\b",
    "\t": "\\t",
    "\n": "\\n",
    "\f": "\\f",
    "\r": "\\r",
}


def sha256(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


def hmac_sha256(key: bytes, message: bytes) -> bytes:
    """RFC 2104."""
    key = (sha256(key) if len(key) > 64 else key).ljust(64, b"\0")
    inner = sha256(bytes(b ^ 0x36 for b in key) + message)
    return sha256(bytes(b ^ 0x5C for b in key) + inner)


def canonical(value: Any) -> str:
    """Canonical JSON. The format contains only objects, arrays and strings."""
    if isinstance(value, dict):
        keys = sorted(value, key=str.encode)
        return "{" + ",".join(f"{canonical(key)}:{canonical(value[key])}" for key in keys) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(canonical, value)) + "]"
    return '"' + "".join(map(_escaped, value)) + '"'


def _escaped(character: str) -> str:
    if character in SHORT_ESCAPES:
        return SHORT_ESCAPES[character]
    return f"\\u{ord(character):04x}" if ord(character) < 0x20 else character


def tree(leaves: list[bytes]) -> bytes:
    """RFC 6962, section 2.1."""
    if not leaves:
        return sha256(b"")
    if len(leaves) == 1:
        return sha256(b"\x00" + leaves[0])
    k = 1
    while 2 * k < len(leaves):
        k *= 2
    return sha256(b"\x01" + tree(leaves[:k]) + tree(leaves[k:]))


def user_salt(receipt_secret: bytes, week: str, user_id: str) -> bytes:
    plan_salt = hmac_sha256(receipt_secret, b"kontrib/1/salt/" + week.encode())
    return hmac_sha256(plan_salt, user_id.encode())


def commitment(salt: bytes, user_id: str) -> bytes:
    return sha256(salt + user_id.encode())


def seed(receipt_id: str) -> str:
    return sha256(b"kontrib/1/" + receipt_id.encode()).hex()[:32]


def address(receipt_key: bytes, receipt_id: str) -> bytes:
    """CreateWithSeed under the System program, whose own address is 32 zero bytes."""
    return sha256(receipt_key + seed(receipt_id).encode() + bytes(32))


def base58(data: bytes) -> str:
    number, text = int.from_bytes(data), ""
    while number:
        number, digit = divmod(number, 58)
        text = ALPHABET[digit] + text
    return "1" * (len(data) - len(data.lstrip(b"\0"))) + text


def parts(header: dict[str, Any], lines: list[bytes]) -> list[list[bytes]]:
    """The rows of each batch, then the held ones."""
    size = int(header["batch_size"])
    payable = int(header["rewards"]) - int(header["held"])
    return [lines[i : min(i + size, payable)] for i in range(0, payable, size)] + [lines[payable:]]


def plan_root(header_line: bytes, row_lines: list[bytes]) -> bytes:
    header = json.loads(header_line)
    return tree([header_line, *map(tree, parts(header, row_lines))])


def amounts(header: dict[str, Any], rows: list[dict[str, str]]) -> dict[str, int]:
    """The amount of each user commitment, recomputed from points and weights."""
    rules = header["rules"]
    pool, floor = int(rules["pool"]), int(rules["min_amount"])
    on_top = rules["staking_bonus"] == "on_top"
    users = []
    for row in sorted(rows, key=lambda row: row["user"]):
        points, weight = int(row["points"]), int(row["weight"])
        users.append((row["user"], points if on_top else weight, weight // points))
    waived = len(users) * floor > pool
    lifted = set() if waived else _lifted(users, pool, floor)
    pool -= floor * len(lifted)
    total = sum(share for user, share, _ in users if user not in lifted)
    result, reached = {}, 0
    for user, share, multiplier in users:
        factor, scale = (multiplier, MILLION) if on_top else (1, 1)
        if user in lifted:
            result[user] = floor * factor // scale
            continue
        before, reached = reached, reached + share * factor
        result[user] = pool * reached // (total * scale) - pool * before // (total * scale)
    return result


def _lifted(users: list[tuple[str, int, int]], pool: int, floor: int) -> set[str]:
    lifted: set[str] = set()
    while True:
        left = pool - floor * len(lifted)
        total = sum(share for user, share, _ in users if user not in lifted)
        below = {u for u, share, _ in users if u not in lifted and share * left < floor * total}
        if not below:
            return lifted
        lifted |= below


class WrongPlan(Exception):
    """A published file contradicts itself."""


def check_file(content: bytes) -> bytes:
    """Check a published file against itself; returns its root, to be compared with the chain."""
    _demand(content.endswith(b"\n"), "the last line ends")
    header_line, *row_lines = content[:-1].split(b"\n")
    header, rows = json.loads(header_line), [json.loads(line) for line in row_lines]
    _demand(sorted(header) == HEADER_KEYS and header["version"] == "1", "version 1")
    for line, value in zip([header_line, *row_lines], [header, *rows], strict=True):
        _demand(canonical(value).encode() == line, "every line is canonical")
    _check_rows(header, row_lines, rows)
    _check_totals(header, rows)
    return plan_root(header_line, row_lines)


def _check_rows(header: dict[str, Any], lines: list[bytes], rows: list[dict[str, str]]) -> None:
    _demand(all(sorted(row) == ROW_KEYS for row in rows), "the keys of a row")
    _demand(len({row["user"] for row in rows}) == len(rows), "one row for each user")
    *batches, held = parts(header, lines)
    _demand(len(batches) == int(header["batches"]), "the number of batches")
    _demand(len(held) == int(header["held"]), "the number of held rows")
    names = [f"{header['week']}/{i:05}" for i, batch in enumerate(batches) for _ in batch]
    _demand([row["batch"] for row in rows] == names + [""] * len(held), "the batch of each row")
    wallets = [bool(row["wallet"]) for row in rows]
    _demand(wallets == [True] * len(names) + [False] * len(held), "held rows have no wallet")
    users = [row["user"] for row in rows]
    ascending = sorted(users[: len(names)]) + sorted(users[len(names) :])
    _demand(users == ascending, "ascending by user commitment")


def _check_totals(header: dict[str, Any], rows: list[dict[str, str]]) -> None:
    for name, total in (
        ("rewards", len(rows)),
        ("total_points", sum(int(row["points"]) for row in rows)),
        ("total_weight", sum(int(row["weight"]) for row in rows)),
        ("total_amount", sum(int(row["amount"]) for row in rows)),
    ):
        _demand(header[name] == str(total), name)
    rules = header["rules"]
    waived = len(rows) * int(rules["min_amount"]) > int(rules["pool"])
    _demand(header["floor_waived"] == ("true" if waived else "false"), "floor_waived")
    recomputed = amounts(header, rows)
    _demand({row["user"]: int(row["amount"]) for row in rows} == recomputed, "the amounts")


def _demand(holds: bool, what: str) -> None:
    if not holds:
        raise WrongPlan(what)
