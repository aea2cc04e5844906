"""Pages of an address's history: the transactions that mention it, newest first."""

from __future__ import annotations

from typing import Any, NamedTuple

from worker.adapters.solana.errors import MalformedAnswer
from worker.adapters.solana.reading.accounts import FINALIZED
from worker.adapters.solana.rpc.calls import Call, Reply

PAGE_SIGNATURES = 1_000


class Mention(NamedTuple):
    """A transaction that mentions an address. Anyone may mention any address."""

    signature: str
    slot: int
    succeeded: bool
    memo: str


def page_call(address: str, before: str | None) -> Call:
    """The page of mentions older than the signature `before`; the newest page for None.

    It carries no `minContextSlot`, since Surfpool leaves older mentions out for it.
    """
    options: dict[str, Any] = {"commitment": FINALIZED, "limit": PAGE_SIGNATURES}
    if before is not None:
        options["before"] = before
    return Call("getSignaturesForAddress", [address, options])


def read_page(reply: Reply) -> list[Mention]:
    """
    Raises:
        MalformedAnswer: the reply is not a list of signatures.
    """
    try:
        return [
            Mention(
                str(entry["signature"]),
                int(entry["slot"]),
                entry["err"] is None,
                str(entry.get("memo") or ""),
            )
            for entry in reply
        ]
    except (KeyError, TypeError, ValueError):
        raise MalformedAnswer("no signatures of an address") from None


def oldest_of_full_page(page: list[Mention]) -> str | None:
    """The `before` of the next page; None after the last page."""
    return page[-1].signature if len(page) >= PAGE_SIGNATURES else None
