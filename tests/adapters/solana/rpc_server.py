"""A real HTTP server with JSON-RPC answers chosen by a test, and with misbehaviour on command."""

from __future__ import annotations

import json
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Handler = Callable[[list[Any]], Any]


class JsonRpcError(Exception):
    """A handler raises this to answer with an error object."""

    def __init__(self, code: int, message: str = "no", context_slot: int | None = None) -> None:
        self.code = code
        self.context_slot = context_slot
        super().__init__(message)


@dataclass
class Misbehaviour:
    """Instead of an answer: an HTTP status, a silence, a broken connection or a broken body."""

    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    silence_seconds: float = 0.0
    hangs_up: bool = False
    body: bytes = b""


@dataclass
class RpcServer:
    """The test's view of the server."""

    url: str = ""
    handlers: dict[str, Handler] = field(default_factory=dict)
    misbehaviours: deque[Misbehaviour] = field(default_factory=deque)
    """Each request uses up one entry; afterwards the server behaves."""
    always: Misbehaviour | None = None
    takes_batches: bool = True
    refuses: Callable[[list[dict[str, Any]]], Misbehaviour | None] = lambda calls: None
    """Decides by the calls of a request whether it is refused as a whole."""
    requests: list[list[str]] = field(default_factory=list)
    """The methods of each request."""
    times: list[float] = field(default_factory=list)
    running: int = 0
    running_max: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def on(self, method: str, result: Any) -> None:
        """Answer a method with a value, or with the result of a function of its parameters."""
        self.handlers[method] = result if callable(result) else lambda params: result

    @contextmanager
    def counted(self) -> Iterator[None]:
        """Count a request while the server works on it."""
        with self._lock:
            self.running += 1
            self.running_max = max(self.running_max, self.running)
        try:
            yield
        finally:
            with self._lock:
                self.running -= 1

    def answer(self, body: bytes) -> tuple[Misbehaviour | None, bytes]:
        content = json.loads(body)
        calls = content if isinstance(content, list) else [content]
        with self._lock:
            self.requests.append([call["method"] for call in calls])
            self.times.append(time.monotonic())
            misbehaviour = self.misbehaviours.popleft() if self.misbehaviours else self.always
        misbehaviour = misbehaviour or self.refuses(calls)
        if misbehaviour is not None:
            return misbehaviour, misbehaviour.body
        if isinstance(content, list) and not self.takes_batches:
            refusal = {"code": -32600, "message": "no batches here"}
            return None, json.dumps({"jsonrpc": "2.0", "id": None, "error": refusal}).encode()
        answers = [self._answer(call) for call in calls]
        # The server chooses the order of a batch's answers.
        ordered = answers[::-1] if isinstance(content, list) else answers[0]
        return None, json.dumps(ordered).encode()

    def _answer(self, call: dict[str, Any]) -> dict[str, Any]:
        try:
            result = self.handlers[call["method"]](call.get("params") or [])
        except JsonRpcError as error:
            body: dict[str, Any] = {"code": error.code, "message": str(error)}
            if error.context_slot is not None:
                body["data"] = {"contextSlot": error.context_slot}
            return {"jsonrpc": "2.0", "id": call["id"], "error": body}
        except KeyError:
            body = {"code": -32601, "message": "Method not found"}
            return {"jsonrpc": "2.0", "id": call["id"], "error": body}
        return {"jsonrpc": "2.0", "id": call["id"], "result": result}


@contextmanager
def rpc_server() -> Iterator[RpcServer]:
    state = RpcServer()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            # The connection ends before the client can notice and open another one.
            with state.counted():
                misbehaviour, answer = state.answer(body)
                if misbehaviour is not None:
                    time.sleep(misbehaviour.silence_seconds)
            if misbehaviour is not None and misbehaviour.hangs_up:
                self.close_connection = True
                return
            try:
                self.send_response(200 if misbehaviour is None else misbehaviour.status)
                for name, value in (misbehaviour.headers if misbehaviour else {}).items():
                    self.send_header(name, value)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)
            except OSError:
                self.close_connection = True

        def log_message(self, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    state.url = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield state
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
