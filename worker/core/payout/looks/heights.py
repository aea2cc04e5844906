"""Chooses a finalized height at which receipts can be read, on nodes that lie blocks apart.

One URL may stand for many nodes. If the nodes that report heights are ahead of the nodes that read
accounts, no account is ever read at the newest height's slot. An older height is as true, and only
reports a blockhash's expiry later.
"""

from __future__ import annotations

from collections import deque

from worker.core.payout.chain import Height

KEPT_HEIGHTS = 512
LAG_MAX = 300
"""Slots, some two minutes. Behind more than that, a receipt is honestly unknown. A node that starts
anew may once answer hours behind, and must not hold expiry back for as long."""


class SeenHeights:
    """The finalized heights that a process has read, and the lag of its last receipts."""

    def __init__(self) -> None:
        self._seen: deque[Height] = deque(maxlen=KEPT_HEIGHTS)
        self._slots_behind = 0

    def usable(self, newest: Height | None) -> Height | None:
        """The newest height whose slot the receipts have probably reached; else the oldest one.

        `newest` is None if too few endpoints report a height: the last one that enough of them
        reported is still true. None if there is no such height yet.
        """
        if newest is None:
            if not self._seen:
                return None
            newest = self._seen[-1]
        if not self._seen or self._seen[-1].slot < newest.slot:
            self._seen.append(newest)
        reached = newest.slot - self._slots_behind
        return next((it for it in reversed(self._seen) if it.slot <= reached), self._seen[0])

    def receipts_read_at(self, slot: int) -> None:
        """Note the slot of an answer. A smaller lag counts gradually, since lags vary."""
        if self._seen:
            lag = max(0, self._seen[-1].slot - slot)
            self._slots_behind = max(min(lag, LAG_MAX), self._slots_behind - 1)
