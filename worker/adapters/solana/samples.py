"""Lets every endpoint simulate transactions of the largest size, before a plan depends on it.

The feature gate shows the version that the cluster executes. It does not show the sizes that a
provider lets through.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

from solders.transaction import VersionedTransaction

from worker.adapters.solana.errors import MalformedAnswer, SampleRefused
from worker.adapters.solana.facts import ClusterFacts
from worker.adapters.solana.rpc.calls import Reply, RpcError
from worker.adapters.solana.rpc.endpoints import Rpc, answering_majority
from worker.adapters.solana.signing.compute import simulation_call
from worker.core.errors import Unreachable

PROOF_SECONDS = 600.0
_NO_SUCH_METHOD = -32601
_UNREAD = frozenset({"UnsupportedVersion", "SanitizeFailure"})
"""Errors of a node that does not execute a transaction of this form. Any other error is the error
of an executed transaction: the wallets of a sample do not exist."""


class Samples:
    """The samples of one process. A proof is remembered for some minutes."""

    def __init__(self, rpc: Rpc, facts: ClusterFacts) -> None:
        self._rpc = rpc
        self._facts = facts
        self._proven: tuple[float, bool] | None = None

    def check(self) -> None:
        """
        Raises:
            SampleRefused: an endpoint refuses a transaction of the size that a plan needs.
            Unreachable: no majority answers.
        """
        v1, now = self._facts.maker.v1, time.monotonic()
        if self._proven and self._proven[1] == v1 and now - self._proven[0] < PROOF_SECONDS:
            return
        if refusals := self.refusals():
            raise SampleRefused(refusals)
        self._proven = now, v1

    def refusals(self) -> dict[str, str]:
        """Why endpoints refuse a sample, by host.

        Raises:
            Unreachable: no majority answers.
        """
        samples = self._facts.maker.samples()
        calls = [simulation_call(bytes(sample)) for sample in samples]
        answers = [_checked(answer) for answer in self._rpc.each(calls)]
        answering_majority(answers)
        refused = {}
        for host, answer in zip(self._rpc.hosts, answers, strict=True):
            reason = None if isinstance(answer, Unreachable) else refusal_of(samples, answer)
            if reason is not None:
                refused[host] = reason
        return refused


def _checked(answer: list[Reply] | Unreachable) -> list[Reply] | Unreachable:
    """An endpoint whose answer says nothing about a sample counts as silent."""
    if isinstance(answer, Unreachable) or all(map(_is_readable, answer)):
        return answer
    return MalformedAnswer("no result of a simulation")


def _is_readable(reply: Reply) -> bool:
    value = reply.get("value") if isinstance(reply, dict) else None
    return isinstance(reply, RpcError) or (
        isinstance(value, dict) and isinstance(value.get("err", False), str | dict | None)
    )


def refusal_of(samples: Sequence[VersionedTransaction], replies: Sequence[Reply]) -> str | None:
    """Why an endpoint refuses one of the samples; None if it simulates all of them."""
    return next(filter(None, map(_refusal, samples, replies)), None)


def _refusal(sample: VersionedTransaction, reply: Reply) -> str | None:
    if isinstance(reply, RpcError):
        # An endpoint without simulation proves nothing. It may still send.
        why = None if reply.code == _NO_SUCH_METHOD else reply.message
    elif not _is_readable(reply):
        why = "it answers no result of a simulation"
    else:
        why = _unread(reply)
    return why and f"a transaction of {len(bytes(sample)):,} bytes ({why})"


def _unread(reply: Reply) -> str | None:
    error = reply["value"]["err"]
    return error if isinstance(error, str) and error in _UNREAD else None
