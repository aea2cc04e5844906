"""A user who takes part in a plan, with a packed form that sorts in canonical order.

A large week has a million entrants. Each is packed into one bytes object that begins with the 32
bytes of the commitment. Sorting these objects gives the canonical order.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

OVER_ACCOUNT_CAP = "waits for a token account: this week's limit is reached"
_HEAD = struct.Struct(">32sQQQ??II")
_OBJECT_ID = re.compile(r"[0-9a-f]{24}")
_TEXT = ("utf-8", "surrogatepass")  # any text comes back unchanged


@dataclass(frozen=True, slots=True)
class Entrant:
    """A user who qualifies. `hold` is the reason to hold the reward, or empty."""

    commitment: bytes
    user_id: str
    points: int
    late_points: int
    multiplier: int
    """In millionths."""
    wallet: str
    hold: str
    needs_account: bool

    @property
    def weight(self) -> int:
        return self.points * self.multiplier


def pack(entrant: Entrant) -> bytes:
    """An entrant as bytes that sort by commitment. Its numbers fit into 64 bits."""
    wallet, hold = entrant.wallet.encode(*_TEXT), entrant.hold.encode(*_TEXT)
    user_id = entrant.user_id
    # Nearly all ids are ObjectIds, which take half the room as bytes.
    is_object_id = _OBJECT_ID.fullmatch(user_id) is not None
    user = bytes.fromhex(user_id) if is_object_id else user_id.encode(*_TEXT)
    head = _HEAD.pack(
        entrant.commitment,
        entrant.points,
        entrant.late_points,
        entrant.multiplier,
        entrant.needs_account,
        is_object_id,
        len(wallet),
        len(hold),
    )
    return head + wallet + hold + user


def unpack(packed: bytes) -> Entrant:
    commitment, points, late, multiplier, *rest = _HEAD.unpack_from(packed)
    needs_account, is_object_id, wallet_length, hold_length = rest
    hold_at = _HEAD.size + wallet_length
    user_at = hold_at + hold_length
    user = packed[user_at:]
    return Entrant(
        commitment=commitment,
        user_id=user.hex() if is_object_id else user.decode(*_TEXT),
        points=points,
        late_points=late,
        multiplier=multiplier,
        wallet=packed[_HEAD.size : hold_at].decode(*_TEXT),
        hold=packed[hold_at:user_at].decode(*_TEXT),
        needs_account=needs_account,
    )


def commitment_of(packed: bytes) -> bytes:
    return packed[:32]


def cap_new_accounts(entrants: Iterable[Entrant], limit: int) -> Iterator[Entrant]:
    """Hold each entrant who needs a token account beyond the week's limit. Keeps the order."""
    needed = 0
    for entrant in entrants:
        needed += entrant.needs_account
        if entrant.needs_account and needed > limit:
            yield replace(entrant, wallet="", hold=OVER_ACCOUNT_CAP, needs_account=False)
        else:
            yield entrant
