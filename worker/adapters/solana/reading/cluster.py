"""Reads the identity of the cluster, its finalized height, its time and its latest blockhash."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime

from solders.hash import Hash

from worker.adapters.solana.errors import BlockTimeUnknown, EndpointsDisagree, MalformedAnswer
from worker.adapters.solana.reading.accounts import CONFIRMED, FINALIZED
from worker.adapters.solana.rpc.calls import Call, Reply
from worker.adapters.solana.rpc.endpoint import Endpoint
from worker.adapters.solana.rpc.endpoints import Rpc, answering, answering_majority, from_each
from worker.core.errors import Unreachable
from worker.core.payout.chain import Blockhash, Height
from worker.core.plan.receipts import majority_of

SLOTS_BACK = (0, 32, 64)
"""A node may lack the newest block's time, or be behind the node that reported its slot."""


def read_cluster_genesis(rpc: Rpc) -> str:
    """The genesis hash that a majority of the endpoints reports, and no other endpoint denies.

    Raises:
        EndpointsDisagree: endpoints belong to different clusters.
        Unreachable: no majority answers.
    """
    answers = rpc.each([Call("getGenesisHash", [])])
    given = [it if isinstance(it, Unreachable) else _text(it[0]) for it in answers]
    answering_majority([it if isinstance(it, Unreachable) else [it] for it in given])
    found = {
        f"{position}. {host}": answer
        for position, (host, answer) in enumerate(zip(rpc.hosts, given, strict=True), 1)
        if isinstance(answer, str)
    }
    if len(set(found.values())) != 1:
        raise EndpointsDisagree(found)
    return next(iter(found.values()))


def _text(reply: Reply) -> str | Unreachable:
    """An endpoint that answers with an error, as after the end of a plan, counts as silent."""
    return reply if isinstance(reply, str) else MalformedAnswer("no genesis hash")


def read_finalized_height(rpc: Rpc) -> Height | None:
    """The finalized block height and the slot that a majority of the endpoints has reached.

    None if fewer report one. Each number is counted by itself, so that no endpoint alone decides
    one of them: an absurd height would expire living transactions, and no receipt is readable at
    an absurd slot. A liar can make them those of two honest endpoints. Then an attempt may be
    signed anew some blocks early, which its receipt makes harmless.

    Raises:
        Unreachable: no endpoint answers.
    """
    answers = answering(rpc.each([Call("getEpochInfo", [{"commitment": FINALIZED}])]))
    known = [height for answer in answers if (height := _height(answer[0])) is not None]
    block_height = _reached(rpc, [each.block_height for each in known])
    slot = _reached(rpc, [each.slot for each in known])
    return None if block_height is None or slot is None else Height(block_height, slot)


def _reached(rpc: Rpc, numbers: Sequence[int]) -> int | None:
    """The highest number that a majority of the endpoints has reached; None without a majority."""
    reached = sorted(numbers, reverse=True)[majority_of(len(rpc.hosts)) - 1 :]
    return reached[0] if reached else None


def _height(reply: Reply) -> Height | None:
    try:
        return Height(int(reply["blockHeight"]), int(reply["absoluteSlot"]))
    except (KeyError, TypeError, ValueError):
        return None


def read_finalized_time(rpc: Rpc) -> datetime:
    """The middle one of the endpoints' times; of an even number, the earlier middle one.

    Raises:
        BlockTimeUnknown: no majority of the endpoints reports a time.
    """

    async def work(endpoints: Sequence[Endpoint]) -> list[datetime | None]:
        infos = await from_each(endpoints, [Call("getEpochInfo", [{"commitment": FINALIZED}])])
        return await asyncio.gather(*map(_block_time, endpoints, infos))

    times = rpc.run(work)
    known = sorted(time for time in times if time is not None)
    if len(known) <= len(times) // 2:
        silent = [host for host, time in zip(rpc.hosts, times, strict=True) if time is None]
        raise BlockTimeUnknown(silent)
    return known[(len(known) - 1) // 2]


async def _block_time(endpoint: Endpoint, info: list[Reply] | Unreachable) -> datetime | None:
    """The time of a recent finalized block; None if the endpoint reports it for no slot."""
    if isinstance(info, Unreachable) or (height := _height(info[0])) is None:
        return None
    for back in SLOTS_BACK:
        try:
            [seconds] = await endpoint.read([Call("getBlockTime", [max(0, height.slot - back)])])
            if type(seconds) is int:
                return datetime.fromtimestamp(seconds, UTC)
        except (Unreachable, ValueError, OverflowError, OSError):
            continue
    return None


def read_blockhash(rpc: Rpc) -> Blockhash:
    """The newest blockhash whose last valid height a majority of the endpoints has reached.

    One endpoint alone could report a height at which an attempt never expires, or expires at once.

    Raises:
        Unreachable: no majority answers.
    """
    answers = answering_majority(rpc.each([_blockhash_call(CONFIRMED)]))
    known = [found for answer in answers if (found := _blockhash(answer[0])) is not None]
    last_valid = _reached(rpc, [found.last_valid_block_height for found in known])
    if last_valid is None:
        raise MalformedAnswer("no majority of the endpoints reports a blockhash")
    return next(found for found in known if found.last_valid_block_height == last_valid)


def read_known_blockhash(rpc: Rpc) -> Hash:
    """A finalized blockhash, which nodes that are some blocks behind know, too."""
    return rpc.any([_blockhash_call(FINALIZED)], _known_blockhash)


def _blockhash_call(commitment: str) -> Call:
    return Call("getLatestBlockhash", [{"commitment": commitment}])


def _known_blockhash(replies: list[Reply]) -> Hash:
    if (found := _blockhash(replies[0])) is None:
        raise MalformedAnswer("no blockhash")
    return Hash.from_string(found.value)


def _blockhash(reply: Reply) -> Blockhash | None:
    try:
        value = reply["value"]
        height = int(value["lastValidBlockHeight"])
        return Blockhash(str(Hash.from_string(value["blockhash"])), height)
    except (KeyError, TypeError, ValueError):
        return None
