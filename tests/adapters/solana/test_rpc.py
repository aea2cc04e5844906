"""Misbehaving endpoints: retries, their limits, and secrets that errors never show."""

from __future__ import annotations

import json
import logging
import os
import time
import traceback
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from tests.adapters.solana.rpc_server import JsonRpcError, Misbehaviour, RpcServer, rpc_server
from worker.adapters.solana.errors import EndpointUnusable, MalformedAnswer, RpcRefused
from worker.adapters.solana.rpc.calls import Call, Reply
from worker.adapters.solana.rpc.endpoint import Retries
from worker.adapters.solana.rpc.endpoints import Rpc
from worker.adapters.solana.rpc.transport import rpc_errors
from worker.core.errors import Unreachable

FAST = Retries(attempts=4, backoff_seconds=0.01)
SLOT = Call("getSlot", [])
TOO_MANY = Misbehaviour(429)


@pytest.fixture
def servers() -> Iterator[tuple[RpcServer, RpcServer]]:
    with ExitStack() as stack:
        first, second = stack.enter_context(rpc_server()), stack.enter_context(rpc_server())
        first.on("getSlot", 1)
        second.on("getSlot", 2)
        yield first, second


@pytest.fixture
def server(servers: tuple[RpcServer, RpcServer]) -> RpcServer:
    return servers[0]


@pytest.fixture
def open_rpc() -> Iterator[object]:
    opened: list[Rpc] = []

    def make(*urls: str, timeout_seconds: float = 5.0) -> Rpc:
        opened.append(Rpc(urls, timeout_seconds, FAST))
        return opened[-1]

    yield make
    for rpc in opened:
        rpc.close()


def same(replies: list[Reply]) -> list[Reply]:
    return replies


def failures(kind: str) -> int:
    return rpc_errors[kind]


@pytest.mark.parametrize(
    ("misbehaviour", "kind"),
    [
        (Misbehaviour(429), "429"),
        (Misbehaviour(500), "5xx"),
        (Misbehaviour(503), "5xx"),
        (Misbehaviour(hangs_up=True), "connection"),
        (Misbehaviour(silence_seconds=2), "timeout"),
        (Misbehaviour(body=b"<html>"), "malformed answer"),
        (Misbehaviour(body=b'{"jsonrpc":"2.0","id":7,"result":1}'), "malformed answer"),
        (Misbehaviour(body=b"[]"), "malformed answer"),
    ],
)
def test_what_passes_is_asked_again_and_counted(
    server: RpcServer, open_rpc, misbehaviour: Misbehaviour, kind: str
) -> None:
    server.misbehaviours.extend([misbehaviour] * 2)
    before = failures(kind)

    assert open_rpc(server.url, timeout_seconds=1).any([SLOT], same) == [1]

    assert failures(kind) == before + 2
    assert len(server.requests) == 3


def test_retries_are_bounded(server: RpcServer, open_rpc) -> None:
    server.always = Misbehaviour(500)

    with pytest.raises(Unreachable, match=r"127\.0\.0\.1:\d+ does not answer getSlot: 5xx"):
        open_rpc(server.url).any([SLOT], same)

    assert len(server.requests) == FAST.attempts


def test_retry_after_is_honoured(server: RpcServer, open_rpc) -> None:
    server.misbehaviours.append(Misbehaviour(429, headers={"Retry-After": "1"}))

    assert open_rpc(server.url).any([SLOT], same) == [1]

    assert server.times[1] - server.times[0] >= 1.0


def test_an_odd_retry_after_is_ignored(server: RpcServer, open_rpc) -> None:
    for value in ("soon", "-5"):
        server.misbehaviours.append(Misbehaviour(429, headers={"Retry-After": value}))

    assert open_rpc(server.url).any([SLOT], same) == [1]


@pytest.mark.parametrize("status", [401, 404])
def test_a_refused_request_is_not_repeated(server: RpcServer, open_rpc, status: int) -> None:
    server.always = Misbehaviour(status)

    with pytest.raises(Unreachable, match=f"http {status}"):
        open_rpc(server.url).any([SLOT], same)

    assert len(server.requests) == 1


def test_a_403_may_mean_too_many_requests_and_is_repeated(server: RpcServer, open_rpc) -> None:
    server.misbehaviours.extend([Misbehaviour(403)] * 2)
    before = failures("http 403")

    assert open_rpc(server.url).any([SLOT], same) == [1]

    assert failures("http 403") == before + 2
    server.always = Misbehaviour(403)
    with pytest.raises(Unreachable, match="http 403"):
        open_rpc(server.url).any([SLOT], same)


def test_a_node_that_is_behind_is_asked_again(server: RpcServer, open_rpc) -> None:
    answers = iter([JsonRpcError(-32005, "Node is behind by 42 slots"), None])

    def slot(params: list[object]) -> int:
        if (error := next(answers)) is not None:
            raise error
        return 9

    server.on("getSlot", slot)

    assert open_rpc(server.url).any([SLOT], same) == [9]


def test_an_error_that_repeating_does_not_cure_is_told_at_once(server: RpcServer, open_rpc) -> None:
    with pytest.raises(RpcRefused, match="Method not found"):
        open_rpc(server.url).any([Call("getNonsense", [])], same)

    assert len(server.requests) == 1


def test_the_next_endpoint_answers_when_the_first_does_not(servers, open_rpc) -> None:
    first, second = servers
    first.always = Misbehaviour(500)

    assert open_rpc(first.url, second.url).any([SLOT], same) == [2]


def test_an_answer_that_makes_no_sense_is_as_good_as_none(servers, open_rpc) -> None:
    first, second = servers

    def read(replies: list[Reply]) -> Reply:
        if replies == [1]:
            raise MalformedAnswer("odd")
        return replies[0]

    assert open_rpc(first.url, second.url).any([SLOT], read) == 2


def test_nobody_answering_is_unreachable(open_rpc) -> None:
    with pytest.raises(Unreachable, match=r"127\.0\.0\.1:1 .*; 127\.0\.0\.1:2 "):
        open_rpc("http://127.0.0.1:1", "http://127.0.0.1:2").any([SLOT], same)


def test_every_endpoint_is_asked_and_each_answers_for_itself(servers, open_rpc) -> None:
    first, second = servers
    second.always = Misbehaviour(500)

    answered, failed = open_rpc(first.url, second.url).each([SLOT])

    assert answered == [1]
    assert isinstance(failed, Unreachable)


def test_many_calls_travel_in_batches_and_come_back_in_order(server: RpcServer, open_rpc) -> None:
    server.on("echo", lambda params: params[0])

    replies = open_rpc(server.url).any([Call("echo", [number]) for number in range(105)], same)

    assert replies == list(range(105))
    assert sorted(len(request) for request in server.requests) == [5, 20, 20, 20, 20, 20]


def test_a_large_batch_stays_below_what_servers_take(server: RpcServer, open_rpc) -> None:
    server.on("echo", lambda params: len(params[0]))
    large = "x" * 15_000

    assert open_rpc(server.url).any([Call("echo", [large])] * 5, same) == [15_000] * 5

    assert sorted(len(request) for request in server.requests) == [1, 2, 2]


def test_an_endpoint_without_batches_gets_single_calls(server: RpcServer, open_rpc) -> None:
    server.takes_batches = False
    server.on("echo", lambda params: params[0])
    rpc = open_rpc(server.url)

    for _ in range(2):
        assert rpc.any([Call("echo", [number]) for number in range(5)], same) == list(range(5))

    assert [len(request) for request in server.requests] == [5, *[1] * 10]


def test_only_the_calls_that_failed_are_asked_again(server: RpcServer, open_rpc) -> None:
    seen: list[int] = []

    def echo(params: list[int]) -> int:
        seen.append(params[0])
        if params[0] == 3 and seen.count(3) == 1:
            raise JsonRpcError(-32005)
        return params[0]

    server.on("echo", echo)

    replies = open_rpc(server.url).any([Call("echo", [number]) for number in range(5)], same)

    assert replies == list(range(5))
    assert sorted(seen) == [0, 1, 2, 3, 3, 4]


def test_requests_at_a_time_are_bounded_and_fewer_after_a_429(server: RpcServer, open_rpc) -> None:
    def slow(params: list[int]) -> int:
        time.sleep(0.02)
        return params[0]

    server.on("echo", slow)
    server.takes_batches = False
    rpc = open_rpc(server.url)
    rpc.any([Call("echo", [number]) for number in range(40)], same)
    assert 2 <= server.running_max <= 32

    server.misbehaviours.extend([TOO_MANY] * 8)
    rpc.any([Call("echo", [number]) for number in range(4)], same)
    rpc.any([Call("echo", [number]) for number in range(4)], same)
    server.running_max = 0
    rpc.any([Call("echo", [number]) for number in range(8)], same)

    # After two halvings the limit has grown to five. Without them it would be twelve.
    assert server.running_max <= 6


def test_sending_is_never_repeated(server: RpcServer, open_rpc) -> None:
    server.always = Misbehaviour(500)

    assert open_rpc(server.url).each_sent([Call("sendTransaction", ["x"])]) == [[None]]

    assert len(server.requests) == 1


SECRET = "s3cr3t-api-key"


@pytest.mark.parametrize(
    "misbehaviour",
    [Misbehaviour(500), Misbehaviour(401), Misbehaviour(hangs_up=True), Misbehaviour(body=b"?")],
)
def test_no_error_or_log_shows_more_of_an_endpoint_than_its_host(
    server: RpcServer, open_rpc, caplog: pytest.LogCaptureFixture, misbehaviour: Misbehaviour
) -> None:
    server.always = misbehaviour
    caplog.set_level(logging.DEBUG)
    port = server.url.rpartition(":")[2]
    rpc = open_rpc(f"http://user:{SECRET}@127.0.0.1:{port}/{SECRET}?api-key={SECRET}")

    with pytest.raises(Unreachable) as caught:
        rpc.any([SLOT], same)

    shown = "".join(traceback.format_exception(caught.value)) + caplog.text + repr(rpc)
    assert SECRET not in shown
    assert f"127.0.0.1:{port}" in str(caught.value)


@pytest.mark.parametrize("code", [-32005, -32003, 429])
def test_a_provider_that_repeats_the_api_key_is_quoted_without_it(
    server: RpcServer, open_rpc, code: int
) -> None:
    def refuse(_: object) -> None:
        raise JsonRpcError(code, f"key {SECRET} has no credits")

    server.on("getSlot", refuse)
    server.on("sendTransaction", refuse)
    port = server.url.rpartition(":")[2]
    rpc = open_rpc(f"http://127.0.0.1:{port}/v2/?api-key={SECRET}")

    with pytest.raises((Unreachable, RpcRefused)) as caught:
        rpc.any([SLOT], same)
    [[reply]] = rpc.each_sent([Call("sendTransaction", ["x"])])

    shown = [str(caught.value), str(reply), *rpc.troubles]
    assert not any(SECRET in text for text in shown)
    assert "key (hidden) has no credits" in str(caught.value)


@pytest.mark.parametrize("status", [400, 413])
def test_the_error_page_of_a_provider_is_quoted_without_the_api_key(
    server: RpcServer, open_rpc, status: int
) -> None:
    body = {"jsonrpc": "2.0", "id": 0, "error": {"code": -32000, "message": f"bad key {SECRET}"}}
    server.always = Misbehaviour(status, body=json.dumps(body).encode())
    port = server.url.rpartition(":")[2]

    with pytest.raises((Unreachable, RpcRefused)) as caught:
        open_rpc(f"http://127.0.0.1:{port}/{SECRET}").any([SLOT], same)

    assert SECRET not in str(caught.value)


@pytest.mark.parametrize(
    "url", ["", f"ftp://host/{SECRET}", f"{SECRET}", f"http://host:port/{SECRET}", "http:///x"]
)
def test_an_unusable_endpoint_is_named_by_its_position(url: str) -> None:
    with pytest.raises(EndpointUnusable, match="number 2") as caught:
        Rpc(["http://good", url], 1.0)

    assert SECRET not in str(caught.value)


def test_no_endpoint_at_all_is_refused() -> None:
    with pytest.raises(EndpointUnusable, match="there is none"):
        Rpc([], 1.0)


def test_a_child_process_makes_connections_of_its_own(server: RpcServer, open_rpc) -> None:
    rpc = open_rpc(server.url)
    assert rpc.any([SLOT], same) == [1]

    child = os.fork()
    if child == 0:
        # The child must run no code of pytest, not even its exit handlers.
        os._exit(0 if rpc.any([SLOT], same) == [1] else 1)
    _, status = os.waitpid(child, 0)

    assert os.waitstatus_to_exitcode(status) == 0
    assert rpc.any([SLOT], same) == [1]


def test_closed_connections_open_again(server: RpcServer, open_rpc) -> None:
    rpc = open_rpc(server.url)
    assert rpc.any([SLOT], same) == [1]

    rpc.close()

    assert rpc.any([SLOT], same) == [1]
