"""A small blocking JSON-RPC client, for setting up the local chain and for its tests."""

from __future__ import annotations

import http.client
import json
from types import TracebackType
from typing import Any
from urllib.parse import urlsplit

from deploy.local.errors import LocalStackError

TIMEOUT_SECONDS = 30.0


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
        self._path = parts.path or "/"
        self._connection = http.client.HTTPConnection(
            parts.hostname or "127.0.0.1", parts.port or 80, timeout=TIMEOUT_SECONDS
        )

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
        response = json.loads(self.post(json.dumps(body).encode())[1])
        error = response.get("error")
        if error is not None:
            raise ChainCallFailedError(method, error["code"], error["message"], error.get("data"))
        return response["result"]

    def value(self, method: str, *params: Any) -> Any:
        """Return the value of a call whose result comes with a context."""
        return self.call(method, *params)["value"]

    def post(self, body: bytes) -> tuple[int, bytes]:
        """Send a raw body; return the HTTP status and the body of the answer."""
        self._connection.request("POST", self._path, body, {"Content-Type": "application/json"})
        response = self._connection.getresponse()
        return response.status, response.read()
