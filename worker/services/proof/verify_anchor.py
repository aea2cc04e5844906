"""Compares a plan with the plan that the chain anchors for its week."""

from __future__ import annotations

from worker.core.findings import Check
from worker.core.payout.chain import Execution
from worker.core.payout.comparison import compare_receipt
from worker.core.plan.commitment import Header
from worker.core.plan.memo import AnchorMemo, GenesisMemo, MalformedMemo
from worker.core.plan.receipts import ReceiptState, anchor_ids, genesis_ids
from worker.core.proof.bundle import MANIFEST_FILE, Manifest
from worker.ports.payout import PublicChain


def verify_anchor(
    chain: PublicChain, manifest: Manifest, header: Header, root: bytes
) -> tuple[list[Check], int | None]:
    """Compare cluster, genesis, anchor and the plan of the week before. Returns the checks, and the
    anchor's slot, or None if the anchor cannot be read."""
    anchor, slot = _anchor(chain, manifest, header, root)
    return [_genesis(chain, manifest), anchor, _previous(chain, header)], slot


def _genesis(chain: PublicChain, manifest: Manifest) -> Check:
    """Check that the receipt key's genesis names this cluster, mint and first week."""
    check, cluster = Check("genesis"), chain.cluster_genesis()
    check.expect(MANIFEST_FILE, "cluster_genesis", cluster, manifest.cluster_genesis)
    ids = genesis_ids(cluster, manifest.mint, manifest.first_week)
    found = resolved_together(chain, ids, None, check)
    if found is not None:
        _compare_genesis(found, manifest, check)
    first = manifest.first_week.label
    check.detail = f"cluster {cluster}, first week {first}, by {found.signature if found else '?'}"
    return check


def _compare_genesis(found: Execution, manifest: Manifest, check: Check) -> None:
    """The memo may also name the receipt key before, whose weeks this one continues."""
    try:
        memo = GenesisMemo.parse(found.memo)
    except MalformedMemo as error:
        check.wrong(found.signature, str(error))
        return
    check.expect(found.signature, "the genesis memo", memo.text(), found.memo)
    check.expect(found.signature, "the first week", manifest.first_week.id, memo.first_week.id)
    check.expect(found.signature, "the mint", manifest.mint, memo.mint)


def _anchor(
    chain: PublicChain, manifest: Manifest, header: Header, root: bytes
) -> tuple[Check, int | None]:
    """Check that exactly this plan was anchored for its week."""
    check = Check("anchor")
    memo = AnchorMemo.of(header, root).text()
    found = resolved_together(chain, anchor_ids(header.week, root), memo, check)
    if found is None:
        return check, None
    if manifest.anchor_signature:
        given = (manifest.anchor_signature, manifest.anchor_slot)
        check.expect(MANIFEST_FILE, "anchor_signature", found.signature, given[0])
        check.expect(MANIFEST_FILE, "anchor_slot", found.slot, given[1])
    if found.transfers or found.source_decrease:
        check.wrong(found.signature, "the anchor moved tokens")
    check.detail = f"slot {found.slot}, by {found.signature}"
    return check, found.slot


def _previous(chain: PublicChain, header: Header) -> Check:
    """Check that the plan of the week before, which this plan names, was anchored."""
    check = Check("week before")
    if not header.previous_root:
        check.detail = "this is the first week"
        return check
    week = header.week.previous()
    ids = anchor_ids(week, header.previous_root)
    require_paid(chain.receipts(ids), check)
    check.detail = f"{week.id}, root {header.previous_root.hex()}"
    return check


def resolved_together(
    chain: PublicChain, ids: tuple[str, str], memo: str | None, check: Check
) -> Execution | None:
    """The transaction that resolved both receipts and has this memo, if it can be read.

    Without `memo`, the caller compares it.
    """
    if not require_paid(chain.receipts(ids), check):
        return None
    found = chain.executions(ids)
    for receipt in ids:
        if receipt not in found:
            check.unproven(receipt, "no endpoint returns the transaction that made its receipt")
            return None
    first, second = (found[receipt] for receipt in ids)
    check.expect(ids[1], "the transaction of its receipt", first.signature, second.signature)
    if memo is not None:
        check.expect(first.signature, "the memo", memo, first.memo)
    return first


def require_paid(states: dict[str, ReceiptState], check: Check) -> bool:
    """Add a finding for each receipt that is not of length 1. Returns whether all are."""
    for receipt, state in states.items():
        compare_receipt(receipt, state, ReceiptState.PAID, "(length 1)", check)
    return all(state is ReceiptState.PAID for state in states.values())
