"""The in-memory twins of `MongoStaking` and of the chain as a reader of transfers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime

from bson import ObjectId

from tests.fakes.store.state import Document, as_stored
from tests.fakes.store.store import FakeStore
from worker.adapters.mongo.payout.contributions import canonical_user
from worker.adapters.mongo.wiki.staking_records import TRANSFER, stake_document, stake_of
from worker.core.wiki.stake_record import StakeRecord, StakeStatus
from worker.ports.wiki import FoundTransfer


class FakeStaking:
    """Implements `worker.ports.wiki.StakingStore` in memory."""

    def __init__(self, store: FakeStore) -> None:
        self._store = store

    def stakes_of(self, user_id: str) -> list[StakeRecord]:
        mine = [stake for stake in self._readable() if stake.user_id == user_id]
        return sorted(mine, key=lambda stake: (stake.start, stake.id))

    def stake(self, stake_id: str) -> StakeRecord | None:
        return next((s for s in self._readable() if s.id == stake_id), None)

    def transfer_used(self, signature: str) -> bool:
        return any(
            signature in (d.get(TRANSFER), d.get("stake_tx_hash")) for d in self._documents()
        )

    def add_stake(self, stake: StakeRecord, now: datetime) -> StakeRecord | None:
        added = replace(stake, id=str(ObjectId()))
        document = as_stored(stake_document(added, now))
        for other in self._documents():
            same_number = all(other.get(n) == document[n] for n in ("user_id", "number"))
            same_transfer = TRANSFER in document and other.get(TRANSFER) == document[TRANSFER]
            if same_number or same_transfer:
                return None
        self._store.add_stake(document)
        return added

    def update_stake(self, stake: StakeRecord, now: datetime) -> bool:
        for key, document in self._store.state.stakes.items():
            known = stake_of({"_id": key} | document)
            if known is None or known.id != stake.id or known.status is not StakeStatus.ACTIVE:
                continue
            kept = {name: document.get(name) for name in ("_id", "created_at") if name in document}
            written = as_stored(stake_document(replace(stake, id=known.id), now))
            changed = {n: v for n, v in written.items() if n in _COURSE}
            self._store.state.stakes[key] = document | changed | kept
            return True
        return False

    def active_stakes(self) -> Iterator[StakeRecord]:
        return iter([s for s in self._readable() if s.status is StakeStatus.ACTIVE])

    def staking_users(self) -> Iterator[str]:
        return iter({canonical_user(d): None for d in self._documents() if canonical_user(d)})

    def _documents(self) -> list[Document]:
        return [{"_id": key} | document for key, document in self._store.state.stakes.items()]

    def _readable(self) -> list[StakeRecord]:
        return [s for s in map(stake_of, self._documents()) if s is not None]


_COURSE = {
    "status", "unstake_tx_hash", "unstaked_at", "rewards_earned", "rewards_earned_base_units",
    "accrued_through", "updated_at",
}  # fmt: skip


class FakeTransfers:
    """Implements `worker.ports.wiki.TransferReader` over the transfers that a test sets."""

    def __init__(self) -> None:
        self.known: dict[str, list[FoundTransfer]] = {}

    def finalized_transfers(self, signature: str) -> list[FoundTransfer] | None:
        return self.known.get(signature)
