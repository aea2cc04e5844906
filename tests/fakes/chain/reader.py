"""`FakeReader`: the in-memory twin of `ChainReader`, over a `FakeLedger`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime

from tests.fakes.chain.blocks import STATUS_CACHE_SLOTS
from tests.fakes.chain.faults import FakeEndpoint, observed
from tests.fakes.chain.ledger import FakeLedger
from tests.fakes.chain.transactions import (
    SYSTEM,
    TOKEN_ACCOUNT_RENT,
    Landed,
    receipt_address,
)
from worker.adapters.solana.errors import BlockTimeUnknown
from worker.core.cost import Charge
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
from worker.core.payout.looks.heights import SeenHeights
from worker.core.plan.receipts import (
    ReceiptState,
    Resolution,
    agreed_state,
    majority_of,
    receipt_seed,
    state_of,
)


class FakeReader:
    """Reads the receipts of one key. `before` and `after` inject faults."""

    def __init__(
        self, ledger: FakeLedger, receipt_key: str, endpoints: Sequence[FakeEndpoint] | None = None
    ) -> None:
        self.ledger = ledger
        self.receipt_key = receipt_key
        self.endpoints = list(endpoints) if endpoints else [FakeEndpoint()]
        self.has_history = True
        self.endpoint_troubles: Sequence[str] = []
        self._heights = SeenHeights()
        self.history_lag_slots = 0
        """How far the nodes that return transactions are behind those that return accounts."""
        self.has_block_times = True
        self.knows_block_times = True
        self.mentions_a_search = 2_000
        self.before: Callable[[str], None] = lambda method: None
        self.after: Callable[[str], None] = lambda method: None

    def receipt_address(self, receipt_id: str) -> str:
        return receipt_address(self.receipt_key, receipt_seed(receipt_id))

    @property
    def mint(self) -> str:
        return self.ledger.mint

    @observed
    def cluster_genesis(self) -> str:
        self._majority()
        return self.ledger.cluster_genesis

    @observed
    def finalized_height(self) -> Height:
        self._any_endpoint()
        newest, lag = None, self._majority_lag("finalized_height")
        if lag is not None:
            block = self.ledger.block(self.ledger.finalized_lag_slots + lag)
            newest = Height(block.height, block.slot)
        if (height := self._heights.usable(newest)) is None:
            raise Unreachable("; ".join(["too few endpoints answer", *self.endpoint_troubles]))
        return height

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
        if (lag := self._majority_lag("latest_blockhash")) is None:
            raise Unreachable("too few endpoints answer")
        block = self.ledger.block(self.ledger.confirmed_lag_slots + lag)
        return Blockhash(block.blockhash, block.height + 150)

    @observed
    def receipts(self, ids: Sequence[str], *, not_before_slot: int = 0) -> dict[str, ReceiptState]:
        slots = [self._receipts_slot(endpoint) for endpoint in self.endpoints]
        reached = sorted((slot for slot in slots if slot is not None), reverse=True)
        if ids and len(reached) >= (needed := majority_of(len(slots))):
            self._heights.receipts_read_at(reached[needed - 1])
        usable = self._reaching(slots, not_before_slot)
        return {it: self._receipt(self.receipt_address(it), usable) for it in ids}

    def _reaching(self, slots: Sequence[int | None], wanted: int) -> list[int | None]:
        """The slots of the endpoints that answer and have reached a slot."""
        self.endpoint_troubles = [
            f"endpoint {number} " + ("does not answer" if slot is None else "is behind")
            for number, slot in enumerate(slots, 1)
            if slot is None or slot < wanted
        ]
        return [slot if slot is not None and slot >= wanted else None for slot in slots]

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
    def charges(self, signatures: Sequence[str]) -> dict[str, Charge]:
        self._any_endpoint()
        found, finalized = {}, self._readable_slot()
        for signature in signatures if self.has_history else ():
            landed = self.ledger.landed.get(signature)
            if landed is not None and landed.slot <= finalized:
                rent = Lamports(landed.accounts * TOKEN_ACCOUNT_RENT)
                succeeded = landed.error is None
                found[signature] = Charge(Lamports(landed.fee), rent, landed.accounts, succeeded)
        return found

    @observed
    def search_execution(self, receipt_id: str, place: str | None) -> Searched:
        self._any_endpoint()
        address, finalized = self.receipt_address(receipt_id), self._readable_slot()
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

    def _readable_slot(self) -> int:
        """The newest slot whose transactions some endpoint returns."""
        behind = min(each.lag("executions") for each in self.endpoints if not each.down)
        lag = self.ledger.finalized_lag_slots + self.history_lag_slots + behind
        return self.ledger.block(lag).slot

    @observed
    def statuses(self, signatures: Sequence[str]) -> list[SignatureStatus]:
        self._any_endpoint()
        return [self._status(signature) for signature in signatures]

    def _any_endpoint(self) -> FakeEndpoint:
        for endpoint in self.endpoints:
            if not endpoint.down:
                return endpoint
        raise Unreachable("no endpoint answers")

    def _majority(self) -> None:
        self._any_endpoint()
        if sum(not each.down for each in self.endpoints) < majority_of(len(self.endpoints)):
            raise Unreachable("too few endpoints answer")

    def _majority_lag(self, method: str) -> int | None:
        """The smallest lag that a majority of the endpoints does not exceed; None without one."""
        self._reaching([self._receipts_slot(endpoint) for endpoint in self.endpoints], 0)
        lags = sorted(each.lag(method) for each in self.endpoints if not each.down)
        reached = lags[majority_of(len(self.endpoints)) - 1 :]
        return reached[0] if reached else None

    def _confirmed_slot(self) -> int:
        endpoint = self._any_endpoint()
        return self.ledger.block(self.ledger.confirmed_lag_slots + endpoint.lag("accounts")).slot

    def _receipts_slot(self, endpoint: FakeEndpoint) -> int | None:
        lag = self.ledger.finalized_lag_slots + endpoint.lag("receipts")
        return None if endpoint.down else self.ledger.block(lag).slot

    def _receipt(self, address: str, slots: Sequence[int | None]) -> ReceiptState:
        states = [None if it is None else self._state(address, it) for it in slots]
        if len({state for state in states if state is not None}) > 1:
            newest = self._reaching(slots, max(slot or 0 for slot in slots))
            states = [None if it is None else self._state(address, it) for it in newest]
        return agreed_state(states)

    def _state(self, address: str, slot: int) -> ReceiptState:
        account = self.ledger.account(address, slot)
        foreign = account is not None and account.owner != SYSTEM
        return ReceiptState.UNKNOWN if foreign else state_of(account.space if account else None)

    def _executions(self, signatures: Mapping[str, str]) -> dict[str, Execution]:
        finalized, found = self._readable_slot(), {}
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
        lag = min(each.lag("statuses") for each in self.endpoints if not each.down)
        landed, now = self.ledger.landed.get(signature), self.ledger.block(lag).slot
        if landed is None or not now - STATUS_CACHE_SLOTS <= landed.slot <= now:
            return SignatureStatus(Landing.UNSEEN, read_at_slot=now)
        confirmed = self.ledger.block(self.ledger.confirmed_lag_slots + lag).slot
        if landed.slot <= self.ledger.block(self.ledger.finalized_lag_slots + lag).slot:
            level = Landing.FAILED if landed.error is not None else Landing.FINALIZED
        else:
            is_confirmed = landed.slot <= confirmed and landed.error is None
            level = Landing.CONFIRMED if is_confirmed else Landing.PENDING
        error = landed.error if level is Landing.FAILED else None
        return SignatureStatus(level, error, landed.slot, now)


def _mentions(landed: Landed, address: str) -> bool:
    request = landed.request
    return address in request.mentions or any(each == address for _, each in request.allocations)
