"""Facts that a process reads once: the transaction version of the cluster, and the mint."""

from __future__ import annotations

import time

from solders.pubkey import Pubkey

from worker.adapters.solana.addresses import V1_FEATURE_GATE, associated_account
from worker.adapters.solana.reading.accounts import (
    CONFIRMED,
    FINALIZED,
    ChainAccount,
    accounts_call,
    read_accounts,
)
from worker.adapters.solana.reading.mint import usable_mint
from worker.adapters.solana.reading.token_account_bytes import MintState
from worker.adapters.solana.rpc.calls import Reply
from worker.adapters.solana.rpc.endpoints import Rpc
from worker.adapters.solana.signing.keys import Keyring
from worker.adapters.solana.signing.transactions import TransactionMaker
from worker.core.errors import Unreachable

V0_REMEMBERED_SECONDS = 600.0
"""A cluster may activate v1 while we run; it never deactivates it."""

_ACTIVATED = 1


class ClusterFacts:
    """Facts that do not change while a process runs, read when they are first needed."""

    def __init__(self, rpc: Rpc, keys: Keyring, mint: Pubkey, source: Pubkey | None) -> None:
        self._rpc = rpc
        self._keys = keys
        self._mint = mint
        self._configured_source = source
        self._state: MintState | None = None
        self._v1: tuple[float, bool] | None = None
        self._makers: dict[bool, TransactionMaker] = {}

    @property
    def mint_state(self) -> MintState:
        """
        Raises:
            MintUnusable: as `usable_mint`.
        """
        if self._state is None:
            [account] = read_confirmed(self._rpc, [self._mint])
            self._state = usable_mint(self._mint, account)
        return self._state

    @property
    def source(self) -> Pubkey:
        """The configured source account, or else the authority's associated account."""
        if self._configured_source is not None:
            return self._configured_source
        authority = str(self._keys.authority.pubkey())
        return associated_account(authority, self._mint, self.mint_state.token_program)

    @property
    def maker(self) -> TransactionMaker:
        """Makes transactions of the version that every endpoint has proven to accept."""
        v1 = self._takes_v1()
        if v1 not in self._makers:
            self._makers[v1] = TransactionMaker(
                self._keys,
                mint=self._mint,
                token_program=self.mint_state.token_program,
                source=self.source,
                v1=v1,
            )
        return self._makers[v1]

    def _takes_v1(self) -> bool:
        now = time.monotonic()
        if self._v1 is None or (not self._v1[1] and now - self._v1[0] > V0_REMEMBERED_SECONDS):
            self._v1 = (now, self._probe_v1())
        return self._v1[1]

    def _probe_v1(self) -> bool:
        """Whether the feature gate is active on every endpoint.

        Raises:
            Unreachable: one of them does not say. Guessing v0 would plan small batches for good.
        """
        active = []
        for answer in self._rpc.each([accounts_call([V1_FEATURE_GATE], FINALIZED)]):
            if isinstance(answer, Unreachable):
                raise answer
            [gate] = read_accounts(answer[0], 1)[1]
            active.append(gate is not None and gate.data[:1] == bytes([_ACTIVATED]))
        return all(active)


def read_confirmed(rpc: Rpc, addresses: list[Pubkey]) -> list[ChainAccount | None]:
    """Up to 100 accounts at `confirmed`, from the first endpoint that answers."""

    def read(replies: list[Reply]) -> list[ChainAccount | None]:
        return read_accounts(replies[0], len(addresses))[1]

    return rpc.any([accounts_call(addresses, CONFIRMED)], read)
