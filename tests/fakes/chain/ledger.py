"""The world behind `FakeChain`: one cluster in memory, shared by any number of clients.

Deterministic: no clock, no randomness, integer slots.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import NamedTuple

from tests.fakes.chain.transactions import (
    FEE_PER_SIGNATURE,
    Account,
    Draft,
    Landed,
    ProgramError,
    Request,
    TokenAccount,
    signature_of,
    token_address,
)
from tests.fakes.chain.versions import Versions

BLOCKHASH_AGE_MAX = 150
STATUS_CACHE_SLOTS = 150
KEPT_BLOCKS = 600
SLOT_SECONDS = 0.4


class Block(NamedTuple):
    slot: int
    height: int
    blockhash: str


class FakeLedger:
    """Blocks, accounts and transactions of one cluster."""

    def __init__(
        self,
        *,
        mint: str = "FakeMint",
        cluster_genesis: str = "FakeGenesis",
        confirmed_lag_slots: int = 1,
        finalized_lag_slots: int = 32,
        transfer_fee_basis_points: int = 0,
    ) -> None:
        self.mint = mint
        self.cluster_genesis = cluster_genesis
        self.mint_problem: str | None = None
        self.transfer_fee_basis_points = transfer_fee_basis_points
        self.confirmed_lag_slots = confirmed_lag_slots
        self.finalized_lag_slots = finalized_lag_slots
        self.holds_sends = False
        """Keep sent transactions in flight until `deliver`, instead of executing them at once."""
        self.slot_zero_at: datetime | None = None
        self.in_flight: dict[str, bytes] = {}
        self.landed: dict[str, Landed] = {}
        self.allocated_by: dict[str, str] = {}
        """Receipt address -> signature of the transaction that allocated it."""
        self._accounts: Versions[Account] = Versions()
        self._tokens: Versions[TokenAccount] = Versions()
        self._wires: dict[str, bytes] = {}
        self._forks = 0
        self._blocks: deque[Block] = deque(maxlen=KEPT_BLOCKS)
        self._open(1_000, 1_000)
        self.advance(finalized_lag_slots + 1)

    # --- time ------------------------------------------------------------------------------

    @property
    def slot(self) -> int:
        return self._blocks[-1].slot

    def time_of(self, slot: int) -> datetime | None:
        """Whole seconds, as clusters say it; None before there is a clock."""
        if self.slot_zero_at is None:
            return None
        return (self.slot_zero_at + timedelta(seconds=slot * SLOT_SECONDS)).replace(microsecond=0)

    def advance(self, slots: int = 1, *, skipped: int = 0) -> None:
        """Let `slots` slots pass; the first `skipped` of them make no block."""
        slot, height = self.slot + skipped, self._blocks[-1].height
        blocks = slots - skipped
        jumped = max(0, blocks - KEPT_BLOCKS)
        for number in range(jumped + 1, blocks + 1):
            self._open(slot + number, height + number)

    def finalize(self) -> None:
        """Let just as much time pass as finalizes everything that landed so far."""
        self.advance(self.finalized_lag_slots)

    def expire(self, blockhash_count: int = BLOCKHASH_AGE_MAX) -> None:
        """Let so much time pass that no blockhash of now is good, and that this is final."""
        self.advance(blockhash_count + 1 + self.finalized_lag_slots)

    def fork(self, depth: int) -> list[bytes]:
        """Abandon the last `depth` blocks and what landed in them; return those wires.

        Slots never go back, block heights do. A dropped transaction may land again, as long as
        its blockhash is from a block that remains.
        """
        if not 0 < depth <= self.blocks_not_final:
            raise ValueError(f"depth {depth} would undo finalized blocks")
        last_slot = self.slot
        for _ in range(depth):
            self._blocks.pop()
        base = self._blocks[-1]
        self._accounts.drop_after(base.slot)
        self._tokens.drop_after(base.slot)
        dropped = [landed for landed in self.landed.values() if landed.slot > base.slot]
        for landed in dropped:
            del self.landed[landed.signature]
            for _, address in landed.request.allocations:
                if self.allocated_by.get(address) == landed.signature:
                    del self.allocated_by[address]
        self._forks += 1
        self._open(last_slot + 1, base.height + 1)
        return [self._wires[it.signature] for it in dropped if it.signature in self._wires]

    @property
    def blocks_not_final(self) -> int:
        """How many blocks a fork can abandon: after one, fewer than before."""
        final = self.block(self.finalized_lag_slots).slot
        return sum(block.slot > final for block in self._blocks)

    def block(self, lag_slots: int) -> Block:
        """The newest block that is at least so many slots behind the open one."""
        newest = self.slot - lag_slots
        old_enough = (block for block in reversed(self._blocks) if block.slot <= newest)
        return next(old_enough, self._blocks[0])

    def _open(self, slot: int, height: int) -> None:
        self._blocks.append(Block(slot, height, f"block/{self._forks}/{slot}"))

    # --- reading ---------------------------------------------------------------------------

    def account(self, address: str, slot: int | None = None) -> Account | None:
        """An account as it is now, or as it was at the end of a recent slot."""
        return self._accounts.now(address) if slot is None else self._accounts.at(address, slot)

    def token_account(self, address: str, slot: int | None = None) -> TokenAccount | None:
        return self._tokens.now(address) if slot is None else self._tokens.at(address, slot)

    def balance(self, wallet: str) -> int:
        """Base units in a wallet's associated token account."""
        account = self.token_account(token_address(wallet))
        return 0 if account is None else account.amount

    def total_tokens(self) -> int:
        """Base units in all token accounts; what a transfer fee withheld is not in them."""
        return sum(account.amount for account in self._tokens.values())

    def payments(self, *, finalized_only: bool = False) -> list[Landed]:
        """Every successful transaction that moved tokens, in the order of execution."""
        until = self.block(self.finalized_lag_slots).slot if finalized_only else self.slot
        return [
            landed
            for landed in self.landed.values()
            if landed.error is None and landed.request.transfers and landed.slot <= until
        ]

    # --- arranging -------------------------------------------------------------------------

    def put_account(self, address: str, account: Account) -> None:
        self._accounts.put(address, self.slot, account)

    def put_token_account(self, address: str, account: TokenAccount | None) -> None:
        self._tokens.put(address, self.slot, account)

    def change_token_account(self, address: str, **changes: object) -> None:
        """Change fields of a token account that exists, as its owner or the issuer may."""
        account = self.token_account(address)
        if account is None:
            raise LookupError(f"no token account {address}")
        self.put_token_account(address, replace(account, **changes))  # type: ignore[arg-type]

    def give_lamports(self, address: str, lamports: int) -> None:
        """Credit an account, as anyone may."""
        account = self.account(address) or Account()
        self.put_account(address, replace(account, lamports=account.lamports + lamports))

    def stranger_mentions(self, address: str) -> str:
        """Land a successful transaction of a stranger that names an address; its signature."""
        request = Request(self.block(0).blockhash, "stranger", ("stranger",), mentions=(address,))
        signature = signature_of(request.wire() + str(len(self.landed)).encode())
        self.landed[signature] = Landed(signature, self.slot, request, None, FEE_PER_SIGNATURE)
        return signature

    # --- executing -------------------------------------------------------------------------

    def submit(self, signature: str, wire: bytes) -> None:
        """Take a transaction from a client."""
        self._wires[signature] = wire
        if self.holds_sends:
            self.in_flight[signature] = wire
        else:
            self.execute(signature, wire)

    def deliver(self, signatures: Iterable[str] | None = None) -> None:
        """Execute transactions in flight, in the given order; all of them by default."""
        for signature in list(self.in_flight) if signatures is None else list(signatures):
            self.execute(signature, self.in_flight.pop(signature))

    def lose(self, signature: str) -> None:
        """Drop a transaction that is in flight; it may still be sent again."""
        del self.in_flight[signature]

    def execute(self, signature: str, wire: bytes) -> None:
        """Land a transaction in the open block, if a leader would."""
        request = Request.read(wire)
        fee = FEE_PER_SIGNATURE * len(set(request.signers))
        payer = self.account(request.fee_payer) or Account()
        if signature in self.landed or payer.lamports < fee or not self.accepts(request.blockhash):
            return
        self.put_account(request.fee_payer, replace(payer, lamports=payer.lamports - fee))
        draft = Draft(self._accounts, self._tokens, self.transfer_fee_basis_points)
        error = None
        try:
            draft.apply(request)
        except ProgramError as refusal:
            error = str(refusal)
        else:
            draft.commit(self.slot)
            self.allocated_by.update({address: signature for _, address in request.allocations})
        moved = sum(amount for _, amount in request.transfers) if error is None else 0
        self.landed[signature] = Landed(signature, self.slot, request, error, fee, moved)

    def accepts(self, blockhash: str) -> bool:
        """Whether the open block executes transactions with this blockhash."""
        oldest = self._blocks[-1].height - BLOCKHASH_AGE_MAX
        return any(block.blockhash == blockhash for block in self._blocks if block.height >= oldest)
