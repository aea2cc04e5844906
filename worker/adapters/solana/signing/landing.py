"""Sends signed bytes, and reads their status."""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from typing import Any

from worker.adapters.solana.reading.accounts import newest_slot
from worker.adapters.solana.rpc.calls import Call, Reply, RpcError
from worker.adapters.solana.rpc.endpoints import Rpc, answering
from worker.adapters.solana.rpc.sizes import SIGNATURE_STATUSES_MAX
from worker.core.chunks import chunks
from worker.core.payout.chain import Landing, SendResult, SignatureStatus

NOT_BROADCAST_CODES = frozenset({-32700, -32602, -32601, -32600, -32003, -32002})
"""Errors that prove that a node passed nothing on: it could not read the transaction, found wrong
signatures, or refused it in preflight. After any other error the outcome is unknown."""

_CERTAINTY = (
    Landing.UNSEEN, Landing.PENDING, Landing.CONFIRMED, Landing.FAILED, Landing.FINALIZED,
)  # fmt: skip


def send(rpc: Rpc, wires: Sequence[tuple[str, bytes]]) -> list[SendResult]:
    """Send to every endpoint once.

    A transaction counts as refused only if every endpoint proves that it passed nothing on.
    Silence, a 429 or a broken connection prove nothing.
    """
    options = {"encoding": "base64", "skipPreflight": True, "maxRetries": 0}
    calls = [
        Call("sendTransaction", [base64.b64encode(wire).decode(), options]) for _, wire in wires
    ]
    answers = rpc.each_sent(calls) if calls else []
    return [
        SendResult(signature, _refusal(rpc.hosts, [answer[index] for answer in answers]))
        for index, (signature, _) in enumerate(wires)
    ]


def _refusal(hosts: Sequence[str], replies: Sequence[Reply | None]) -> str | None:
    reasons = []
    for host, reply in zip(hosts, replies, strict=True):
        if not isinstance(reply, RpcError) or reply.code not in NOT_BROADCAST_CODES:
            return None
        reasons.append(f"{host}: {reply.message}")
    return "; ".join(reasons) or None


def statuses(rpc: Rpc, signatures: Sequence[str]) -> list[SignatureStatus]:
    """The status of each recent signature: the most advanced status that any endpoint reports.

    Raises:
        Unreachable: every endpoint failed to answer.
    """
    if not signatures:
        return []
    asked = chunks(signatures, SIGNATURE_STATUSES_MAX)
    calls = [Call("getSignatureStatuses", [chunk]) for chunk in asked]
    views = [_statuses(replies, len(signatures)) for replies in answering(rpc.each(calls))]
    return [
        max(seen, key=lambda status: _CERTAINTY.index(status.landing))
        for seen in zip(*views, strict=True)
    ]


def _statuses(replies: Sequence[Reply], count: int) -> list[SignatureStatus]:
    found: list[SignatureStatus] = []
    for reply in replies:
        expected = min(SIGNATURE_STATUSES_MAX, count - len(found))
        values = reply.get("value") if isinstance(reply, dict) else None
        if not isinstance(values, list) or len(values) != expected:
            values = [None] * expected
        slot = newest_slot([reply])
        found += [_status(value, slot) for value in values]
    return found


def _status(value: Any, slot: int) -> SignatureStatus:
    if not isinstance(value, dict):
        return SignatureStatus(Landing.UNSEEN, read_at_slot=slot)
    level, error = value.get("confirmationStatus"), value.get("err")
    landed = value.get("slot")
    slots = (landed if isinstance(landed, int) else slot, slot)
    if level == "finalized" and error is not None:
        return SignatureStatus(Landing.FAILED, json.dumps(error), *slots)
    if level == "finalized":
        return SignatureStatus(Landing.FINALIZED, None, *slots)
    is_confirmed = level == "confirmed" and error is None
    return SignatureStatus(Landing.CONFIRMED if is_confirmed else Landing.PENDING, None, *slots)
