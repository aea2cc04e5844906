"""The format of a bundle: three files with which a stranger can check one week.

`plan.jsonl` is the published plan. `payouts.jsonl` lists how the chain resolved each batch and each
reward that was paid alone. `manifest.json` names the cluster, mint and receipt key, and holds the
hashes of the other files. See docs/verification.md.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from worker.core.errors import Refused, UsageError
from worker.core.money import BaseUnits
from worker.core.payout.records import PayoutKind
from worker.core.plan.commitment import canonical_json
from worker.core.plan.receipts import ReceiptState
from worker.core.week import Week

BUNDLE_VERSION = "1"
PLAN_FILE = "plan.jsonl"
PAYOUTS_FILE = "payouts.jsonl"
MANIFEST_FILE = "manifest.json"
HASHED_FILES = (PAYOUTS_FILE, PLAN_FILE)

UNREADABLE = (ValueError, KeyError, TypeError, AttributeError, RecursionError, UsageError)
"""Errors that a foreign line can raise: wrong JSON, types, weeks, surrogates, depth."""


class MalformedBundle(Refused):
    """A line of a bundle cannot be read."""

    def __init__(self, place: str, why: str) -> None:
        self.place, self.why = place, why
        super().__init__(f"{place} cannot be read ({why}). Fetch the bundle again.")


@dataclass(frozen=True, slots=True)
class Manifest:
    """The identity of a bundle. Addresses are base58, hashes 32 bytes."""

    week: Week
    first_week: Week
    cluster_genesis: str
    mint: str
    receipt_key: str
    """The public key from which every receipt's address is derived."""
    source_account: str
    """The token account that pays."""
    root: bytes
    held_root: bytes
    anchor_signature: str
    """Empty if no endpoint returned the transaction."""
    anchor_slot: int | None
    files: Mapping[str, bytes]
    """SHA-256 of the other files, by name."""

    def canonical(self) -> bytes:
        """One line, without its line end. The checksum covers all other fields."""
        fields = {
            "anchor_signature": self.anchor_signature,
            "anchor_slot": slot_text(self.anchor_slot),
            "bundle": BUNDLE_VERSION,
            "cluster_genesis": self.cluster_genesis,
            "files": {name: digest.hex() for name, digest in self.files.items()},
            "first_week": self.first_week.id,
            "held_root": self.held_root.hex(),
            "mint": self.mint,
            "receipt_key": self.receipt_key,
            "root": self.root.hex(),
            "source_account": self.source_account,
            "week": self.week.id,
        }
        checksum = hashlib.sha256(canonical_json(fields)).hexdigest()
        return canonical_json(fields | {"checksum": checksum})

    @classmethod
    def parse(cls, content: bytes) -> Manifest:
        """Read `manifest.json`, its line end included.

        Raises:
            MalformedBundle: it is not a manifest, has another version, or was changed.
        """
        try:
            value = json.loads(content)
            if value["bundle"] != BUNDLE_VERSION:
                raise MalformedBundle(MANIFEST_FILE, f"version {value['bundle']} is unknown")
            parsed = cls(
                week=Week.parse(value["week"]),
                first_week=Week.parse(value["first_week"]),
                root=bytes.fromhex(value["root"]),
                held_root=bytes.fromhex(value["held_root"]),
                anchor_slot=slot_from(value["anchor_slot"]),
                files={name: bytes.fromhex(value["files"][name]) for name in HASHED_FILES},
                **{name: text_of(value[name]) for name in _TEXTS},
            )
            canonical = parsed.canonical() + b"\n"
        except UNREADABLE as error:
            raise MalformedBundle(MANIFEST_FILE, f"{type(error).__name__}: {error}") from None
        if canonical != content:
            differing = _differing(json.loads(canonical), value)
            raise MalformedBundle(MANIFEST_FILE, f"{differing} was changed")
        return parsed


_TEXTS = ("anchor_signature", "cluster_genesis", "mint", "receipt_key", "source_account")


def _differing(expected: Mapping[str, Any], found: Mapping[str, Any]) -> str:
    """The keys that differ from the canonical form."""
    keys = sorted(expected.keys() | found.keys())
    differing = [key for key in keys if expected.get(key) != found.get(key)]
    if differing == ["checksum"]:
        return "a value (the checksum belongs to another one)"
    return ", ".join(differing) or "its form"


@dataclass(frozen=True, slots=True)
class PayoutLine:
    """The outcome of a batch, or of a reward that was paid alone."""

    id: str
    kind: PayoutKind
    state: ReceiptState
    signature: str
    """Empty if the receipt is free, or if no endpoint returned the transaction."""
    slot: int | None
    amount: BaseUnits
    """The amount of its rows in the plan; 0 for a void or free batch."""
    wallet: str
    """The paid wallet of a single. Empty for a batch."""
    root: bytes
    """The root of a batch's rows. Empty for a single."""

    def canonical(self) -> bytes:
        """One line, without its line end."""
        return canonical_json(
            {
                "amount": str(self.amount),
                "id": self.id,
                "kind": self.kind.value,
                "root": self.root.hex(),
                "signature": self.signature,
                "slot": slot_text(self.slot),
                "state": self.state.value,
                "wallet": self.wallet,
            }
        )

    @classmethod
    def parse(cls, line: bytes, place: str) -> PayoutLine:
        """Read a line, without its line end.

        Raises:
            MalformedBundle: it is not a payout, or not in canonical form.
        """
        try:
            value = json.loads(line)
            parsed = cls(
                id=text_of(value["id"]),
                kind=PayoutKind(value["kind"]),
                state=ReceiptState(value["state"]),
                signature=text_of(value["signature"]),
                slot=slot_from(value["slot"]),
                amount=BaseUnits(int(value["amount"])),
                wallet=text_of(value["wallet"]),
                root=bytes.fromhex(value["root"]),
            )
            canonical = parsed.canonical()
        except UNREADABLE as error:
            raise MalformedBundle(place, f"{type(error).__name__}: {error}") from None
        if canonical != line:
            raise MalformedBundle(place, "not in canonical form")
        return parsed


def text_of(value: object) -> str:
    """The value, if it is text; otherwise raises TypeError."""
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is not text")
    return value


def slot_text(slot: int | None) -> str:
    """A slot as the files hold it; empty for None."""
    return "" if slot is None else str(slot)


def slot_from(text: object) -> int | None:
    """The slot of a text, None if it is empty. Other texts raise ValueError or TypeError."""
    return int(text_of(text)) if text != "" else None
