"""`PublicSolanaChain`: a cluster read without keys. Implements `worker.ports.payout.PublicChain`.

Reading needs public addresses only: receipt addresses follow from the public receipt key.
"""

from __future__ import annotations

from collections.abc import Sequence

from worker.adapters.solana.reader import ChainReader
from worker.adapters.solana.reading.executions import outflow_of, transaction_call
from worker.adapters.solana.reading.signatures import oldest_of_full_page, page_call, read_page
from worker.adapters.solana.rpc.endpoint import DEFAULT_RETRIES, Retries
from worker.adapters.solana.rpc.endpoints import Rpc, answering
from worker.adapters.solana.signing.keys import read_address
from worker.core.chunks import chunks
from worker.ports.payout import Outflow, PublicAddresses

TIMEOUT_SECONDS = 30.0
TRANSACTIONS_A_ROUND = 200


class PublicSolanaChain(ChainReader):
    """Reads only. Makes no connection before its first call."""

    def __init__(
        self,
        endpoints: Sequence[str],
        mint: str,
        addresses: PublicAddresses,
        *,
        timeout_seconds: float = TIMEOUT_SECONDS,
        retries: Retries = DEFAULT_RETRIES,
    ) -> None:
        """
        Raises:
            EndpointUnusable: an endpoint is not a URL.
            AddressUnusable: a configured address is not an address.
        """
        read_address("mint", mint)
        base = read_address("receipt key", addresses.receipt_key)
        self._source = str(read_address("source account", addresses.source_account))
        super().__init__(Rpc(endpoints, timeout_seconds, retries), base, mint)

    def __repr__(self) -> str:
        return f"PublicSolanaChain({self._rpc})"

    def source_history(self, first_slot: int, last_slot: int) -> list[str]:
        """
        Raises:
            Unreachable: no endpoint answers.
        """
        found: list[str] = []
        before: str | None = None
        while True:
            call = page_call(self._source, before)
            page = self._rpc.any([call], lambda replies: read_page(replies[0]))
            found += [
                mention.signature
                for mention in page
                if mention.succeeded and first_slot <= mention.slot <= last_slot
            ]
            before = oldest_of_full_page(page)
            if before is None or page[-1].slot < first_slot:
                return found

    def outflows(self, signatures: Sequence[str]) -> dict[str, Outflow]:
        found: dict[str, Outflow] = {}
        for asked in chunks(signatures, TRANSACTIONS_A_ROUND):
            calls = [transaction_call(signature) for signature in asked]
            # Ask every endpoint, since each may keep another part of history.
            for replies in answering(self._rpc.each(calls)):
                for signature, reply in zip(asked, replies, strict=True):
                    outflow = outflow_of(reply, signature=signature, account=self._source)
                    if outflow is not None:
                        found[signature] = outflow
        return found
