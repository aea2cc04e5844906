"""Serves the local chain over HTTP: `python -m deploy.local.chain.rpc.server --help`.

Requests and slots take turns in one thread, so every answer sees a consistent chain.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import os
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from tornado.http1connection import HTTP1Connection
from tornado.httpserver import HTTPServer
from tornado.httputil import HTTPHeaders, HTTPServerRequest, ResponseStartLine
from tornado.netutil import bind_sockets

from deploy.local.chain.blocks import Lag
from deploy.local.chain.ledger import ChainRules, Ledger
from deploy.local.chain.preinstalled import LAMPORTS_PER_BYTE
from deploy.local.chain.rpc.conditions import Conditions, Endpoint, Refusal
from deploy.local.chain.rpc.methods import answer
from deploy.local.chain.rpc.node import Node
from deploy.local.chain.snapshot import load, save

DEFAULT_PORT = 8_899
DEFAULT_SLOT_MILLISECONDS = 400
BEHIND_HEADER = "X-Blocks-Behind"
"""The header with which a proxy asks for the answer of a node that is some blocks behind.

Needs `--admin`, and `local_rememberSlots` before."""

MAX_BODY_BYTES = 512 * 1024
MAX_CATCH_UP_SLOTS = 5
SNAPSHOT_NAME = "chain.snapshot"
_ANY_PAGE_MAY_ASK = {
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Allow-Methods": "POST, OPTIONS",
    "Access-Control-Allow-Headers": "content-type",
    "Access-Control-Max-Age": "3600",
}
"""A validator answers pages of every host, and so do the providers."""
_NEEDS_JSON = b"Supplied content type is not allowed. Content-Type: application/json is required\n"

logger = logging.getLogger(__name__)


@dataclass(slots=True)
class ChainServer:
    """Serves the chain on a port: `start`, keep `run_slots` running, then `stop`."""

    node: Node
    slot_milliseconds: int = DEFAULT_SLOT_MILLISECONDS
    now: Callable[[], float] = time.monotonic
    """The clock of the rate limits."""
    _http: HTTPServer | None = None

    def start(self, host: str, port: int) -> str:
        """Listen; return the URL (port 0 lets the system choose one)."""
        sockets = bind_sockets(port, host)
        self._http = HTTPServer(self._handle, max_body_size=MAX_BODY_BYTES)
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
            if not self.node.switches.paused:
                self.node.ledger.open_slot(self.node.unix_seconds())
            due = max(due + interval, time.monotonic() - MAX_CATCH_UP_SLOTS * interval)

    def _handle(self, request: HTTPServerRequest) -> None:
        if request.method == "GET" and request.path == "/health":
            _reply(request, 200, "OK", b"ok", "text/plain")
            return
        if request.method == "OPTIONS":
            _reply(request, 204, "No Content", b"", "text/plain")
            return
        if request.method != "POST":
            text = b"Used HTTP Method is not allowed. POST or OPTIONS is required\n"
            _reply(request, 405, "Method Not Allowed", text, "text/plain")
            return
        if not request.headers.get("Content-Type", "").startswith("application/json"):
            _reply(request, 415, "Unsupported Media Type", _NEEDS_JSON, "text/plain")
            return
        endpoint = self.node.endpoint(request.path)
        _after_half_of_the_way(endpoint, partial(self._serve, request, endpoint))

    def _serve(self, request: HTTPServerRequest, endpoint: Endpoint) -> None:
        """Answer a request that reached its endpoint."""
        if endpoint.conditions.dead:
            _hang_up(request)
            return
        try:
            endpoint.check_request(request.body, request.remote_ip or "", self.now())
            body = answer(self._node_for(request), request.body, endpoint)
            reply = partial(_reply, request, 200, "OK", body)
        except Refusal as refusal:
            wait = refusal.retry_after_seconds
            reply = partial(_reply, request, refusal.status, refusal.phrase, refusal.body)
            reply = partial(reply, retry_after_seconds=wait)
        if not endpoint.conditions.silent:
            _after_half_of_the_way(endpoint, reply)

    def _node_for(self, request: HTTPServerRequest) -> Node:
        """Return the node that a request asks for: by default one that is up to date."""
        behind = request.headers.get(BEHIND_HEADER, "")
        if not (behind.isdecimal() and self.node.admin):
            return self.node
        return replace(self.node, behind_blocks=int(behind))


def _after_half_of_the_way(endpoint: Endpoint, act: Callable[[], None]) -> None:
    """Act now, or after half of the endpoint's latency."""
    seconds = endpoint.conditions.latency_milliseconds / 2 / 1000
    if seconds:
        asyncio.get_running_loop().call_later(seconds, act)
    else:
        act()


def _hang_up(request: HTTPServerRequest) -> None:
    """Close a connection without an answer."""
    if isinstance(request.connection, HTTP1Connection):
        request.connection.detach().close()


def _reply(
    request: HTTPServerRequest,
    status: int,
    reason: str,
    body: bytes,
    content_type: str = "application/json; charset=utf-8",
    retry_after_seconds: int | None = None,
) -> None:
    headers = HTTPHeaders({"Content-Type": content_type, "Content-Length": str(len(body))})
    headers.update(_ANY_PAGE_MAY_ASK)
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
        lamports_per_byte=options.lamports_per_byte,
    )
    seed = None if options.seed is None else bytes.fromhex(options.seed)
    ledger = open_ledger(
        rules, snapshot=snapshot, seed=seed, clock_offset_seconds=options.unix_time_offset
    )
    node = Node(ledger, unix_seconds, admin=options.admin)
    for path, conditions in options.conditions:
        node.set_conditions(path, Conditions.from_json(json.loads(conditions)))
    server = ChainServer(node, slot_milliseconds=options.slot_milliseconds)
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
    add("--lamports-per-byte", type=int, default=LAMPORTS_PER_BYTE, help="rent minimum of a byte")
    add("--unix-time-offset", type=int, metavar="SECONDS", help="shift the cluster's clock")
    add(
        "--conditions",
        nargs=2,
        action="append",
        default=[],
        metavar=("PATH", "JSON"),
        help="the conditions of the endpoint at a path of the URL; may be given several times",
    )
    add("--admin", action="store_true", help="allow the local_* methods")
    add("--seed", metavar="HEX", help="fixes the genesis and the blockhashes")
    return parser


if __name__ == "__main__":
    main()
