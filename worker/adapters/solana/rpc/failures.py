"""Requests without an answer to their calls: the kind of failure, and whether it passes."""

from __future__ import annotations

import httpx2

from worker.adapters.solana.rpc.calls import BatchRefused, RpcError, error_in

RETRY_AFTER_SECONDS_MAX = 30.0
TOO_LARGE_STATUS = 413
SLOW_DOWN_KINDS = frozenset({"429", "http 403"})
"""Some providers answer 403 to too many requests."""

DEAD_KINDS = frozenset({"timeout", "connection", "5xx", "malformed answer"})
"""An endpoint that fails in such a way may be down."""


class Failure(Exception):
    """A request without an answer to its calls."""

    def __init__(
        self,
        kind: str,
        *,
        passes: bool = True,
        refuses_batches: bool = False,
        is_too_large: bool = False,
        retry_after_seconds: float = 0.0,
        error: RpcError | None = None,
    ) -> None:
        self.kind = kind
        self.passes = passes
        """Whether a later retry may help."""
        self.refuses_batches = refuses_batches
        self.is_too_large = is_too_large
        self.retry_after_seconds = retry_after_seconds
        self.error = error
        """The JSON-RPC error in the body of a refused request."""
        super().__init__(kind)


def failure_of(error: Exception, *, as_batch: bool) -> Failure:
    if isinstance(error, BatchRefused):
        too_many = error.error.passes
        return Failure("429" if too_many else "no batches", refuses_batches=not too_many)
    cause = error.__cause__
    if isinstance(cause, httpx2.HTTPStatusError):
        return _failure_of_status(cause.response, as_batch=as_batch)
    if isinstance(cause, httpx2.TimeoutException):
        return Failure("timeout")
    return Failure("connection" if isinstance(cause, httpx2.HTTPError) else "malformed answer")


def _failure_of_status(response: httpx2.Response, *, as_batch: bool) -> Failure:
    status = response.status_code
    if status >= 500:
        return Failure("5xx")
    seconds = _retry_after_seconds(response)
    if status == 429:
        return Failure("429", retry_after_seconds=seconds)
    if status == TOO_LARGE_STATUS:
        why = error_in(response.text) or RpcError(status, "the request is too large")
        return Failure("http 413", passes=False, is_too_large=True, error=why)
    return Failure(
        f"http {status}",
        passes=status == 403,
        refuses_batches=as_batch and status in (400, 403, 405),
        retry_after_seconds=seconds,
        error=error_in(response.text) if status in (400, 422) else None,
    )


def _retry_after_seconds(response: httpx2.Response) -> float:
    try:
        seconds = float(response.headers.get("retry-after", "0"))
    except ValueError:
        return 0.0
    return min(max(seconds, 0.0), RETRY_AFTER_SECONDS_MAX)
