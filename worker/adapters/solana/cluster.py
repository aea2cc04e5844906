"""Which cluster the endpoints belong to."""

from __future__ import annotations

from worker.adapters.solana.errors import EndpointsDisagree, MalformedAnswer
from worker.adapters.solana.rpc.calls import Call
from worker.adapters.solana.rpc.endpoints import Rpc
from worker.core.errors import Unreachable


def read_cluster_genesis(rpc: Rpc) -> str:
    """The genesis hash that every endpoint tells.

    Raises:
        EndpointsDisagree: endpoints belong to different clusters.
        Unreachable: one of them does not answer, so it cannot be told.
    """
    found: dict[str, str] = {}
    answers = rpc.each([Call("getGenesisHash", [])])
    for position, (host, answer) in enumerate(zip(rpc.hosts, answers, strict=True), 1):
        if isinstance(answer, Unreachable):
            raise answer
        if not isinstance(answer[0], str):
            raise MalformedAnswer(f"{host} tells no genesis hash")
        found[f"{position}. {host}"] = answer[0]
    if len(set(found.values())) != 1:
        raise EndpointsDisagree(found)
    return next(iter(found.values()))
