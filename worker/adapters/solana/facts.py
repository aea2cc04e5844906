"""Facts about the cluster that a process remembers: the transaction version and the mint."""

from __future__ import annotations

import time
from functools import cached_property

from solders.pubkey import Pubkey

from worker.adapters.solana.addresses import V1_FEATURE_GATE, associated_account
from worker.adapters.solana.reading.accounts import (
    CONFIRMED,
    FINALIZED,
    ChainAccount,
    accounts_calls,
    read_accounts,
    read_all_accounts,
)
from worker.adapters.solana.reading.mint import usable_mint
from worker.adapters.solana.reading.token_account_bytes import MintState
from worker.adapters.solana.rpc.calls import Reply
from worker.adapters.solana.rpc.endpoints import Rpc, answering_majority
from worker.adapters.solana.signing.keys import Keyring
from worker.adapters.solana.signing.transactions import TransactionMaker
from worker.core.errors import Unreachable

V0_REMEMBERED_SECONDS = 600.0
"""A cluster may activate v1 while we run; it never deactivates it."""

_ACTIVATED = 1


class ClusterFacts:
    """The mint, the source account and the transaction version, read at their first use."""

    def __init__(self, rpc: Rpc, keys: Keyring, mint: Pubkey, source: Pubkey | None) -> None:
        self._rpc = rpc
        self._keys = keys
        self._mint = mint
        self._configured_source = source
        self._v1: tuple[float, bool] | None = None
        self._makers: dict[bool, TransactionMaker] = {}

    @cached_property
    def mint_state(self) -> MintState:
        """
        Raises:
            MintUnusable: the mint is missing or cannot be paid out.
        """
        [account] = read_confirmed(self._rpc, [self._mint])
        return usable_mint(self._mint, account)

    @property
    def source(self) -> Pubkey:
        """The configured source account; by default the authority's associated account."""
        if self._configured_source is not None:
            return self._configured_source
        authority = str(self._keys.authority.pubkey())
        return associated_account(authority, self._mint, self.mint_state.token_program)

    @property
    def maker(self) -> TransactionMaker:
        """A maker of transactions in the version that every endpoint accepts."""
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
        """True if the feature gate is active on every endpoint that answers.

        Raises:
            Unreachable: no majority answers. A guess of v0 could fix a week's plan to small
                batches.
        """
        answers = self._rpc.each(accounts_calls([V1_FEATURE_GATE], FINALIZED))
        return all(each[0] for each in answering_majority([_is_active(it) for it in answers]))


def _is_active(answer: list[Reply] | Unreachable) -> list[Reply] | Unreachable:
    """Whether an endpoint shows an active gate. An odd answer counts as silence."""
    if isinstance(answer, Unreachable):
        return answer
    try:
        [gate] = read_accounts(answer[0], 1)[1]
    except Unreachable as odd:
        return odd
    return [gate is not None and gate.data[:1] == bytes([_ACTIVATED])]


def read_confirmed(rpc: Rpc, addresses: list[Pubkey]) -> list[ChainAccount | None]:
    """Accounts at `confirmed`, in order, from the first endpoint that answers."""
    calls = accounts_calls(addresses, CONFIRMED)
    return rpc.any(calls, lambda replies: read_all_accounts(replies, len(addresses)))
