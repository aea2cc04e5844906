"""The cluster behind `FakeChain`, in memory and shared by any number of clients.

Deterministic: no clock, no randomness, integer slots.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from tests.fakes.chain.accounts import FakeAccounts
from tests.fakes.chain.transactions import (
    FEE_PER_SIGNATURE,
    Account,
    Draft,
    Landed,
    ProgramError,
    Request,
    signature_of,
)


class FakeLedger(FakeAccounts):
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
        super().__init__(
            confirmed_lag_slots=confirmed_lag_slots, finalized_lag_slots=finalized_lag_slots
        )
        self.mint = mint
        self.cluster_genesis = cluster_genesis
        self.mint_problem: str | None = None
        self.transfer_fee_basis_points = transfer_fee_basis_points
        self.holds_sends = False
        """Keep sent transactions in flight until `deliver`, instead of executing them at once."""
        self.in_flight: dict[str, bytes] = {}
        self.landed: dict[str, Landed] = {}
        self.allocated_by: dict[str, str] = {}
        """Receipt address -> signature of the transaction that allocated it."""
        self._wires: dict[str, bytes] = {}

    def fork(self, depth: int) -> list[bytes]:
        """Abandon the last `depth` blocks, and return the transactions in them.

        A dropped transaction can land again if the block of its blockhash remains.
        """
        base_slot = self.abandon(depth)
        dropped = [landed for landed in self.landed.values() if landed.slot > base_slot]
        for landed in dropped:
            del self.landed[landed.signature]
            for _, address in landed.request.allocations:
                if self.allocated_by.get(address) == landed.signature:
                    del self.allocated_by[address]
        return [self._wires[it.signature] for it in dropped if it.signature in self._wires]

    def payments(self, *, finalized_only: bool = False) -> list[Landed]:
        """Every successful transaction that moved tokens, in the order of execution."""
        until = self.block(self.finalized_lag_slots).slot if finalized_only else self.slot
        return [
            landed
            for landed in self.landed.values()
            if landed.error is None and landed.request.transfers and landed.slot <= until
        ]

    def stranger_mentions(self, address: str) -> str:
        """Land a stranger's transaction that names an address; return its signature."""
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
        """Execute these transactions in flight in order. Default: all of them."""
        for signature in list(self.in_flight) if signatures is None else list(signatures):
            self.execute(signature, self.in_flight.pop(signature))

    def lose(self, signature: str) -> None:
        """Drop a transaction in flight. It can be sent again."""
        del self.in_flight[signature]

    def execute(self, signature: str, wire: bytes) -> None:
        """Land a transaction in the open block, if a leader would accept it."""
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
        created = draft.created if error is None else 0
        self.landed[signature] = Landed(signature, self.slot, request, error, fee, moved, created)
