"""Sending signed bytes, and reading their status."""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from typing import Any

from worker.adapters.solana.rpc.calls import Call, Reply, RpcError
from worker.adapters.solana.rpc.endpoints import SIGNATURE_STATUSES_MAX, Rpc, answering
from worker.core.chunks import chunks
from worker.core.payout.chain import Landing, SendResult, SignatureStatus

NOT_BROADCAST_CODES = frozenset({-32700, -32602, -32601, -32600, -32003, -32002})
"""Errors that a node gives before it passes a transaction on: it could not be read, its
signatures are wrong, or preflight refused it. Of every other answer it is unknown."""

_CERTAINTY = (Landing.UNSEEN, Landing.PENDING, Landing.FAILED, Landing.FINALIZED)


def send(rpc: Rpc, wires: Sequence[tuple[str, bytes]]) -> list[SendResult]:
    """Send to every endpoint once. Refused only where all of them prove that they passed
    nothing on; silence, a 429 or a broken connection prove nothing."""
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
    """The status of recent signatures: the most certain answer of any endpoint.

    Raises:
        Unreachable: no endpoint answered.
    """
    if not signatures:
        return []
    asked = chunks(signatures, SIGNATURE_STATUSES_MAX)
    calls = [Call("getSignatureStatuses", [chunk]) for chunk in asked]
    views = [_statuses(replies, len(signatures)) for replies in answering(rpc.each(calls))]
    return [max(seen, key=_certainty) for seen in zip(*views, strict=True)]


def _certainty(status: SignatureStatus) -> int:
    return _CERTAINTY.index(status.landing)


def _statuses(replies: Sequence[Reply], count: int) -> list[SignatureStatus]:
    found: list[SignatureStatus] = []
    for reply in replies:
        expected = min(SIGNATURE_STATUSES_MAX, count - len(found))
        values = None if isinstance(reply, RpcError) else reply.get("value")
        if not isinstance(values, list) or len(values) != expected:
            values = [None] * expected
        found += [_status(value) for value in values]
    return found


def _status(value: Any) -> SignatureStatus:
    if not isinstance(value, dict):
        return SignatureStatus(Landing.UNSEEN)
    if value.get("confirmationStatus") != "finalized":
        return SignatureStatus(Landing.PENDING)
    if value.get("err") is None:
        return SignatureStatus(Landing.FINALIZED)
    return SignatureStatus(Landing.FAILED, json.dumps(value["err"]))
