"""Reads the transfers in a finalized transaction of anyone. Needs no key."""

from __future__ import annotations

from collections.abc import Sequence

from worker.adapters.solana.reading.executions import transaction_call, transfers_of
from worker.adapters.solana.rpc.endpoint import DEFAULT_RETRIES, Retries
from worker.adapters.solana.rpc.endpoints import Rpc, answering
from worker.ports.wiki import FoundTransfer


class TransferHistory:
    """Implements `worker.ports.wiki.TransferReader`. Makes no connection before its first call."""

    def __init__(
        self,
        endpoints: Sequence[str],
        mint: str,
        timeout_seconds: float,
        retries: Retries = DEFAULT_RETRIES,
    ) -> None:
        self._rpc, self._mint = Rpc(endpoints, timeout_seconds, retries), mint

    def close(self) -> None:
        """Close this process's connections."""
        self._rpc.close()

    def finalized_transfers(self, signature: str) -> list[FoundTransfer] | None:
        """
        Raises:
            Unreachable: every endpoint failed to answer.
        """
        for [reply] in answering(self._rpc.each([transaction_call(signature)])):
            # An endpoint may keep only a part of history; one with the transaction is enough.
            found = transfers_of(reply, signature=signature, mint=self._mint)
            if found is not None:
                return found
        return None
