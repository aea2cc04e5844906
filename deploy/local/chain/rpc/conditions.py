"""The network conditions of an endpoint: old answers, lost transactions, limits and delays.

A provider's URL stands for a pool of nodes that lie some blocks apart, behind a gateway with the
limits of a plan. A path of the server is such a URL, and has conditions of its own.
"""

from __future__ import annotations

import json
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields

from deploy.local.chain.budget import MAX_V1_BYTES
from deploy.local.chain.rpc.params import INVALID_PARAMS, Json, RpcError

EVERY_METHOD = "*"
MAX_LAG_BLOCKS = 300
MAX_REQUEST_BYTES = 50 * 1024
"""The limit of a real server: a batch of ten payments fits, a batch of twelve does not."""

RANGE_LIMITED = -32615
"""The error code of a gateway whose plan limits the size of a call."""

_RANGE_REFUSALS = (INVALID_PARAMS, RANGE_LIMITED, 413)
_PHRASES = {
    400: "Bad Request",
    403: "Forbidden",
    413: "Payload Too Large",
    429: "Too Many Requests",
}
_ENDLESS = 2**64


@dataclass(frozen=True, slots=True)
class Conditions:
    """The conditions of one endpoint; the defaults are those of a healthy node."""

    lag_blocks: Mapping[str, int | Sequence[int]] = field(default_factory=dict)
    """The blocks that a method answers late; `*` stands for every method that is not named.

    One number is the lag of every call. From several numbers each HTTP request draws one.
    """
    lost_sends_percent: float = 0
    """The share of sent transactions that are answered with their signature and never land."""
    max_transaction_bytes: int = MAX_V1_BYTES
    """Larger transactions are refused, although the feature account shows v1 as active."""
    method_errors: Mapping[str, int] = field(default_factory=dict)
    """The error code with which a method is always refused, such as -32601 for an absent one."""
    max_items: Mapping[str, int] = field(default_factory=dict)
    """The items of one call by method: listed values, a `limit`, or a range of slots."""
    items_refusal: int = INVALID_PARAMS
    """The refusal of a call with more items: an error code, or HTTP 413."""
    max_request_bytes: int = MAX_REQUEST_BYTES
    batches_refusal: int | None = None
    """The HTTP status that refuses batches: 400 or 403."""
    calls_per_second: float | None = None
    """The calls of one client address; 0 refuses everything. Each call of a batch counts."""
    rate_refusal: int = 429
    """The HTTP status beyond the rate: 429, or 403 as some gateways send."""
    retry_after_seconds: int | None = 1
    latency_milliseconds: float = 0
    """The time of a request to the node and back."""
    silent: bool = False
    """The node acts on every request and never answers."""
    dead: bool = False
    """Every connection is closed without an answer."""
    seed: int = 0
    """Decides the drawn lags and the lost transactions."""

    def __post_init__(self) -> None:
        """Refuse unusable values with `ValueError`."""
        lags = [lag for lags in self.lag_blocks.values() for lag in _several(lags)]
        if not all(0 <= lag <= MAX_LAG_BLOCKS for lag in lags):
            raise ValueError(f"a lag is 0 to {MAX_LAG_BLOCKS} blocks: {self.lag_blocks}")
        if not 0 <= self.lost_sends_percent <= 100:
            raise ValueError(f"a share is 0 to 100 percent: {self.lost_sends_percent}")
        if self.items_refusal not in _RANGE_REFUSALS:
            raise ValueError(f"a call is refused with one of {_RANGE_REFUSALS}")
        if not {self.batches_refusal or 400, self.rate_refusal} <= _PHRASES.keys():
            raise ValueError(f"a request is refused with one of {sorted(_PHRASES)}")

    @classmethod
    def from_json(cls, values: Json) -> Conditions:
        """Build conditions from an object with the names of the fields; raise `ValueError`."""
        if not isinstance(values, dict) or not values.keys() <= {one.name for one in fields(cls)}:
            raise ValueError(f"expected some of {[one.name for one in fields(cls)]}")
        return cls(**values)

    @property
    def most_lag_blocks(self) -> int:
        """The largest lag of any method."""
        return max((max(_several(lags)) for lags in self.lag_blocks.values()), default=0)


class Refusal(Exception):
    """The HTTP answer of a gateway that passes a request to no node."""

    def __init__(self, status: int, body: bytes, retry_after_seconds: int | None = None) -> None:
        """Store the parts of the answer."""
        super().__init__(status)
        self.status = status
        self.body = body
        self.retry_after_seconds = retry_after_seconds

    @property
    def phrase(self) -> str:
        """The words of the HTTP status."""
        return _PHRASES[self.status]


class RateLimit:
    """A token bucket that holds the calls of one second."""

    def __init__(self, calls_per_second: float, now: float) -> None:
        """Start with a full bucket; `now` is in seconds of any clock."""
        self._rate = calls_per_second
        self._tokens = calls_per_second
        self._counted_at = now

    def take(self, calls: int, now: float) -> bool:
        """Return True if `calls` calls may be answered now."""
        refilled = self._tokens + (now - self._counted_at) * self._rate
        self._tokens, self._counted_at = min(self._rate, refilled), now
        # A batch larger than the bucket passes if the bucket is full.
        if not self._rate or self._tokens < min(calls, self._rate):
            return False
        self._tokens -= calls
        return True


class Endpoint:
    """One endpoint: its conditions, its draws, and the rate of its clients."""

    def __init__(self, conditions: Conditions) -> None:
        """Begin the draws of the seed."""
        self.conditions = conditions
        self._draws = random.Random(conditions.seed)
        self._limits: dict[str, RateLimit] = {}
        self.requests = 0

    def draw(self) -> float:
        """Draw a number from 0 to below 1."""
        return self._draws.random()

    def check_request(self, body: bytes, client: str, now: float) -> None:
        """Count a request, and raise its `Refusal` if the gateway refuses it as a whole."""
        self.requests += 1
        wanted = self.conditions
        if len(body) > wanted.max_request_bytes:
            raise Refusal(413, b"")
        is_batch = body.lstrip().startswith(b"[")
        if is_batch and wanted.batches_refusal is not None:
            raise _refusal(wanted.batches_refusal, -32600, "batch requests are not supported")
        if wanted.calls_per_second is None:
            return
        limit = self._limits.setdefault(client, RateLimit(wanted.calls_per_second, now))
        if not limit.take(_calls_in(body) if is_batch else 1, now):
            status, seconds = wanted.rate_refusal, wanted.retry_after_seconds
            text = "Too many requests for a specific RPC call"
            raise _refusal(status, status, text, seconds)

    def check_call(self, method: str, params: Json) -> None:
        """Raise the refusal of a method or of too many items: a `Refusal` or an `RpcError`."""
        code = self.conditions.method_errors.get(method)
        if code is not None:
            raise RpcError(code, f"{method} is not available on this plan")
        limit, refusal = self.conditions.max_items.get(method), self.conditions.items_refusal
        if limit is None or _items(method, params) <= limit:
            return
        text = f"{method} is limited to a {limit} range on this plan"
        if refusal == 413:
            raise _refusal(413, RANGE_LIMITED, text)
        raise RpcError(refusal, text)

    def lag_blocks(self, method: str, draw: float) -> int:
        """Return the blocks by which the node of this request answers a method late."""
        lags = self.conditions.lag_blocks
        choices = _several(lags.get(method, lags.get(EVERY_METHOD, 0)))
        return choices[int(draw * len(choices))]

    def loses_send(self) -> bool:
        """Draw whether the next sent transaction is lost."""
        percent = self.conditions.lost_sends_percent
        return bool(percent) and self.draw() * 100 < percent


def _refusal(status: int, code: int, message: str, seconds: int | None = None) -> Refusal:
    error = {"jsonrpc": "2.0", "error": {"code": code, "message": message}, "id": None}
    return Refusal(status, json.dumps(error).encode(), seconds)


def _several(lags: int | Sequence[int]) -> Sequence[int]:
    return [lags] if isinstance(lags, int) else lags


def _calls_in(body: bytes) -> int:
    try:
        return max(1, len(json.loads(body)))
    except ValueError:
        return 1


def _items(method: str, params: Json) -> int:
    """Return the size of a call: its listed values, its `limit`, or its range of slots."""
    first, *rest = params if isinstance(params, list) and params else [None]
    second = rest[0] if rest else None
    if isinstance(first, list):
        return len(first)
    if method == "getSignaturesForAddress":
        return int((second if isinstance(second, dict) else {}).get("limit") or 1_000)
    if method == "getBlocks" and isinstance(first, int):
        return (second if isinstance(second, int) else _ENDLESS) - first + 1
    return 1
