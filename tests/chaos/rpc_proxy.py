"""A proxy in front of the chain's JSON-RPC that answers like a bad endpoint.

Real endpoints have shown all its faults: a refusal with 429, no answer to an accepted transaction,
an answer for a transaction that is then forgotten, and an old state of the chain.
"""

from __future__ import annotations

import base64
import contextlib
import http.client
import json
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar
from urllib.parse import urlsplit

from solders.transaction import VersionedTransaction

from deploy.local.chain.rpc.server import BEHIND_HEADER
from tests.chaos.fault_proxy import LOOPBACK

UPSTREAM_TIMEOUT_SECONDS = 30


@dataclass(frozen=True, slots=True)
class Response:
    status: int
    body: bytes
    headers: tuple[tuple[str, str], ...] = ()


Forward = Callable[..., Response]
RpcFault = Callable[[bytes, Forward], "Response | None"]
"""Makes a response from a request body and a connection to the chain. None means no answer."""


def healthy(body: bytes, forward: Forward) -> Response | None:
    return forward(body)


def too_many_requests(retry_after_seconds: int | None) -> RpcFault:
    """Answer every request with 429, with or without `Retry-After`."""
    headers = () if retry_after_seconds is None else (("Retry-After", str(retry_after_seconds)),)

    def fault(body: bytes, forward: Forward) -> Response | None:
        return Response(429, b'{"error":"too many requests"}', headers)

    return fault


def silent_after_accepting(body: bytes, forward: Forward) -> Response | None:
    """The chain acts on the request, and the client gets no answer."""
    forward(body)
    return None


def often_behind(blocks: int) -> RpcFault:
    """A load balancer with two nodes.

    One node is so many blocks behind and answers every second request.
    """
    turns = _Turns(2)

    def fault(body: bytes, forward: Forward) -> Response | None:
        return forward(body, {BEHIND_HEADER: str(blocks)}) if turns.is_mine() else forward(body)

    return fault


def always_behind(blocks: int) -> RpcFault:
    """The only node lags so many blocks."""

    def fault(body: bytes, forward: Forward) -> Response | None:
        return forward(body, {BEHIND_HEADER: str(blocks)})

    return fault


def losing_transactions(every: int) -> RpcFault:
    """Answer one of `every` transactions with its signature, and never forward it."""
    turns = _Turns(every)

    def fault(body: bytes, forward: Forward) -> Response | None:
        request = json.loads(body)
        calls = request if isinstance(request, list) else [request]
        lost = [c for c in calls if c["method"] == "sendTransaction" and turns.is_mine()]
        passed = [c for c in calls if c not in lost]
        answers = [{"jsonrpc": "2.0", "id": c["id"], "result": _signature(c)} for c in lost]
        if passed:
            answer = forward(json.dumps(passed).encode())
            if answer.status != 200:
                return answer
            answers += json.loads(answer.body)
        return Response(
            200, json.dumps(answers if isinstance(request, list) else answers[0]).encode()
        )

    return fault


def _signature(call: dict[str, Any]) -> str:
    wire = base64.b64decode(call["params"][0])
    return str(VersionedTransaction.from_bytes(wire).signatures[0])


class _Turns:
    """Returns True for every nth caller."""

    def __init__(self, every: int) -> None:
        self._every, self._count, self._lock = every, 0, threading.Lock()

    def is_mine(self) -> bool:
        with self._lock:
            self._count += 1
            return self._count % self._every == 0


class RpcProxy:
    """An HTTP server in threads of this process, with one fault at a time."""

    def __init__(self, url: str) -> None:
        self._target = urlsplit(url)
        self._fault: RpcFault = healthy
        self.requests_hit = 0
        self._over = threading.Event()
        handler = type("Handler", (_Handler,), {"proxy": self})
        self._server = _Server((LOOPBACK, 0), handler)
        self.url = f"http://{LOOPBACK}:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def __enter__(self) -> RpcProxy:
        return self

    def __exit__(self, *exception: object) -> None:
        self._over.set()
        self._server.shutdown()
        self._server.server_close()

    @contextlib.contextmanager
    def fault(self, fault: RpcFault) -> Iterator[None]:
        """Misbehave while the block runs."""
        self.requests_hit, self._fault, self._over = 0, fault, threading.Event()
        try:
            yield
        finally:
            self._fault = healthy
            self._over.set()

    def respond(self, body: bytes) -> Response | None:
        """The response to a request. Silence lasts until the fault is over."""
        fault, over = self._fault, self._over
        if fault is not healthy:
            self.requests_hit += 1
        response = fault(body, self._forward)
        if response is None:
            over.wait()
        return response

    def _forward(self, body: bytes, headers: dict[str, str] | None = None) -> Response:
        host, port = self._target.hostname or LOOPBACK, self._target.port
        connection = http.client.HTTPConnection(host, port, timeout=UPSTREAM_TIMEOUT_SECONDS)
        try:
            sent = {"Content-Type": "application/json", **(headers or {})}
            connection.request("POST", self._target.path or "/", body, sent)
            answer = connection.getresponse()
            return Response(answer.status, answer.read())
        finally:
            connection.close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Ignore clients that went away, because these tests cause them."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    proxy: ClassVar[RpcProxy]

    def setup(self) -> None:
        super().setup()
        self.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        response = self.proxy.respond(body)
        if response is None:
            self.close_connection = True
            return
        self.send_response(response.status)
        for name, value in response.headers:
            self.send_header(name, value)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(response.body)))
        self.end_headers()
        self.wfile.write(response.body)

    def log_message(self, format: str, *arguments: Any) -> None:  # noqa: A002
        """Say nothing."""
