"""Serves the local chain over HTTP: `python -m deploy.local.chain.rpc.server --help`.

Requests and slots take turns in one thread, so every answer sees a consistent chain.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

from tornado.httpserver import HTTPServer
from tornado.httputil import HTTPHeaders, HTTPServerRequest, ResponseStartLine
from tornado.netutil import bind_sockets

from deploy.local.chain.blocks import Lag
from deploy.local.chain.ledger import ChainRules, Ledger
from deploy.local.chain.rpc.methods import answer, calls_in
from deploy.local.chain.rpc.params import Node
from deploy.local.chain.snapshot import load, save

DEFAULT_PORT = 8_899
DEFAULT_SLOT_MILLISECONDS = 400
MAX_REQUEST_BYTES = 50 * 1024
"""The limit of a real server: a batch of ten payments fits, a batch of twelve does not."""

BEHIND_HEADER = "X-Blocks-Behind"
"""The header that makes the server answer like a node that is a number of blocks behind.

Needs `--admin`; see `local_rememberSlots`."""

MAX_CATCH_UP_SLOTS = 5
SNAPSHOT_NAME = "chain.snapshot"
_TOO_MANY = (
    b'{"jsonrpc":"2.0","error":{"code":429,"message":"Too many requests for a specific RPC call"}}'
)
_NEEDS_JSON = b"Supplied content type is not allowed. Content-Type: application/json is required\n"

logger = logging.getLogger(__name__)


class RateLimit:
    """A token bucket that holds the calls of one second."""

    def __init__(self, calls_per_second: float, now: Callable[[], float]) -> None:
        """Start with a full bucket."""
        self._rate = calls_per_second
        self._now = now
        self._tokens = calls_per_second
        self._counted_at = now()

    def take(self, calls: int) -> bool:
        """Return True if `calls` calls may be answered now."""
        now = self._now()
        refilled = self._tokens + (now - self._counted_at) * self._rate
        self._tokens, self._counted_at = min(self._rate, refilled), now
        # A batch larger than the bucket passes if the bucket is full.
        if self._tokens < min(calls, self._rate):
            return False
        self._tokens -= calls
        return True


@dataclass(slots=True)
class ChainServer:
    """Serves the chain on a port: `start`, keep `run_slots` running, then `stop`."""

    node: Node
    slot_milliseconds: int = DEFAULT_SLOT_MILLISECONDS
    calls_per_second: float = 0
    max_request_bytes: int = MAX_REQUEST_BYTES
    now: Callable[[], float] = time.monotonic
    """The clock of the rate limits."""
    _limits: dict[str, RateLimit] = field(default_factory=dict)
    _http: HTTPServer | None = None

    def start(self, host: str, port: int) -> str:
        """Listen; return the URL (port 0 lets the system choose one)."""
        sockets = bind_sockets(port, host)
        self._http = HTTPServer(self._handle, max_body_size=10 * self.max_request_bytes)
        self._http.add_sockets(sockets)
        return f"http://{host}:{sockets[0].getsockname()[1]}"

    async def stop(self) -> None:
        """Stop listening and close every connection."""
        if self._http is not None:
            self._http.stop()
            await self._http.close_all_connections()

    async def run_slots(self) -> None:
        """Open a slot every interval. Catches up after small delays, but not after a long sleep."""
        interval = self.slot_milliseconds / 1000
        due = time.monotonic() + interval
        while True:
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            if not self.node.paused:
                self.node.ledger.open_slot(self.node.unix_seconds())
            due = max(due + interval, time.monotonic() - MAX_CATCH_UP_SLOTS * interval)

    def _handle(self, request: HTTPServerRequest) -> None:
        if request.method == "GET" and request.path == "/health":
            return _reply(request, 200, "OK", b"ok", "text/plain")
        if request.method != "POST":
            text = b"Used HTTP Method is not allowed. POST or OPTIONS is required\n"
            return _reply(request, 405, "Method Not Allowed", text, "text/plain")
        if not request.headers.get("Content-Type", "").startswith("application/json"):
            return _reply(request, 415, "Unsupported Media Type", _NEEDS_JSON, "text/plain")
        if len(request.body) > self.max_request_bytes:
            return _reply(request, 413, "Payload Too Large", b"", "text/plain")
        if not self._may_answer(request):
            return _reply(request, 429, "Too Many Requests", _TOO_MANY, retry_after_seconds=1)
        return _reply(request, 200, "OK", answer(self._node_for(request), request.body))

    def _node_for(self, request: HTTPServerRequest) -> Node:
        behind = request.headers.get(BEHIND_HEADER, "")
        if not (behind.isdecimal() and self.node.admin):
            return self.node
        return replace(self.node, behind_blocks=int(behind))

    def _may_answer(self, request: HTTPServerRequest) -> bool:
        if not self.calls_per_second:
            return True
        client = request.remote_ip or ""
        limit = self._limits.get(client)
        if limit is None:
            limit = self._limits[client] = RateLimit(self.calls_per_second, self.now)
        return limit.take(calls_in(request.body))


def _reply(
    request: HTTPServerRequest,
    status: int,
    reason: str,
    body: bytes,
    content_type: str = "application/json; charset=utf-8",
    retry_after_seconds: int | None = None,
) -> None:
    headers = HTTPHeaders({"Content-Type": content_type, "Content-Length": str(len(body))})
    if retry_after_seconds is not None:
        headers["Retry-After"] = str(retry_after_seconds)
    connection = request.connection
    if connection is None:
        return
    connection.write_headers(ResponseStartLine("HTTP/1.1", status, reason), headers, body)
    connection.finish()


def unix_seconds() -> int:
    """Return the time of this machine."""
    return int(time.time())


def open_ledger(
    rules: ChainRules,
    *,
    snapshot: Path | None,
    seed: bytes | None,
    clock_offset_seconds: int | None,
) -> Ledger:
    """Continue the chain of a snapshot, or begin a new one without a snapshot."""
    if snapshot is not None and snapshot.exists():
        return load(snapshot, rules, clock_offset_seconds=clock_offset_seconds)
    return Ledger(
        rules,
        seed=os.urandom(32) if seed is None else seed,
        unix_seconds=unix_seconds(),
        clock_offset_seconds=clock_offset_seconds or 0,
    )


async def serve(server: ChainServer, *, host: str, port: int, snapshot: Path | None) -> None:
    """Serve until SIGTERM or SIGINT, then save the chain."""
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)
    url = server.start(host, port)
    tip = server.node.ledger.blocks.tip
    logger.info("local chain on %s, slot %d, block height %d", url, tip.slot, tip.height)
    slots = asyncio.create_task(server.run_slots())
    stop = asyncio.create_task(stopped.wait())
    await asyncio.wait({slots, stop}, return_when=asyncio.FIRST_COMPLETED)
    slots.cancel()
    await server.stop()
    if snapshot is not None:
        save(server.node.ledger, snapshot)
        logger.info("saved the chain at slot %d", server.node.ledger.blocks.tip.slot)
    if not stopped.is_set():
        slots.result()


def main(arguments: list[str] | None = None) -> None:
    """Run the server from the command line."""
    options = _parser().parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    snapshot: Path | None = None
    if options.state_dir is not None:
        options.state_dir.mkdir(parents=True, exist_ok=True)
        snapshot = options.state_dir / SNAPSHOT_NAME
    rules = ChainRules(
        lag=Lag(options.confirmed_slots, options.finalized_slots),
        skip_every_slots=options.skip_slot_every,
        v1=not options.no_v1,
    )
    seed = None if options.seed is None else bytes.fromhex(options.seed)
    ledger = open_ledger(
        rules, snapshot=snapshot, seed=seed, clock_offset_seconds=options.unix_time_offset
    )
    server = ChainServer(
        Node(ledger, unix_seconds, admin=options.admin),
        slot_milliseconds=options.slot_milliseconds,
        calls_per_second=options.requests_per_second,
        max_request_bytes=options.max_request_bytes,
    )
    asyncio.run(serve(server, host=options.host, port=options.port, snapshot=snapshot))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m deploy.local.chain.rpc.server", description=__doc__
    )
    add = parser.add_argument
    add("--host", default="127.0.0.1")
    add("--port", type=int, default=DEFAULT_PORT, help="0 lets the system choose")
    add("--state-dir", type=Path, help=f"load and save DIR/{SNAPSHOT_NAME}")
    add("--slot-milliseconds", type=int, default=DEFAULT_SLOT_MILLISECONDS)
    add("--confirmed-slots", type=int, default=2, help="lag of the confirmed block")
    add("--finalized-slots", type=int, default=32, help="lag of the finalized block")
    add("--skip-slot-every", type=int, default=0, metavar="N", help="no block in each Nth slot")
    add("--no-v1", action="store_true", help="refuse v1 transactions; no feature account")
    add("--unix-time-offset", type=int, metavar="SECONDS", help="shift the cluster's clock")
    add("--requests-per-second", type=float, default=0, help="answer 429 above this (0: never)")
    add("--max-request-bytes", type=int, default=MAX_REQUEST_BYTES)
    add("--admin", action="store_true", help="allow the local_* methods")
    add("--seed", metavar="HEX", help="fixes the genesis and the blockhashes")
    return parser


if __name__ == "__main__":
    main()
