"""`FakeReader`: the in-memory twin of `ChainReader`, over a `FakeLedger`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime

from tests.fakes.chain.blocks import STATUS_CACHE_SLOTS
from tests.fakes.chain.faults import FakeEndpoint, observed
from tests.fakes.chain.ledger import FakeLedger
from tests.fakes.chain.transactions import (
    SYSTEM,
    Landed,
    receipt_address,
)
from worker.adapters.solana.errors import BlockTimeUnknown
from worker.core.errors import Unreachable
from worker.core.money import BaseUnits, Lamports
from worker.core.payout.chain import (
    Blockhash,
    Execution,
    Height,
    Landing,
    Searched,
    SignatureStatus,
    Transfer,
)
from worker.core.plan.receipts import ReceiptState, Resolution, receipt_seed, state_of


class FakeReader:
    """Reads the receipts of one key. `before` and `after` inject faults."""

    def __init__(
        self, ledger: FakeLedger, receipt_key: str, endpoints: Sequence[FakeEndpoint] | None = None
    ) -> None:
        self.ledger = ledger
        self.receipt_key = receipt_key
        self.endpoints = list(endpoints) if endpoints else [FakeEndpoint()]
        self.has_history = True
        self.knows_block_times = True
        self.mentions_a_search = 2_000
        self.history_lag_slots = 0
        """How far the nodes that return transactions are behind those that return accounts."""
        self.has_block_times = True
        self.before: Callable[[str], None] = lambda method: None
        self.after: Callable[[str], None] = lambda method: None

    def receipt_address(self, receipt_id: str) -> str:
        return receipt_address(self.receipt_key, receipt_seed(receipt_id))

    @property
    def mint(self) -> str:
        return self.ledger.mint

    @observed
    def cluster_genesis(self) -> str:
        self._any_endpoint()
        return self.ledger.cluster_genesis

    @observed
    def finalized_height(self) -> Height:
        self._any_endpoint()
        lags = [endpoint.lag_slots for endpoint in self.endpoints if not endpoint.down]
        block = self.ledger.block(self.ledger.finalized_lag_slots + max(lags))
        return Height(block.height, block.slot)

    @observed
    def finalized_time(self) -> datetime:
        lags = sorted(endpoint.lag_slots for endpoint in self.endpoints if not endpoint.down)
        hosts = [f"endpoint {i}" for i, each in enumerate(self.endpoints, 1) if each.down]
        if len(lags) <= len(self.endpoints) // 2:
            raise BlockTimeUnknown(hosts)
        lag = self.ledger.finalized_lag_slots + lags[len(lags) // 2]
        time = self.ledger.time_of(self.ledger.block(lag).slot)
        if time is None or not self.knows_block_times:
            raise BlockTimeUnknown(["every endpoint"])
        return time

    @observed
    def latest_blockhash(self) -> Blockhash:
        endpoint = self._any_endpoint()
        block = self.ledger.block(self.ledger.confirmed_lag_slots + endpoint.lag_slots)
        return Blockhash(block.blockhash, block.height + 150)

    @observed
    def receipts(self, ids: Sequence[str], *, not_before_slot: int = 0) -> dict[str, ReceiptState]:
        return {
            receipt_id: self._receipt(self.receipt_address(receipt_id), not_before_slot)
            for receipt_id in ids
        }

    @observed
    def executions(self, ids: Sequence[str]) -> dict[str, Execution]:
        self._any_endpoint()
        found = (
            (receipt_id, self.ledger.allocated_by.get(self.receipt_address(receipt_id)))
            for receipt_id in ids
        )
        return self._executions({receipt_id: by for receipt_id, by in found if by})

    @observed
    def executions_of(self, signatures: Mapping[str, str]) -> dict[str, Execution]:
        self._any_endpoint()
        return self._executions(signatures)

    @observed
    def search_execution(self, receipt_id: str, place: str | None) -> Searched:
        self._any_endpoint()
        address, finalized = self.receipt_address(receipt_id), self._finalized_slot()
        mentions = [
            landed.signature
            for landed in self.ledger.landed.values()
            if landed.slot <= finalized and _mentions(landed, address)
        ]
        newest_first = mentions[::-1] if self.has_history else []
        first = newest_first.index(place) + 1 if place in newest_first else 0
        page = newest_first[first : first + self.mentions_a_search]
        by = self.ledger.allocated_by.get(address)
        found = self._executions({receipt_id: by} if by in page else {})
        is_last = first + self.mentions_a_search >= len(newest_first)
        execution = found.get(receipt_id)
        return Searched(execution, None if execution or is_last else page[-1])

    def _finalized_slot(self) -> int:
        return self.ledger.block(self.ledger.finalized_lag_slots).slot

    @observed
    def statuses(self, signatures: Sequence[str]) -> list[SignatureStatus]:
        self._any_endpoint()
        return [self._status(signature) for signature in signatures]

    def _any_endpoint(self) -> FakeEndpoint:
        for endpoint in self.endpoints:
            if not endpoint.down:
                return endpoint
        raise Unreachable("no endpoint answers")

    def _confirmed_slot(self) -> int:
        endpoint = self._any_endpoint()
        return self.ledger.block(self.ledger.confirmed_lag_slots + endpoint.lag_slots).slot

    def _receipt(self, address: str, not_before_slot: int) -> ReceiptState:
        states = set()
        for endpoint in self.endpoints:
            slot = self.ledger.block(self.ledger.finalized_lag_slots + endpoint.lag_slots).slot
            if endpoint.down or slot < not_before_slot:
                return ReceiptState.UNKNOWN
            account = self.ledger.account(address, slot)
            foreign = account is not None and account.owner != SYSTEM
            states.add(
                ReceiptState.UNKNOWN if foreign else state_of(account.space if account else None)
            )
        return states.pop() if len(states) == 1 else ReceiptState.UNKNOWN

    def _executions(self, signatures: Mapping[str, str]) -> dict[str, Execution]:
        lag = self.ledger.finalized_lag_slots + self.history_lag_slots
        finalized, found = self.ledger.block(lag).slot, {}
        for receipt_id, signature in signatures.items():
            landed = self.ledger.landed.get(signature)
            pair = (receipt_id, self.receipt_address(receipt_id))
            if landed is None or landed.error is not None or landed.slot > finalized:
                continue
            if self.has_history and pair in landed.request.allocations:
                found[receipt_id] = self._execution(receipt_id, landed)
        return found

    def _execution(self, receipt_id: str, landed: Landed) -> Execution:
        request = landed.request
        return Execution(
            receipt=receipt_id,
            resolution=Resolution(request.space),
            signature=landed.signature,
            slot=landed.slot,
            fee=Lamports(landed.fee),
            memo=request.memo,
            transfers=tuple(
                Transfer(wallet, BaseUnits(amount)) for wallet, amount in request.transfers
            ),
            source=request.source if request.transfers else "",
            source_decrease=BaseUnits(landed.source_decrease),
            landed_at=self.ledger.time_of(landed.slot) if self.has_block_times else None,
        )

    def _status(self, signature: str) -> SignatureStatus:
        landed = self.ledger.landed.get(signature)
        if landed is None or landed.slot < self.ledger.slot - STATUS_CACHE_SLOTS:
            return SignatureStatus(Landing.UNSEEN)
        if landed.slot > self._finalized_slot():
            return SignatureStatus(Landing.PENDING)
        if landed.error is not None:
            return SignatureStatus(Landing.FAILED, landed.error)
        return SignatureStatus(Landing.FINALIZED)


def _mentions(landed: Landed, address: str) -> bool:
    request = landed.request
    return address in request.mentions or any(each == address for _, each in request.allocations)
