"""Reads receipts from every endpoint. A wrong answer here could pay twice, and nowhere else."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from solders.pubkey import Pubkey
from solders.system_program import ID as SYSTEM_PROGRAM

from worker.adapters.solana.addresses import receipt_address
from worker.adapters.solana.reading.accounts import (
    FINALIZED,
    ChainAccount,
    accounts_calls,
    read_accounts,
)
from worker.adapters.solana.rpc.calls import Reply, RpcError
from worker.adapters.solana.rpc.endpoint import Endpoint
from worker.adapters.solana.rpc.endpoints import Rpc, ask_each
from worker.adapters.solana.rpc.sizes import GET_MULTIPLE_ACCOUNTS_MAX
from worker.core.chunks import chunks
from worker.core.errors import Unreachable
from worker.core.plan.receipts import ReceiptState, agreed_state, majority_of, state_of

PIECE = 20 * GET_MULTIPLE_ACCOUNTS_MAX
"""Addresses read at once. A failure makes at most one piece of states unknown."""


@dataclass(frozen=True, slots=True)
class _View:
    """One endpoint's states, `None` without an answer, and the slots that it read them at."""

    states: Sequence[ReceiptState | None]
    slot: int | None
    """The lowest one."""
    highest: int = 0


def read_receipts(
    rpc: Rpc, base: Pubkey, ids: Sequence[str], not_before_slot: int
) -> tuple[dict[str, ReceiptState], int | None]:
    """The finalized state of each id, and the slot that a majority of the endpoints had reached.

    A state counts if a majority answers, not behind `not_before_slot`, and all answers agree.
    """
    wanted = list(dict.fromkeys(ids))
    addresses = [receipt_address(base, receipt_id) for receipt_id in wanted]

    async def work(endpoints: list[Endpoint]) -> tuple[list[ReceiptState], list[int]]:
        states: list[ReceiptState] = []
        slots: list[int] = []
        for piece in chunks(addresses, PIECE):
            views = await _read_piece(endpoints, piece, not_before_slot)
            states += await _agreed(endpoints, piece, views, not_before_slot)
            reached = sorted((it.slot for it in views if it.slot is not None), reverse=True)
            slots += reached[majority_of(len(endpoints)) - 1 :][:1]
        return states, slots

    states, slots = rpc.run(work) if wanted else ([], [])
    return dict(zip(wanted, states, strict=True)), min(slots, default=None)


async def _agreed(
    endpoints: Sequence[Endpoint],
    addresses: Sequence[Pubkey],
    views: Sequence[_View],
    not_before_slot: int,
) -> list[ReceiptState]:
    """The agreed states. Endpoints that disagree are asked again at the newest of their slots,
    since an older answer may only lack the newest transactions."""
    given = list(zip(*(view.states for view in views), strict=True))
    disputed = [it for it, states in zip(addresses, given, strict=True) if _differ(states)]
    if not disputed:
        return [agreed_state(states) for states in given]
    newest = max(not_before_slot, *(view.highest for view in views))
    later = await _read_piece(endpoints, disputed, newest)
    again = dict(zip(disputed, zip(*(view.states for view in later), strict=True), strict=True))
    return [
        agreed_state(again.get(it, states)) for it, states in zip(addresses, given, strict=True)
    ]


def _differ(states: Sequence[ReceiptState | None]) -> bool:
    return len({state for state in states if state is not None}) > 1


async def _read_piece(
    endpoints: Sequence[Endpoint], addresses: Sequence[Pubkey], not_before_slot: int
) -> list[_View]:
    calls = accounts_calls(addresses, FINALIZED, not_before_slot=not_before_slot)

    async def ask(endpoint: Endpoint) -> _View | Unreachable:
        try:
            view = _view(await endpoint.read(calls), len(addresses), not_before_slot)
        except Unreachable as failure:
            return failure
        if view.slot is not None and view.slot < not_before_slot:
            behind = not_before_slot - view.slot
            endpoint.trouble = f"{endpoint.host} reads accounts {behind} slots behind"
        return view

    # An answer without states is none of the majority's, so a slower endpoint is awaited.
    answers = await ask_each(endpoints, ask, lambda view: None not in view.states)
    silent = _View([None] * len(addresses), None)
    return [silent if isinstance(answer, Unreachable) else answer for answer in answers]


def _view(replies: Sequence[Reply], count: int, not_before_slot: int) -> _View:
    states: list[ReceiptState | None] = []
    slots: list[int] = []
    for reply in replies:
        length = min(GET_MULTIPLE_ACCOUNTS_MAX, count - len(states))
        slot, found = _states(reply, length)
        slots += [] if slot is None else [slot]
        is_late = slot is None or slot < not_before_slot
        states += [None] * length if is_late else found
    return _View(states, min(slots, default=None), max(slots, default=0))


def _states(reply: Reply, count: int) -> tuple[int | None, Sequence[ReceiptState | None]]:
    """The slot of a reply, and its states. A node that is behind reports its slot alone."""
    if isinstance(reply, RpcError):
        return reply.context_slot, [None] * count
    try:
        slot, accounts = read_accounts(reply, count)
    except Unreachable:
        return None, [None] * count
    return slot, [_state(account) for account in accounts]


def _state(account: ChainAccount | None) -> ReceiptState:
    if account is None:
        return state_of(None)
    if account.owner != str(SYSTEM_PROGRAM) or account.space != len(account.data):
        return ReceiptState.UNKNOWN
    return state_of(account.space)
