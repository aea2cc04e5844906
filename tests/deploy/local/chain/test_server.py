"""The local chain over HTTP: limits, refusals, many clients, and slots that pass."""

from __future__ import annotations

import asyncio
import json
import time
import urllib.request
from typing import Any

from solana.exceptions import SolanaRpcException
from solana.rpc.commitment import Processed
from solders.keypair import Keypair

from deploy.local.chain.rpc.params import Node
from deploy.local.chain.rpc.server import ChainServer, RateLimit
from tests.deploy.local.chain.payments import (
    NOW,
    SOL,
    new_ledger,
)
from tests.deploy.local.chain.served import Chain, run


def _post(url: str, body: bytes, content_type: str = "application/json") -> tuple[int, bytes, Any]:
    headers = {"Content-Type": content_type}
    request = urllib.request.Request(url, body, headers)  # noqa: S310 - the server of this test
    try:
        with urllib.request.urlopen(request) as response:  # noqa: S310
            return response.status, response.read(), response.headers
    except urllib.error.HTTPError as error:
        return error.code, error.read(), error.headers


def test_too_many_requests_are_answered_with_429() -> None:
    now = [0.0]

    async def test(chain: Chain) -> None:
        chain.node.paused = True
        now[0] += 1  # the payer again has the lamports that the treasury cost, and gets no more
        calls = [chain.client.get_slot() for _ in range(60)]

        answers = await asyncio.gather(*calls, return_exceptions=True)

        refused = [one for one in answers if isinstance(one, SolanaRpcException)]
        assert len(refused) == 30
        assert "429" in str(refused[0].__cause__)
        batch = json.dumps([{}] * 30).encode()
        status, body, headers = await asyncio.to_thread(_post, chain.url, batch)
        assert status == 429
        assert headers["Retry-After"] == "1"
        assert json.loads(body)["error"]["code"] == 429

    run(test, calls_per_second=30, now=lambda: now[0])


def test_a_rate_limit_refills_with_time_and_counts_every_call_of_a_batch() -> None:
    now = [0.0]
    limit = RateLimit(10, lambda: now[0])

    assert [limit.take(1) for _ in range(11)] == [True] * 10 + [False]
    now[0] = 0.5
    assert [limit.take(5), limit.take(1)] == [True, False]
    now[0] = 100.0
    assert limit.take(50)
    now[0] = 103.0
    assert not limit.take(1)


def test_http_refusals_are_those_of_a_real_server() -> None:
    async def test(chain: Chain) -> None:
        async def post(*arguments: Any) -> int:
            return (await asyncio.to_thread(_post, chain.url, *arguments))[0]

        health = await asyncio.to_thread(
            lambda: urllib.request.urlopen(chain.url + "/health").read()  # noqa: S310
        )

        assert health == b"ok"
        assert await post(b"{}", "text/plain") == 415
        assert await post(b" " * 51_201) == 413
        assert await post(None) == 405
        assert await post(b"[]") == 200

    run(test)


def test_many_clients_at_once_each_get_their_own_answer() -> None:
    async def test(chain: Chain) -> None:
        people = [Keypair().pubkey() for _ in range(40)]
        for number, address in enumerate(people):
            await chain.client.request_airdrop(address, SOL + number, Processed)

        answers = await asyncio.gather(
            *(chain.client.get_balance(address, Processed) for address in people)
        )

        assert [answer.value for answer in answers] == [SOL + number for number in range(40)]

    run(test)


def test_slots_pass_with_time_and_can_be_paused() -> None:
    async def test() -> None:
        node = Node(new_ledger(), lambda: NOW)
        server = ChainServer(node, slot_milliseconds=10)
        before = node.ledger.blocks.tip.slot
        started = time.monotonic()
        ticker = asyncio.create_task(server.run_slots())
        while node.ledger.blocks.tip.slot < before + 5:
            await asyncio.sleep(0.01)
        passed = node.ledger.blocks.tip.slot - before
        due = (time.monotonic() - started) / 0.01
        node.paused = True
        await asyncio.sleep(0.05)
        paused_at = node.ledger.blocks.tip.slot
        await asyncio.sleep(0.1)
        ticker.cancel()

        assert passed <= due + 1
        assert node.ledger.blocks.tip.slot == paused_at

    asyncio.run(test())
