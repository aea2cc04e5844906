"""A small blocking JSON-RPC client, for setting up the local chain and for its tests."""

from __future__ import annotations

import json
import time
from http import HTTPStatus
from http.client import HTTPConnection, HTTPSConnection
from types import TracebackType
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from deploy.local.errors import LocalStackError

TIMEOUT_SECONDS = 30.0
RATE_LIMITED_TRIES_MAX = 10
RATE_LIMITED_SECONDS = 2.0


class ChainCallFailedError(LocalStackError):
    """The chain answered with an error object."""

    def __init__(self, method: str, code: int, message: str, data: Any) -> None:
        """Store the parts of the error object."""
        super().__init__(f"{method} failed on the local chain: {message} ({code})")
        self.method = method
        self.code = code
        self.message = message
        self.data = data


class ChainClient:
    """One keep-alive connection to a chain, for one thread only."""

    def __init__(self, url: str) -> None:
        """Connect on the first call."""
        parts = urlsplit(url)
        kind = HTTPSConnection if parts.scheme == "https" else HTTPConnection
        self._connection = kind(parts.hostname or "127.0.0.1", parts.port, timeout=TIMEOUT_SECONDS)
        self._path = urlunsplit(("", "", parts.path or "/", parts.query, ""))

    def __enter__(self) -> ChainClient:
        """Return the client."""
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        """Close the connection."""
        self._connection.close()

    def call(self, method: str, *params: Any) -> Any:
        """Return the result of a call; raise `ChainCallFailedError` or `OSError`."""
        body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": list(params)}
        response = json.loads(self._post_within_rate(json.dumps(body).encode()))
        error = response.get("error")
        if error is not None:
            raise ChainCallFailedError(method, error["code"], error["message"], error.get("data"))
        return response["result"]

    def value(self, method: str, *params: Any) -> Any:
        """Return the value of a call whose result comes with a context."""
        return self.call(method, *params)["value"]

    def _post_within_rate(self, body: bytes) -> bytes:
        """Send a body again while the chain answers that it is asked too often."""
        for _ in range(RATE_LIMITED_TRIES_MAX):
            status, answer = self.post(body)
            if status != HTTPStatus.TOO_MANY_REQUESTS:
                break
            time.sleep(RATE_LIMITED_SECONDS)
        return answer

    def post(self, body: bytes) -> tuple[int, bytes]:
        """Send a raw body; return the HTTP status and the body of the answer."""
        self._connection.request("POST", self._path, body, {"Content-Type": "application/json"})
        response = self._connection.getresponse()
        return response.status, response.read()
