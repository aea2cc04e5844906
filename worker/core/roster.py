"""Who takes part in a plan, in canonical order: ascending by user commitment.

A large week has a million entrants, so each is packed into one bytes object whose first 32 bytes
are the commitment: sorting the objects sorts the roster.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

_LAYOUT = struct.Struct(">32sQQQ?BB")


@dataclass(frozen=True, slots=True)
class Entrant:
    """A user who qualifies. `hold` says why the reward is held, or is empty."""

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


class Roster:
    """Entrants in canonical order, packed."""

    def __init__(self, entrants: Iterable[Entrant]) -> None:
        self._packed = sorted(map(_pack, entrants))

    def __len__(self) -> int:
        return len(self._packed)

    def __iter__(self) -> Iterator[Entrant]:
        return map(_unpack, self._packed)


def _pack(entrant: Entrant) -> bytes:
    wallet, hold = entrant.wallet.encode(), entrant.hold.encode()
    head = _LAYOUT.pack(
        entrant.commitment,
        entrant.points,
        entrant.late_points,
        entrant.multiplier,
        entrant.needs_account,
        len(wallet),
        len(hold),
    )
    return head + wallet + hold + entrant.user_id.encode()


def _unpack(packed: bytes) -> Entrant:
    commitment, points, late, multiplier, needs_account, wallet_length, hold_length = (
        _LAYOUT.unpack_from(packed)
    )
    hold_at = _LAYOUT.size + wallet_length
    user_at = hold_at + hold_length
    return Entrant(
        commitment=commitment,
        user_id=packed[user_at:].decode(),
        points=points,
        late_points=late,
        multiplier=multiplier,
        wallet=packed[_LAYOUT.size : hold_at].decode(),
        hold=packed[hold_at:user_at].decode(),
        needs_account=needs_account,
    )
