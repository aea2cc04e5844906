"""Reads the effects of a transaction: receipts, transfers and balances.

Anyone may mention a receipt in a transaction, so this module distrusts its input. A transaction
counts for a receipt only if a top-level instruction equals, byte for byte, the allocation of that
receipt. Odd input counts as "not ours" and never raises.
"""

from __future__ import annotations

import base64
import binascii
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, NamedTuple, TypeVar

from solders.pubkey import Pubkey
from solders.system_program import ID as SYSTEM_PROGRAM
from solders.transaction import VersionedTransaction

from worker.adapters.solana.addresses import (
    MEMO_PROGRAM,
    TOKEN_2022_PROGRAM,
    TOKEN_PROGRAM,
    associated_account,
    receipt_address,
)
from worker.adapters.solana.instructions import (
    TRANSFER_CHECKED_TAG,
    TRANSFER_TAG,
    allocate_with_seed_data,
)
from worker.adapters.solana.reading.accounts import FINALIZED
from worker.adapters.solana.reading.token_account_bytes import TOKEN_PROGRAMS
from worker.adapters.solana.rpc.calls import Call
from worker.core.money import BaseUnits, Lamports
from worker.core.payout.chain import Execution, Transfer
from worker.core.plan.receipts import Resolution, receipt_seed
from worker.ports.payout import Outflow
from worker.ports.wiki import FoundTransfer

T = TypeVar("T")

_AMOUNT = struct.Struct("<BQ")
ODD = (
    KeyError, IndexError, TypeError, ValueError, AttributeError, struct.error, binascii.Error,
)  # fmt: skip


def transaction_call(signature: str) -> Call:
    options = {
        "commitment": FINALIZED,
        "encoding": "base64",
        # With base64 our library parses the transaction, and refuses a version it does not know.
        "maxSupportedTransactionVersion": 1,
    }
    return Call("getTransaction", [signature, options])


def execution_of(
    reply: Any, *, receipt_id: str, signature: str, base: Pubkey, mint: str
) -> Execution | None:
    """The execution of a receipt by a getTransaction reply; None if it did not allocate it."""
    return _read(reply, signature, lambda landed: _execution(landed, receipt_id, base, mint))


def outflow_of(reply: Any, *, signature: str, account: str) -> Outflow | None:
    """The tokens that left a token account in a getTransaction reply, by any instruction.

    None for an unreadable reply. An unreadable transaction may have taken tokens.
    """

    def outflow(landed: _Landed) -> Outflow:
        before, after = (it.get(account) for it in (landed.before, landed.after))
        taken = (before.amount if before else 0) - (after.amount if after else 0)
        return Outflow(signature, landed.slot, _memo(landed), taken)

    return _read(reply, signature, outflow)


def transfers_of(reply: Any, *, signature: str, mint: str) -> list[FoundTransfer] | None:
    """Top-level transfers of a mint in a getTransaction reply, signed by anyone.

    None for an absent, failed, different or unreadable transaction.
    """

    def transfers(landed: _Landed) -> list[FoundTransfer]:
        return [
            FoundTransfer(
                from_wallet=_owner(landed, source),
                to_account=target,
                to_wallet=_receiver(landed, target, mint),
                amount=BaseUnits(amount),
            )
            for source, target, amount in _transfers(landed, mint)
        ]

    return _read(reply, signature, transfers)


def _read(reply: Any, signature: str, make: Callable[[_Landed], T | None]) -> T | None:
    """Apply `make` to a reply; None for a failed, absent, odd or different transaction."""
    try:
        landed = _Landed.read(reply)
        return None if landed is None or landed.signature != signature else make(landed)
    except ODD:
        return None


class _Step(NamedTuple):
    """A top-level instruction with its accounts resolved."""

    program: str
    accounts: list[str]
    data: bytes


class _Balance(NamedTuple):
    mint: str
    owner: str | None
    amount: int


@dataclass(frozen=True, slots=True)
class _Landed:
    signature: str
    slot: int
    at: datetime | None
    fee: int
    steps: list[_Step]
    before: dict[str, _Balance]
    after: dict[str, _Balance]

    @classmethod
    def read(cls, reply: Any) -> _Landed | None:
        """A successful transaction; None for an absent or a failed one."""
        if reply is None or reply["meta"]["err"] is not None:
            return None
        meta = reply["meta"]
        encoded, _ = reply["transaction"]
        transaction = VersionedTransaction.from_bytes(base64.b64decode(encoded))
        message = transaction.message
        loaded = meta.get("loadedAddresses") or {}
        keys = [str(key) for key in message.account_keys]
        keys += [*loaded.get("writable", ()), *loaded.get("readonly", ())]
        return cls(
            signature=str(transaction.signatures[0]),
            slot=int(reply["slot"]),
            at=_moment(reply.get("blockTime")),
            fee=int(meta["fee"]),
            steps=[
                _Step(keys[it.program_id_index], [keys[i] for i in it.accounts], bytes(it.data))
                for it in message.instructions
            ],
            before=_balances(meta.get("preTokenBalances"), keys),
            after=_balances(meta.get("postTokenBalances"), keys),
        )


def _moment(unix_seconds: Any) -> datetime | None:
    """None for an invalid time, since a payment stays readable without one."""
    try:
        return datetime.fromtimestamp(unix_seconds, UTC)
    except (TypeError, ValueError, OverflowError, OSError):
        return None


def _balances(entries: Any, keys: list[str]) -> dict[str, _Balance]:
    return {
        keys[entry["accountIndex"]]: _Balance(
            mint=entry["mint"],
            owner=entry.get("owner"),
            amount=int(entry["uiTokenAmount"]["amount"]),
        )
        for entry in entries or ()
    }


def _execution(landed: _Landed, receipt_id: str, base: Pubkey, mint: str) -> Execution | None:
    resolution = _resolution(landed, receipt_id, base)
    if resolution is None:
        return None
    moved = list(_transfers(landed, mint))
    sources = {source for source, _, _ in moved}
    return Execution(
        receipt=receipt_id,
        resolution=resolution,
        signature=landed.signature,
        slot=landed.slot,
        fee=Lamports(landed.fee),
        memo=_memo(landed),
        transfers=tuple(
            Transfer(_owner(landed, target), BaseUnits(amount)) for _, target, amount in moved
        ),
        source=min(sources, default=""),
        source_decrease=BaseUnits(
            sum(landed.before[it].amount - landed.after[it].amount for it in sources)
        ),
        landed_at=landed.at,
    )


def _resolution(landed: _Landed, receipt_id: str, base: Pubkey) -> Resolution | None:
    address, seed = str(receipt_address(base, receipt_id)), receipt_seed(receipt_id)
    expected = {allocate_with_seed_data(base, seed, it): it for it in Resolution}
    for step in landed.steps:
        if step.program == str(SYSTEM_PROGRAM) and step.accounts[:1] == [address]:
            resolution = expected.get(step.data)
            if resolution is not None:
                return resolution
    return None


def _transfers(landed: _Landed, mint: str) -> Iterator[tuple[str, str, int]]:
    """Source account, target account and base units of each top-level transfer of our mint.

    The source comes from the transaction, because the configured source may have changed since.
    """
    for step in landed.steps:
        if step.program not in TOKEN_PROGRAMS or not step.data:
            continue
        tag = step.data[0]
        if tag == TRANSFER_CHECKED_TAG and step.accounts[1] == mint:
            yield step.accounts[0], step.accounts[2], _AMOUNT.unpack_from(step.data)[1]
        elif tag == TRANSFER_TAG and landed.before[step.accounts[0]].mint == mint:
            yield step.accounts[0], step.accounts[1], _AMOUNT.unpack_from(step.data)[1]


def _owner(landed: _Landed, account: str) -> str:
    """The wallet behind a token account; the account itself if the node omits the owner."""
    balance = landed.after.get(account) or landed.before.get(account)
    return balance.owner if balance is not None and balance.owner else account


def _receiver(landed: _Landed, account: str, mint: str) -> str:
    """The wallet that certainly received a transfer to an account, or else the account itself.

    It is the account's owner before the transaction. An account made in the transaction may have
    changed hands after the transfer, so its later owner proves nothing. The exception is an
    associated account, whose owner never changes.
    """
    if (before := landed.before.get(account)) is not None:
        return before.owner or account
    after = landed.after.get(account)
    if after is None or after.owner is None:
        return account
    mint_address, owner = Pubkey.from_string(mint), after.owner
    programs = (TOKEN_PROGRAM, TOKEN_2022_PROGRAM)
    own = {str(associated_account(owner, mint_address, program)) for program in programs}
    return owner if account in own else account


def _memo(landed: _Landed) -> str:
    """The first memo, or an empty text."""
    texts = (it.data.decode() for it in landed.steps if it.program == str(MEMO_PROGRAM))
    return next(texts, "")
