"""Several RPC servers with answers chosen by a test, and a `SolanaChain` that reads them."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import Any

from solders.keypair import Keypair
from solders.pubkey import Pubkey

from tests.adapters.solana.rpc_server import JsonRpcError, Misbehaviour, RpcServer, rpc_server
from worker.adapters.solana.chain import SolanaChain
from worker.adapters.solana.rpc.endpoint import Retries

KEY = Keypair.from_seed(bytes([1]) * 32)
MINT = Pubkey.from_bytes(bytes([7]) * 32)
SYSTEM = "11111111111111111111111111111111"
FAST = Retries(attempts=2, backoff_seconds=0.01)
DOWN = Misbehaviour(500)


class Cluster:
    """Several servers, the accounts that each server shows, and a chain that reads them."""

    def __init__(self, servers: list[RpcServer]) -> None:
        self.servers = servers
        self.accounts: list[dict[str, Any]] = [{} for _ in servers]
        self.slots = [100 for _ in servers]
        self.slots_a_read = [0 for _ in servers]
        """The slots that pass with each read of accounts."""
        self.opened: list[SolanaChain] = []
        for number, server in enumerate(servers):
            server.on("getMultipleAccounts", self._accounts_of(number))
        self.chain = self.open()

    def open(self, **options: Any) -> SolanaChain:
        urls = [server.url for server in self.servers]
        self.opened.append(
            SolanaChain(
                urls, str(MINT), KEY, KEY, KEY, None,
                timeout_seconds=2, retries=FAST, **options,
            )
        )  # fmt: skip
        return self.opened[-1]

    def on(self, method: str, *results: Any) -> None:
        """Set one result for all servers, or one result for each server."""
        for number, server in enumerate(self.servers):
            server.on(method, results[number % len(results)])

    def show(self, address: object, account: Any, *numbers: int) -> None:
        """Let all servers, or only the given ones, show an account."""
        for number in numbers or range(len(self.servers)):
            self.accounts[number][str(address)] = account

    def receipt(self, receipt_id: str, length: int, *numbers: int) -> None:
        self.show(self.chain.receipt_address(receipt_id), account(bytes(length)), *numbers)

    def _accounts_of(self, number: int) -> Callable[[list[Any]], Any]:
        def answer(params: list[Any]) -> Any:
            slot, wanted = self.slots[number], params[1].get("minContextSlot", 0)
            self.slots[number] += self.slots_a_read[number]
            if slot < wanted:
                raise JsonRpcError(-32016, "Minimum context slot has not been reached", slot)
            shown = [self.accounts[number].get(address) for address in params[0]]
            return {"context": {"slot": slot}, "value": shown}

        return answer


def account(content: bytes, owner: str = SYSTEM, **changed: Any) -> dict[str, Any]:
    fields = {
        "owner": owner,
        "lamports": 10**9,
        "data": [base64.b64encode(content).decode(), "base64"],
        "space": len(content),
    }
    return fields | changed


@contextmanager
def some_endpoints(count: int) -> Iterator[Cluster]:
    with ExitStack() as stack:
        made = Cluster([stack.enter_context(rpc_server()) for _ in range(count)])
        yield made
        for chain in made.opened:
            chain.close()


def two_endpoints() -> AbstractContextManager[Cluster]:
    return some_endpoints(2)
