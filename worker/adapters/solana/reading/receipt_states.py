"""Reads receipts from every endpoint. A wrong answer here could pay twice, and nowhere else."""

from __future__ import annotations

from collections.abc import Sequence

from solders.pubkey import Pubkey
from solders.system_program import ID as SYSTEM_PROGRAM

from worker.adapters.solana.addresses import receipt_address
from worker.adapters.solana.reading.accounts import (
    FINALIZED,
    ChainAccount,
    accounts_calls,
    read_accounts,
)
from worker.adapters.solana.rpc.endpoint import Endpoint
from worker.adapters.solana.rpc.endpoints import GET_MULTIPLE_ACCOUNTS_MAX, Rpc, from_each
from worker.core.chunks import chunks
from worker.core.errors import Unreachable
from worker.core.plan.receipts import ReceiptState, state_of


def read_receipts(
    rpc: Rpc, base: Pubkey, ids: Sequence[str], not_before_slot: int
) -> dict[str, ReceiptState]:
    """The finalized state of each id if all endpoints agree; UNKNOWN otherwise."""
    wanted = list(dict.fromkeys(ids))
    addresses = [receipt_address(base, receipt_id) for receipt_id in wanted]

    async def work(endpoints: list[Endpoint]) -> list[ReceiptState]:
        states: list[ReceiptState] = []
        for piece in chunks(addresses, PIECE):
            states += await _read_piece(endpoints, piece, not_before_slot)
        return states

    return dict(zip(wanted, rpc.run(work), strict=True)) if wanted else {}


PIECE = 20 * GET_MULTIPLE_ACCOUNTS_MAX
"""Addresses read at once. A failure makes at most one piece of states unknown."""


async def _read_piece(
    endpoints: Sequence[Endpoint], addresses: Sequence[Pubkey], not_before_slot: int
) -> list[ReceiptState]:
    answers = await from_each(endpoints, accounts_calls(addresses, FINALIZED))
    asked = list(chunks(addresses, GET_MULTIPLE_ACCOUNTS_MAX))
    views = [
        [ReceiptState.UNKNOWN] * len(addresses)
        if isinstance(answer, Unreachable)
        else [
            state
            for reply, chunk in zip(answer, asked, strict=True)
            for state in _states(reply, len(chunk), not_before_slot)
        ]
        for answer in answers
    ]
    return [_agreed(states) for states in zip(*views, strict=True)]


def _states(reply: object, count: int, not_before_slot: int) -> list[ReceiptState]:
    try:
        slot, accounts = read_accounts(reply, count)
    except Unreachable:
        return [ReceiptState.UNKNOWN] * count
    if slot < not_before_slot:
        return [ReceiptState.UNKNOWN] * count
    return [_state(account) for account in accounts]


def _state(account: ChainAccount | None) -> ReceiptState:
    if account is None:
        return state_of(None)
    if account.owner != str(SYSTEM_PROGRAM) or account.space != len(account.data):
        return ReceiptState.UNKNOWN
    return state_of(account.space)


def _agreed(states: tuple[ReceiptState, ...]) -> ReceiptState:
    return states[0] if len(set(states)) == 1 else ReceiptState.UNKNOWN
