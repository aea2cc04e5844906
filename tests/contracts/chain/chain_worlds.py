"""Two worlds with one interface: the fake cluster, and a real virtual machine behind JSON-RPC.

The contract suite sets up everything through this interface, so that each test runs on both.
"""

from __future__ import annotations

import base64
import itertools
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

from solders.keypair import Keypair
from solders.pubkey import Pubkey
from solders.system_program import TransferParams, transfer
from spl.token.instructions import approve
from spl.token.models import ApproveParams

from deploy.local.chain import setup as chain_setup
from deploy.local.chain.client import ChainClient
from tests.fakes.chain.chain import FakeChain, wallet_named
from tests.fakes.chain.ledger import FakeLedger
from tests.fakes.chain.transactions import Account, TokenAccount, token_address
from worker.adapters.solana.addresses import associated_account
from worker.adapters.solana.chain import SolanaChain
from worker.ports.payout import Chain

TOKENS = 10**15
LAMPORTS = 10**13
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

    def finalize(self) -> None: ...

    def expire(self) -> None:
        """Let every present blockhash expire at a final block."""
        ...

    def open_block(self, height: int) -> None:
        """Let blocks pass until the open block has this height."""
        ...

    def finalize_block(self, height: int) -> None:
        """Let blocks pass until the finalized block has this height."""
        ...

    def fork(self) -> None:
        """Abandon every transaction that is not finalized."""
        ...

    def new_wallet(self, *, account: bool = True) -> str: ...

    def balance(self, wallet: str) -> int: ...

    def received(self, amount: int) -> int:
        """The amount that arrives from a payment of this amount."""
        ...

    def freeze(self, wallet: str) -> None: ...

    def give_away(self, wallet: str) -> None:
        """Make another wallet the owner of a wallet's associated account."""
        ...

    def require_memo(self, wallet: str) -> None: ...

    def refuse_plain_credits(self, wallet: str) -> None: ...

    def own_by_program(self, wallet: str) -> None: ...

    def give_lamports(self, address: str, lamports: int) -> None: ...

    def send_ahead(self, wallet: str, lamports: int) -> None:
        """Let a stranger send lamports to the address of a wallet's future token account."""
        ...

    def mention(self, receipt_id: str) -> None:
        """Let a stranger land a transaction that names a receipt."""
        ...


class FakeWorld:
    """The contract on `FakeChain`."""

    def __init__(self, *, fee_basis_points: int = 0) -> None:
        self.ledger = FakeLedger(transfer_fee_basis_points=fee_basis_points)
        self.ledger.slot_zero_at = datetime(2024, 12, 16, tzinfo=UTC)
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


class LocalWorld:
    """The contract on `SolanaChain` with the local chain, started with `--admin`."""

    def __init__(self, url: str, state: Path, kind: chain_setup.MintKind) -> None:
        self.url = url
        self.client = ChainClient(url)
        settings = chain_setup.prepare(state, url, kind=kind)
        self.key = chain_setup.load_or_create_key(Path(settings["SOLANA_PRIVATE_KEY_FILE"]))
        self._kind = kind
        self._mint = Pubkey.from_string(settings["TOKEN_MINT_ADDRESS"])
        self._stranger = Keypair()
        self.client.call("requestAirdrop", str(self._stranger.pubkey()), 10**10)
        self.client.call("local_pauseSlots")
        self.chain: SolanaChain = self._client(self.key, None)

    def _client(self, authority: Keypair, source: str | None) -> SolanaChain:
        return SolanaChain(
            [self.url], str(self._mint), authority, self.key, authority, source, timeout_seconds=10
        )

    def close(self) -> None:
        self.chain.close()
        self.client.__exit__(None, None, None)

    def operator(self) -> SolanaChain:
        return self._client(self.key, None)

    def delegate(self, allowance: int) -> SolanaChain:
        delegate = Keypair()
        source = self._token_account(str(self.key.pubkey()))
        self.client.call("requestAirdrop", str(delegate.pubkey()), LAMPORTS // 100)
        params = ApproveParams(
            program_id=self._kind.program,
            source=source,
            delegate=delegate.pubkey(),
            owner=self.key.pubkey(),
            amount=allowance,
        )
        chain_setup.send(self.client, [approve(params)], [self.key])
        self.finalize()
        return self._client(delegate, str(source))

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

    def new_wallet(self, *, account: bool = True) -> str:
        wallet = str(Keypair().pubkey())
        if account:
            signed = self.chain.sign_account_creations([wallet], self.chain.latest_blockhash())
            self.chain.send([(it.signature, it.wire) for it in signed])
            self.finalize()
        return wallet

    def balance(self, wallet: str) -> int:
        address = str(self._token_account(wallet))
        return int(self.client.value("getTokenAccountBalance", address)["amount"])

    def received(self, amount: int) -> int:
        fee = self._kind.transfer_fee
        return amount if fee is None else amount - -(-amount * fee.basis_points // 10_000)

    def freeze(self, wallet: str) -> None:
        self.client.call("local_freezeTokenAccount", str(self._token_account(wallet)))
        self.finalize()

    def give_away(self, wallet: str) -> None:
        data = self._data(wallet)
        self._write(wallet, data[:32] + bytes(Keypair().pubkey()) + data[64:])

    def require_memo(self, wallet: str) -> None:
        # The extension MemoTransfer: number 8, one byte long, enabled.
        self._write(wallet, self._data(wallet) + b"\x08\0\x01\0\x01")

    def refuse_plain_credits(self, wallet: str) -> None:
        # The extension ConfidentialTransferAccount: number 5, 295 bytes, all credits refused.
        self._write(wallet, self._data(wallet) + b"\x05\0\x27\x01" + bytes(295))

    def own_by_program(self, wallet: str) -> None:
        program = str(self._kind.program)
        fields = {"lamports": 10**9, "owner": program, "data": base64.b64encode(bytes(10)).decode()}
        self.client.call("local_setAccount", wallet, fields)
        self.finalize()

    def give_lamports(self, address: str, lamports: int) -> None:
        self.client.call("requestAirdrop", address, lamports)
        self.finalize()

    def send_ahead(self, wallet: str, lamports: int) -> None:
        self.client.call("requestAirdrop", str(self._token_account(wallet)), lamports)

    def mention(self, receipt_id: str) -> None:
        address = Pubkey.from_string(self.chain.receipt_address(receipt_id))
        payer = self._stranger.pubkey()
        # The rent minimum of an empty account. A smaller transfer would not land.
        params = TransferParams(from_pubkey=payer, to_pubkey=address, lamports=890_880)
        chain_setup.send(self.client, [transfer(params)], [self._stranger])
        self.finalize()

    def _token_account(self, wallet: str) -> Pubkey:
        return associated_account(wallet, self._mint, self._kind.program)

    def _data(self, wallet: str) -> bytes:
        options = {"encoding": "base64", "commitment": "processed"}
        account = self.client.value("getAccountInfo", str(self._token_account(wallet)), options)
        return base64.b64decode(account["data"][0])

    def _write(self, wallet: str, data: bytes) -> None:
        fields = {
            "lamports": 10**8,
            "owner": str(self._kind.program),
            "data": base64.b64encode(data).decode(),
        }
        self.client.call("local_setAccount", str(self._token_account(wallet)), fields)
        self.finalize()
