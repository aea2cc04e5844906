"""A contributor's proof: the row, the salt that links it to the user, and the paths to the root.

It fits into a message: below 4 KB for a million rewards. See docs/verification.md.
"""

from __future__ import annotations

import base64
import hashlib
import json
from dataclasses import dataclass
from typing import Any

from worker.core.findings import Check
from worker.core.plan.commitment import Header, MalformedPlan, Row, RowProof, canonical_json
from worker.core.proof.bundle import UNREADABLE, MalformedBundle, text_of

PROOF_VERSION = "1"
HASH_BYTES = 32
_DOCUMENTS = ("header", "row")
_PATHS = ("row_path", "part_path", "header_path")
_NUMBERS = ("index_in_part", "part_size", "part", "parts")


@dataclass(frozen=True, slots=True)
class ContributorProof:
    """The file that `kontrib proof` writes. Its reader learns the user's row."""

    user_id: str
    salt: bytes
    root: bytes
    receipt_key: str
    cluster_genesis: str
    row: RowProof

    def canonical(self) -> bytes:
        """One line, without its line end. Header and row are canonical JSON inside it."""
        return canonical_json(
            {
                "cluster_genesis": self.cluster_genesis,
                "proof": PROOF_VERSION,
                "receipt_key": self.receipt_key,
                "root": self.root.hex(),
                "salt": self.salt.hex(),
                "user_id": self.user_id,
                **{name: json.loads(getattr(self.row, name)) for name in _DOCUMENTS},
                **{name: str(getattr(self.row, name)) for name in _NUMBERS},
                **{name: _joined(getattr(self.row, name)) for name in _PATHS},
            }
        )

    @classmethod
    def parse(cls, content: bytes) -> ContributorProof:
        """Read a proof, with or without its line end.

        Raises:
            MalformedBundle: it is not a proof, has another version, or is not in canonical form.
        """
        value = _object(content)
        try:
            if value["proof"] != PROOF_VERSION:
                raise MalformedBundle("the proof", f"version {value['proof']} is unknown")
            row: dict[str, Any] = {name: canonical_json(value[name]) for name in _DOCUMENTS}
            row |= {name: int(value[name]) for name in _NUMBERS}
            row |= {name: _split(value[name]) for name in _PATHS}
            parsed = cls(
                user_id=text_of(value["user_id"]),
                salt=bytes.fromhex(value["salt"]),
                root=bytes.fromhex(value["root"]),
                receipt_key=text_of(value["receipt_key"]),
                cluster_genesis=text_of(value["cluster_genesis"]),
                row=RowProof(**row),
            )
            canonical = parsed.canonical()
        except UNREADABLE as error:
            raise MalformedBundle("the proof", f"{type(error).__name__}: {error}") from None
        if canonical != content.removesuffix(b"\n"):
            raise MalformedBundle("the proof", "not in canonical form")
        return parsed


def _object(content: bytes) -> dict[str, Any]:
    """
    Raises:
        MalformedBundle: the file is something else than a proof.
    """
    try:
        value = json.loads(content)
    except (ValueError, RecursionError):
        value = None
    if isinstance(value, dict) and "proof" in value:
        return value
    raise MalformedBundle("the proof", "this is not a proof: `kontrib proof` writes one")


def _joined(path: tuple[bytes, ...]) -> str:
    # As a list of hashes in hex, a large week's proof would be above 4 KB.
    return base64.b64encode(b"".join(path)).decode()


def _split(text: object) -> tuple[bytes, ...]:
    joined = base64.b64decode(text_of(text), validate=True)
    if len(joined) % HASH_BYTES:
        raise ValueError("a path is not a list of hashes")
    return tuple(joined[i : i + HASH_BYTES] for i in range(0, len(joined), HASH_BYTES))


def verify_row(proof: ContributorProof) -> tuple[list[Check], Header | None, Row | None]:
    """Check that the row belongs to the user and to the root. Returns the checks, header and row.

    Header and row are None if they cannot be read.
    """
    plan, user, place = Check("row"), Check("user"), Check("place")
    checks = [plan, user, place]
    try:
        header, row = Header.parse(proof.row.header), Row.parse(proof.row.row)
    except MalformedPlan as error:
        plan.wrong("the proof", str(error))
        return checks, None, None
    if proof.row.root() != proof.root:
        plan.wrong("the paths", f"do not lead from header and row to the root {proof.root.hex()}")
    plan.detail = f"belongs to the plan of {header.week.id}, root {proof.root.hex()}"
    commitment = hashlib.sha256(proof.salt + proof.user_id.encode()).hexdigest()
    user.expect("the row", "its user commitment", commitment, row.user.hex())
    user.detail = f"{proof.user_id} with this salt is {commitment}"
    _check_place(proof.row, header, row, place)
    return checks, header, row


def _check_place(proof: RowProof, header: Header, row: Row, check: Check) -> None:
    """Check that the row is at a position of its batch."""
    check.expect("the proof", "parts", header.batches + 2, proof.parts)
    index = proof.part - 1
    if not 0 <= index <= header.batches or header.batch_size < 1:
        check.wrong("the proof", f"part {proof.part} is outside the plan")
        return
    is_held = index == header.batches
    positions = header.held_positions if is_held else header.batch_positions(index)
    expected = "" if is_held else str(header.batch_id(index))
    check.expect("the proof", "part_size", len(positions), proof.part_size)
    check.expect("the row", "batch", repr(expected), repr(row.batch))
    where = "the held rows" if is_held else f"batch {expected}"
    check.detail = f"row {proof.index_in_part + 1} of {proof.part_size} of {where}"
