"""The ledger of the local chain: a validator without its network.

It executes transactions in order of arrival, in the open block, and answers for any commitment.
Time is an argument, and the same seed gives the same blockhashes.
"""

from __future__ import annotations

import hashlib
import zlib
from array import array
from collections.abc import Sequence
from dataclasses import dataclass, field

from solders.account import Account
from solders.keypair import Keypair
from solders.message import MessageV1
from solders.pubkey import Pubkey
from solders.system_program import ID as SYSTEM_PROGRAM
from solders.transaction import VersionedTransaction

from deploy.local.chain.accounts import AccountStore
from deploy.local.chain.blocks import Block, BlockQueue, Commitment, Lag, genesis_hash
from deploy.local.chain.budget import BudgetRefusedError
from deploy.local.chain.execution import (
    Execution,
    Executor,
    Loaded,
    refused,
)
from deploy.local.chain.history import History, Landed
from deploy.local.chain.preinstalled import LAMPORTS_PER_BYTE
from deploy.local.chain.tokens import TokenBook, mint_data, mint_decimals

Accounts = Sequence[Account | None]

SLOTS_PER_EPOCH = 432_000
FAUCET_LAMPORTS = 500_000_000 * 10**9
"""Half a billion SOL: more than any test spends, and far below the maximum of a u64."""


@dataclass(frozen=True, slots=True)
class ChainRules:
    """The fixed settings of a chain.

    The first slot and height differ and are above 0, so that a mix-up shows at once.
    """

    lag: Lag = field(default_factory=Lag)
    first_slot: int = 1_000
    first_height: int = 900
    skip_every_slots: int = 0
    v1: bool = True
    lamports_per_byte: int = LAMPORTS_PER_BYTE


@dataclass(frozen=True, slots=True)
class Dropped:
    """A transaction that the leader dropped without a trace; `error` is JSON, as in `Landed`."""

    error: str


class Ledger:
    """One chain: its blocks, accounts and transactions."""

    def __init__(
        self,
        rules: ChainRules,
        *,
        seed: bytes,
        unix_seconds: int,
        clock_offset_seconds: int = 0,
        blocks: list[Block] | None = None,
    ) -> None:
        """Begin a chain, or continue after `blocks`. The caller restores the rest."""
        self.rules = rules
        self.seed = seed
        self.clock_offset_seconds = clock_offset_seconds
        first = BlockQueue.first_block(
            seed=seed,
            slot=rules.first_slot,
            height=rules.first_height,
            unix_seconds=unix_seconds + clock_offset_seconds,
        )
        self.blocks = BlockQueue(seed=seed, lag=rules.lag, blocks=blocks or [first])
        self.executor = Executor(
            v1_active_since_slot=rules.first_slot if rules.v1 else None,
            lamports_per_byte=rules.lamports_per_byte,
        )
        finalized = self.blocks.at(Commitment.FINALIZED)
        self.accounts = AccountStore(self.executor.svm, settled_slot=finalized.slot)
        self.tokens = TokenBook(self._decimals_of)
        self.history = History()
        self.genesis_hash = genesis_hash(seed)
        self.faucet = Keypair.from_seed(hashlib.sha256(b"kontrib/local/faucet" + seed).digest())
        self.identity = Keypair.from_seed(hashlib.sha256(b"kontrib/local/node" + seed).digest())
        faucet_account = Account(FAUCET_LAMPORTS, b"", SYSTEM_PROGRAM)
        self.accounts.restore(self.faucet.pubkey(), faucet_account)
        if blocks is None:
            # The first block counts as settled, so transactions start in the second.
            self.open_slot(unix_seconds)
        self._tell_time()

    def open_slot(self, unix_seconds: int) -> Block:
        """Close the open block and begin the next; `unix_seconds` is the time without offset."""
        slot = self.blocks.tip.slot + 1
        if self.rules.skip_every_slots and slot % self.rules.skip_every_slots == 0:
            slot += 1
        block = self.blocks.open(
            slot=slot,
            unix_seconds=unix_seconds + self.clock_offset_seconds,
            in_use=self.history.slots,
        )
        self.accounts.settle(self.blocks.at(Commitment.FINALIZED).slot)
        self._tell_time()
        return block

    def submit(self, raw: bytes, transaction: VersionedTransaction) -> Landed | Dropped:
        """Execute a transaction in the open block or drop it, like a leader."""
        if not self.supports(transaction):
            return Dropped('"UnsupportedVersion"')
        if not all(transaction.verify_with_results()):
            return Dropped('"SignatureFailure"')
        if self._has_landed(transaction, self.blocks.tip):
            return Dropped('"AlreadyProcessed"')
        if not self.blocks.executes(transaction.message.recent_blockhash):
            return Dropped('"BlockhashNotFound"')
        try:
            loaded = self.executor.load(transaction)
        except BudgetRefusedError as refusal:
            return Dropped(f'"{refusal.error}"')
        execution = self.executor.execute(loaded)
        if not execution.landed:
            return Dropped(execution.error or '"SanitizeFailure"')
        return self._record(raw, loaded, execution)

    def simulate(
        self, transaction: VersionedTransaction, bank: Block, *, any_blockhash: bool = False
    ) -> Execution:
        """Execute on the accounts of `bank` without a trace."""
        if not self.supports(transaction):
            return refused("UnsupportedVersion")
        if not any_blockhash and self._has_landed(transaction, bank):
            return refused("AlreadyProcessed")
        if not any_blockhash and not self.blocks.knows(transaction.message.recent_blockhash, bank):
            return refused("BlockhashNotFound")
        try:
            loaded = self.executor.load(transaction)
        except BudgetRefusedError as refusal:
            return refused(refusal.error)
        if bank.slot == self.blocks.tip.slot:
            return self.executor.simulate(loaded)
        with self.accounts.as_of(bank.slot, loaded.addresses):
            return self.executor.simulate(self.executor.load(transaction))

    def supports(self, transaction: VersionedTransaction) -> bool:
        """Return True if this chain takes transactions of this version."""
        return self.rules.v1 or not isinstance(transaction.message, MessageV1)

    def drop_after(self, commitment: Commitment, unix_seconds: int) -> int:
        """Abandon everything newer than a commitment, as a fork does; return the transactions.

        Accounts go back, signatures are unknown again, and blockhashes of the abandoned blocks
        are refused.
        """
        kept = self.blocks.at(commitment)
        dropped = self.history.drop_after(kept.slot)
        self.accounts.roll_back(kept.slot)
        self.blocks.drop_after(kept, unix_seconds=unix_seconds + self.clock_offset_seconds)
        self._tell_time()
        return dropped

    def _has_landed(self, transaction: VersionedTransaction, bank: Block) -> bool:
        landed = self.history.find(transaction.signatures[0])
        return landed is not None and landed.slot <= bank.slot

    def put_account(self, address: Pubkey, account: Account | None) -> None:
        """Set an account in the open block, without a transaction."""
        self.accounts.write(self.blocks.tip.slot, address, account)

    def _record(self, raw: bytes, loaded: Loaded, execution: Execution) -> Landed:
        after = list(loaded.accounts)
        block = self.blocks.tip
        for index in loaded.writable():
            address = loaded.addresses[index]
            after[index] = self.accounts.now(address)
            self.accounts.remember(block.slot, address, loaded.accounts[index])
        landed = _landed(block, raw, loaded, execution, self._balances(loaded.accounts, after))
        self.history.add(landed, loaded.addresses)
        return landed

    def _balances(self, before: Accounts, after: Accounts) -> tuple[bytes, bytes]:
        """Lamports and token balances of a transaction's accounts, before and after it."""
        lamports = [0 if account is None else account.lamports for account in (*before, *after)]
        rows = zip(range(len(before)), before, after, strict=True)
        return array("Q", lamports).tobytes(), self.tokens.pack(rows)

    def _decimals_of(self, mint: Pubkey) -> int:
        data = mint_data(self.accounts.now(mint))
        return 0 if data is None else mint_decimals(data)

    def _tell_time(self) -> None:
        tip = self.blocks.tip
        epoch = tip.slot // SLOTS_PER_EPOCH
        self.executor.set_clock(slot=tip.slot, epoch=epoch, unix_seconds=tip.unix_seconds)


def _landed(
    block: Block, raw: bytes, loaded: Loaded, execution: Execution, balances: tuple[bytes, bytes]
) -> Landed:
    lamports, tokens = balances
    return Landed(
        signature=loaded.transaction.signatures[0],
        slot=block.slot,
        unix_seconds=block.unix_seconds,
        raw=raw,
        error=execution.error,
        fee_lamports=execution.fee_lamports,
        micro_lamports_per_compute_unit=loaded.budget.micro_lamports_per_compute_unit,
        lookups=b"".join(bytes(address) for address in loaded.lookups),
        lamports=lamports,
        tokens=tokens,
        outcome=zlib.compress(bytes(execution.metadata), 1),
    )
