"""An endpoint of the local chain whose conditions a test changes while workers use it."""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
from collections.abc import Iterator

from deploy.local.chain.rpc.conditions import Conditions
from tests.end_to_end.support.balances import call

_numbers = itertools.count(1)
HEALTHY = Conditions()


class RpcEndpoint:
    """A path of its own on the chain at `chain_url`, healthy at first."""

    def __init__(self, chain_url: str, conditions: Conditions = HEALTHY) -> None:
        self._chain_url = chain_url
        self._path = f"/endpoint-{next(_numbers)}"
        self.url = chain_url.rstrip("/") + self._path
        self.become(conditions)

    def become(self, conditions: Conditions) -> None:
        """Have these conditions from now on."""
        values = dataclasses.asdict(conditions)
        call(self._chain_url, "local_setConditions", self._path, values)

    def remember(self, blocks: int) -> None:
        """Make the chain remember its accounts from now on, for a later lag of `blocks`."""
        with self.under(Conditions(lag_blocks={"*": blocks})):
            pass

    @contextlib.contextmanager
    def under(self, conditions: Conditions) -> Iterator[None]:
        """Have these conditions while the block runs."""
        self.become(conditions)
        try:
            yield
        finally:
            self.become(HEALTHY)

    @property
    def requests(self) -> int:
        """The requests since the conditions changed."""
        return int(call(self._chain_url, "local_countRequests", self._path))
