"""The local chain over HTTP: limits, refusals, many clients, and slots that pass."""

from __future__ import annotations

import asyncio
import json
import time
import urllib.request
from typing import Any

import pytest
from solana.exceptions import SolanaRpcException
from solana.rpc.commitment import Processed
from solders.keypair import Keypair

from deploy.local.chain.rpc.conditions import Conditions, RateLimit
from deploy.local.chain.rpc.node import Node
from deploy.local.chain.rpc.server import ChainServer
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
        chain.node.switches.paused = True
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

    run(test, conditions=Conditions(calls_per_second=30), now=lambda: now[0])


def test_a_rate_limit_refills_with_time_and_counts_every_call_of_a_batch() -> None:
    limit = RateLimit(10, now=0.0)

    assert [limit.take(1, 0.0) for _ in range(11)] == [True] * 10 + [False]
    assert [limit.take(5, 0.5), limit.take(1, 0.5)] == [True, False]
    assert limit.take(50, 100.0)
    assert not limit.take(1, 103.0)


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


def test_a_page_of_any_host_may_ask() -> None:
    async def test(chain: Chain) -> None:
        def ask_for_permission() -> tuple[int, Any]:
            request = urllib.request.Request(chain.url, method="OPTIONS")  # noqa: S310
            with urllib.request.urlopen(request) as response:  # noqa: S310
                return response.status, response.headers

        status, permission = await asyncio.to_thread(ask_for_permission)
        _, _, answer = await asyncio.to_thread(_post, chain.url, b"[]")

        assert status == 204
        assert permission["Access-Control-Allow-Headers"] == "content-type"
        assert permission["Access-Control-Allow-Origin"] == "*"
        assert answer["Access-Control-Allow-Origin"] == "*"

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
        node.switches.paused = True
        await asyncio.sleep(0.05)
        paused_at = node.ledger.blocks.tip.slot
        await asyncio.sleep(0.1)
        ticker.cancel()

        assert passed <= due + 1
        assert node.ledger.blocks.tip.slot == paused_at

    asyncio.run(test())


def _timed(url: str, seconds: float) -> tuple[int | str, float]:
    """Ask for the slot; return the status, or the name of the error, and the seconds it took."""
    body = b'{"jsonrpc":"2.0","id":1,"method":"getSlot"}'
    request = urllib.request.Request(url, body, {"Content-Type": "application/json"})  # noqa: S310
    started = time.monotonic()
    try:
        with urllib.request.urlopen(request, timeout=seconds) as response:  # noqa: S310
            return response.status, time.monotonic() - started
    except OSError as error:
        return type(error).__name__, time.monotonic() - started


def test_the_paths_of_one_server_are_endpoints_of_one_chain_with_their_own_conditions() -> None:
    async def test(chain: Chain) -> None:
        async def ask(path: str) -> tuple[int | str, float]:
            return await asyncio.to_thread(_timed, chain.url + path, 0.5)

        chain.node.set_conditions("/far", Conditions(latency_milliseconds=200))
        chain.node.set_conditions("/dead", Conditions(dead=True))
        chain.node.set_conditions("/silent", Conditions(silent=True))

        far, near, dead, silent = await asyncio.gather(
            ask("/far"), ask("/"), ask("/dead"), ask("/silent")
        )

        assert far[0] == 200
        assert far[1] >= 0.2
        assert near[0] == 200
        assert dead[0] == "RemoteDisconnected"
        assert silent[0] == "TimeoutError"

    run(test)


def test_a_request_asks_for_its_own_lag_on_top_of_the_endpoints() -> None:
    async def test(chain: Chain) -> None:
        chain.node.switches.paused = True
        chain.node.set_conditions("/late", Conditions(lag_blocks={"*": 3}))
        chain.node.remember(20)
        await chain.advance(40)

        def height(path: str, **headers: str) -> int:
            body = b'{"jsonrpc":"2.0","id":1,"method":"getBlockHeight"}'
            sent = {"Content-Type": "application/json", **headers}
            request = urllib.request.Request(chain.url + path, body, sent)  # noqa: S310
            with urllib.request.urlopen(request) as response:  # noqa: S310
                return int(json.load(response)["result"])

        def heights() -> list[int]:
            late = {"X-Blocks-Behind": "4"}
            return [height("/"), height("/", **late), height("/late"), height("/late", **late)]

        newest, *others = await asyncio.to_thread(heights)

        assert [newest - other for other in others] == [4, 3, 7]

    run(test)


def test_a_silent_endpoint_acts_on_its_requests() -> None:
    async def test(chain: Chain) -> None:
        chain.node.set_conditions("/silent", Conditions(silent=True))
        before = chain.node.ledger.blocks.tip.slot
        body = b'{"jsonrpc":"2.0","id":1,"method":"local_advanceSlots","params":[3]}'

        with pytest.raises(TimeoutError):
            await asyncio.wait_for(asyncio.to_thread(_silent, chain.url + "/silent", body), 5)

        assert chain.node.ledger.blocks.tip.slot == before + 3

    run(test)


def _silent(url: str, body: bytes) -> None:
    request = urllib.request.Request(url, body, {"Content-Type": "application/json"})  # noqa: S310
    urllib.request.urlopen(request, timeout=0.3)  # noqa: S310
