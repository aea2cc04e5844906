"""Worlds with one interface: the fake cluster, the local chain, and any other cluster.

The contract suite sets up everything through this interface, so that each test runs on both.
"""

from __future__ import annotations

import base64
import itertools
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

from deploy.local.chain import setup as chain_setup
from tests.cluster.cluster import Cluster
from tests.contracts.chain.cluster_world import LAMPORTS, ClusterWorld
from tests.fakes.chain.chain import FakeChain, wallet_named
from tests.fakes.chain.ledger import FakeLedger
from tests.fakes.chain.transactions import Account, TokenAccount, token_address
from worker.ports.payout import Chain

TOKENS = 10**15
SYSTEM_PROGRAM = "11111111111111111111111111111111"
FEE_BASIS_POINTS = 200


class ChainWorld(Protocol):
    """A cluster, our keys, and the actions of others."""

    @property
    def chain(self) -> Chain: ...

    def operator(self) -> Chain:
        """A client on a second machine with the same keys."""
        ...

    def delegate(self, allowance: int) -> Chain:
        """A client with another authority, an allowance on our tokens, and the same receipt key."""
        ...

    def arrive(self, signature: str) -> None:
        """Wait until a sent transaction landed."""
        ...

    def finalize(self) -> None: ...

    def expire(self) -> None:
        """Let every present blockhash expire at a final block."""
        ...

    def new_wallet(self, *, account: bool = True) -> str: ...

    def new_wallets(self, count: int, *, account: bool = True) -> list[str]:
        """Several wallets at once, which saves waiting for the cluster."""
        ...

    def balance(self, wallet: str) -> int: ...

    def received(self, amount: int) -> int:
        """The amount that arrives from a payment of this amount."""
        ...

    def freeze(self, wallet: str) -> None: ...

    def give_away(self, wallet: str) -> None:
        """Make another wallet the owner of a wallet's associated account."""
        ...

    def require_memo(self, wallet: str) -> None: ...

    def own_by_program(self, wallet: str) -> None: ...

    def give_lamports(self, address: str, lamports: int) -> None: ...

    def send_ahead(self, wallet: str, lamports: int) -> None:
        """Let a stranger send lamports to the address of a wallet's future token account."""
        ...

    def mention(self, receipt_id: str) -> None:
        """Let a stranger land a transaction that names a receipt."""
        ...


class AdminWorld(ChainWorld, Protocol):
    """A cluster that a test can change without a transaction."""

    def refuse_plain_credits(self, wallet: str) -> None:
        """Let the wallet's token account accept confidential transfers only."""

    def open_block(self, height: int) -> None:
        """Let blocks pass until the open block has this height."""
        ...

    def finalize_block(self, height: int) -> None:
        """Let blocks pass until the finalized block has this height."""
        ...

    def fork(self) -> None:
        """Abandon every transaction that is not finalized."""
        ...


class FakeWorld:
    """The contract on `FakeChain`."""

    def __init__(self, *, fee_basis_points: int = 0) -> None:
        self.ledger = FakeLedger(transfer_fee_basis_points=fee_basis_points)
        self.ledger.set_time(datetime(2024, 12, 16, tzinfo=UTC))
        self.chain: FakeChain = FakeChain(self.ledger)
        self.chain.fund(tokens=TOKENS, lamports=LAMPORTS)
        self._names = itertools.count()
        self.ledger.finalize()

    def operator(self) -> FakeChain:
        return FakeChain(self.ledger)

    def delegate(self, allowance: int) -> FakeChain:
        source = self.chain.source
        self.ledger.change_token_account(source, delegate="delegate", allowance=allowance)
        self.ledger.give_lamports("delegate", LAMPORTS)
        self.ledger.finalize()
        receipt_key = self.chain.receipt_key
        return FakeChain(self.ledger, authority="delegate", receipt_key=receipt_key, source=source)

    def arrive(self, signature: str) -> None:
        """A sent transaction landed at once."""

    def finalize(self) -> None:
        self.ledger.finalize()

    def expire(self) -> None:
        self.ledger.expire()

    def open_block(self, height: int) -> None:
        self.ledger.advance(height - self.ledger.block(0).height)

    def finalize_block(self, height: int) -> None:
        finalized = self.ledger.block(self.ledger.finalized_lag_slots)
        self.ledger.advance(height - finalized.height)

    def fork(self) -> None:
        self.ledger.fork(self.ledger.finalized_lag_slots)

    def new_wallet(self, *, account: bool = True) -> str:
        wallet = wallet_named(f"contract {next(self._names)}")
        if account:
            self.ledger.put_token_account(token_address(wallet), TokenAccount(wallet))
            self.ledger.finalize()
        return wallet

    def new_wallets(self, count: int, *, account: bool = True) -> list[str]:
        return [self.new_wallet(account=account) for _ in range(count)]

    def balance(self, wallet: str) -> int:
        return self.ledger.balance(wallet)

    def received(self, amount: int) -> int:
        return amount - -(-amount * self.ledger.transfer_fee_basis_points // 10_000)

    def freeze(self, wallet: str) -> None:
        self._change(wallet, frozen=True)

    def give_away(self, wallet: str) -> None:
        self._change(wallet, owner=wallet_named("somebody else"))

    def require_memo(self, wallet: str) -> None:
        self._change(wallet, memo_required=True)

    def refuse_plain_credits(self, wallet: str) -> None:
        self._change(wallet, confidential_only=True)

    def own_by_program(self, wallet: str) -> None:
        self.ledger.put_account(wallet, Account(10**9, 0, "some program"))
        self.ledger.finalize()

    def give_lamports(self, address: str, lamports: int) -> None:
        self.ledger.give_lamports(address, lamports)
        self.ledger.finalize()

    def send_ahead(self, wallet: str, lamports: int) -> None:
        self.ledger.give_lamports(token_address(wallet), lamports)

    def mention(self, receipt_id: str) -> None:
        self.ledger.stranger_mentions(self.chain.receipt_address(receipt_id))
        self.ledger.finalize()

    def _change(self, wallet: str, **changes: object) -> None:
        self.ledger.change_token_account(token_address(wallet), **changes)
        self.ledger.finalize()


class LocalWorld(ClusterWorld):
    """The contract on `SolanaChain` with the local chain, started with `--admin`.

    Its time stands still, so that a test decides when something becomes final.
    """

    def __init__(self, url: str, state: Path, kind: chain_setup.MintKind) -> None:
        super().__init__(Cluster(url), state, kind)
        self.client.call("local_pauseSlots")

    def finalize(self) -> None:
        self.client.call("local_advanceSlots", 33)

    def expire(self) -> None:
        self.client.call("local_advanceSlots", 151 + 33)

    def open_block(self, height: int) -> None:
        self._reach(height, "processed")

    def finalize_block(self, height: int) -> None:
        self._reach(height, "finalized")

    def _reach(self, height: int, commitment: str) -> None:
        now = self.client.call("getBlockHeight", {"commitment": commitment})
        self.client.call("local_advanceSlots", height - now)

    def fork(self) -> None:
        self.client.call("local_dropUnfinalized")

    def refuse_plain_credits(self, wallet: str) -> None:
        address = str(self.token_account(wallet))
        options = {"encoding": "base64", "commitment": "processed"}
        account = self.client.value("getAccountInfo", address, options)
        data = base64.b64decode(account["data"][0])
        # The extension ConfidentialTransferAccount: number 5, 295 bytes, all credits refused.
        changed = base64.b64encode(data + b"\x05\0\x27\x01" + bytes(295)).decode()
        fields = {"lamports": 10**8, "owner": str(self.kind.program), "data": changed}
        self.client.call("local_setAccount", address, fields)
        self.finalize()
