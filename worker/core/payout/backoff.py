"""Decides when a payout is tried again: after a growing pause, an event, or a person's retry."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from worker.core.payout.records import Payout, PayoutKind, Postponement

ATTEMPTS_MAX = 12
"""Failed tries before a visible stop. Their growing pauses take 15 to 31 hours."""
_FIRST_SECONDS = 15
_LONGEST_SECONDS = 6 * 3600
_LOOK_AGAIN_SECONDS = 120
READ_AGAIN_SECONDS = (0.5, 1.0, 2.0, 4.0, 8.0)
"""The pauses between the first looks for a transaction. The nodes behind one URL are some blocks
apart. Then its payout is recorded without it, and it is looked for at growing intervals."""

NEVER = datetime(9999, 1, 1, tzinfo=UTC)
"""The next try of a payout that waits for `kontrib retry`."""

AHEAD_MAX = timedelta(days=2)
"""Longer than every pause and lease. A time further ahead was written by a clock that was fast."""


def next_attempt_at(now: datetime, attempts: int, key: str, *, scale: float = 1.0) -> datetime:
    """The time of the next try after `attempts` failed ones.

    The jitter, up to half of the pause, is derived from the key, without randomness.
    `scale` shrinks every pause, for tests against real processes.
    """
    pause = min(_FIRST_SECONDS * 2 ** min(attempts, 20), _LONGEST_SECONDS)
    digest = hashlib.sha256(f"{key}/{attempts}".encode()).digest()
    jitter = 1 + int.from_bytes(digest[:2]) / 2**17
    return now + timedelta(seconds=pause * jitter * scale)


def next_look_at(now: datetime, key: str, *, scale: float = 1.0) -> datetime:
    """The next look for an outside event: funds, an approval, a reachable server."""
    jitter = 1 + hashlib.sha256(f"{key}/{now.timestamp()}".encode()).digest()[0] / 512
    return now + timedelta(seconds=_LOOK_AGAIN_SECONDS * jitter * scale)


def is_waiting(next_attempt_at: datetime | None, now: datetime) -> bool:
    """Whether a next try lies ahead. A time that is too far ahead counts as due."""
    if next_attempt_at is None:
        return False
    return now < next_attempt_at <= now + AHEAD_MAX or next_attempt_at >= NEVER


def next_reading_at(now: datetime, payout: Payout, *, scale: float) -> datetime:
    """The next look for the transaction of a resolved payout. `NEVER` after the last one.

    The looks are counted anew from the resolution on: tries of its payment were no looks.
    """
    attempts = (payout.attempts if payout.status.is_resolved else 0) + 1
    if is_exhausted(attempts):
        return NEVER
    return next_attempt_at(now, attempts, payout.id, scale=scale)


def is_exhausted(attempts: int) -> bool:
    """Whether no try is left."""
    return attempts >= ATTEMPTS_MAX


def after_failure(payout: Payout, reason: str, now: datetime, *, scale: float) -> Postponement:
    """Postpone after a failed try. If no try is left, the payout waits for a person."""
    attempts = payout.attempts + 1
    if is_exhausted(attempts):
        return for_a_person(payout, reason)
    return Postponement(payout, next_attempt_at(now, attempts, payout.id, scale=scale), reason)


def after_refusal(payout: Payout, reason: str, now: datetime, *, scale: float) -> Postponement:
    """Postpone after the chain executed a payment and refused it.

    If the last tries of a batch failed for one reason, a recipient may refuse its tokens for a
    reason that no account shows. The other recipients are paid once the batch is void.
    """
    failed = after_failure(payout, reason, now, scale=scale)
    is_same = payout.kind is PayoutKind.BATCH and payout.reason == reason
    if failed.next_attempt_at != NEVER or not is_same:
        return failed
    offer = (
        f"{reason}. If a recipient refuses the tokens, pay the others alone with `kontrib void "
        f'{payout.week.label} {payout.index} --reason "why"`'
    )
    return replace(failed, reason=offer)


def for_a_person(payout: Payout, reason: str) -> Postponement:
    """Postpone until a person's retry: no try is left, or stored records were changed."""
    return Postponement(payout, NEVER, reason)


def for_an_event(payout: Payout, reason: str, again: datetime) -> Postponement:
    """Postpone until an outside event. The wait does not count as a failed try."""
    return Postponement(payout, again, reason, is_failure=False)
