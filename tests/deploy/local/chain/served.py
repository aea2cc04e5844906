"""A local chain behind HTTP, with a client that was not made for it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from solana.rpc.async_api import AsyncClient
from solana.rpc.commitment import Processed
from solana.rpc.models import TxOpts
from solders.instruction import Instruction
from solders.keypair import Keypair
from solders.pubkey import Pubkey
from spl.token.instructions import (
    create_idempotent_associated_token_account,
    get_associated_token_address,
)

from deploy.local.chain.client import ChainClient
from deploy.local.chain.rpc.conditions import Conditions
from deploy.local.chain.rpc.node import Node
from deploy.local.chain.rpc.server import ChainServer
from deploy.local.chain.setup import (
    CLASSIC,
    create_mint,
    fund,
)
from tests.deploy.local.chain.payments import (
    NOW,
    SOL,
    TOKEN,
    Treasury,
    new_ledger,
    sign,
)

SEND = TxOpts(preflight_commitment=Processed)
SKIP = TxOpts(skip_preflight=True)
HEALTHY = Conditions()


@dataclass
class Chain:
    """A served chain with a client, and a treasury made by real transactions."""

    node: Node
    url: str
    client: AsyncClient
    payer: Treasury

    @property
    def owner(self) -> Pubkey:
        return self.payer.authority.pubkey()

    async def advance(self, slots: int) -> None:
        for _ in range(slots):
            self.node.ledger.open_slot(NOW)

    async def sign(self, instructions: list[Instruction], version: int | str = 1) -> Any:
        latest = (await self.client.get_latest_blockhash(Processed)).value.blockhash
        return sign(instructions, [self.payer.authority], latest, version=version)

    async def recipients(self, count: int) -> list[Pubkey]:
        """Create the associated accounts of new wallets, twelve to a transaction."""
        wallets = [Keypair().pubkey() for _ in range(count)]
        for start in range(0, count, 12):
            create = [
                create_idempotent_associated_token_account(self.owner, wallet, self.payer.mint)
                for wallet in wallets[start : start + 12]
            ]
            await self.client.send_transaction(await self.sign(create), SEND)
        return [get_associated_token_address(wallet, self.payer.mint) for wallet in wallets]

    async def rent(self, space: int) -> int:
        return (await self.client.get_minimum_balance_for_rent_exemption(space)).value


def run(test: Callable[[Chain], Awaitable[None]], **options: Any) -> None:
    """Run a test against a served chain whose slots it moves itself."""

    async def main() -> None:
        async with served(**options) as chain:
            await test(chain)

    asyncio.run(main())


@asynccontextmanager
async def served(
    *,
    rules: dict[str, object] | None = None,
    conditions: Conditions = HEALTHY,
    **options: Any,
) -> AsyncIterator[Chain]:
    node = Node(new_ledger(**(rules or {})), lambda: NOW, admin=True)
    node.set_conditions("/", conditions)
    server = ChainServer(node, **options)
    url = server.start("127.0.0.1", 0)
    payer = await asyncio.to_thread(_make_treasury, url)
    try:
        async with AsyncClient(url) as client:
            yield Chain(node, url, client, payer)
    finally:
        await server.stop()


def _make_treasury(url: str) -> Treasury:
    authority, mint = Keypair(), Keypair()
    with ChainClient(url) as client:
        fund(client, authority.pubkey(), 100 * SOL)
        source = create_mint(client, authority, mint, CLASSIC, 10**6 * TOKEN)
        client.call("local_advanceSlots", 10)
    return Treasury(authority, mint.pubkey(), source)
