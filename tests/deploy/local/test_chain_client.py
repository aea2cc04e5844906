"""The small client of the local stack, with servers that are not the local chain."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from deploy.local.chain import client
from deploy.local.chain.client import ChainClient


class Busy(BaseHTTPRequestHandler):
    """Answers every second call, with the path of the request as result."""

    calls = 0
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        Busy.calls += 1
        answer = json.dumps({"jsonrpc": "2.0", "id": 1, "result": self.path}).encode()
        self.send_response(429 if Busy.calls % 2 else 200)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *arguments: object) -> None:
        pass


@pytest.fixture
def url() -> Iterator[str]:
    with HTTPServer(("127.0.0.1", 0), Busy) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


def test_a_call_waits_while_it_is_asked_too_often(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "RATE_LIMITED_SECONDS", 0.01)
    with ChainClient(f"{url}/v2?api-key=mine") as chain:
        assert chain.call("getSlot") == "/v2?api-key=mine"
        assert chain.call("getSlot") == "/v2?api-key=mine"


def test_an_address_without_a_path_asks_for_the_root(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "RATE_LIMITED_SECONDS", 0.01)
    with ChainClient(url) as chain:
        assert chain.call("getSlot") == "/"
