"""Genesis: the two receipts that planning requires (DESIGN, section 5).

They bind the receipt key to one cluster, one mint and one first week. A fresh database, another
mint or a new key can therefore never pay old weeks again.
"""

from __future__ import annotations

from worker.core.errors import NotReady, Refused, UsageError
from worker.core.payout.chain import Intent
from worker.core.payout.records import Distribution
from worker.core.plan.memo import GenesisMemo
from worker.core.plan.receipts import GENESIS_ID, ReceiptState, Resolution, genesis_ids
from worker.core.week import Week
from worker.services.context import Context
from worker.services.plan.send_until_resolved import ReceiptUnknown, send_until_resolved


class NoGenesis(NotReady):
    """The receipt key has no genesis for the configured cluster, mint and first week."""

    def __init__(self, mint: str, first_week: Week | None, state: str) -> None:
        week = first_week.label if first_week else "none recorded"
        super().__init__(
            f"No genesis for mint {mint} and first week {week} ({state}). Nothing is planned "
            "without it. For a new installation run `kontrib genesis --first-week WEEK`; "
            "otherwise correct TOKEN_MINT_ADDRESS, RECEIPT_KEY_FILE or SOLANA_RPC_URL."
        )


class GenesisExists(Refused):
    """The receipt key already has a genesis with other values."""

    def __init__(self, first_week: Week | None) -> None:
        found = f"first week {first_week.label}" if first_week else "its memo is unreadable"
        super().__init__(
            f"This receipt key already has a genesis with other values ({found}). A receipt key "
            "has only one: use its values, or a new receipt key."
        )


class WeekAnchoredBefore(Refused):
    """A new receipt key could pay a week that another key has anchored."""

    def __init__(self, first_week: Week, anchored: Week) -> None:
        super().__init__(
            f"{anchored.label} is anchored with another receipt key, so a genesis that begins with "
            f"{first_week.label} could pay it again. Begin with {anchored.next().label} or later."
        )


class DistributedBefore(Refused):
    """Another system has distributed a week that this receipt key would be allowed to pay."""

    def __init__(self, first_week: Week, last: Distribution) -> None:
        found = last.historic.blocks(last.week) if last.historic else ""
        super().__init__(
            f"A genesis that begins with {first_week.label} would let weeks be paid that are paid "
            f"already. Begin with {last.week.next().label} or later. {found}"
        )


class BeforeFirstWeek(UsageError):
    """The week lies before the first one that this receipt key may pay."""

    def __init__(self, week: Week, first_week: Week) -> None:
        super().__init__(
            f"{week.label} lies before the first week, {first_week.label}. It is never planned."
        )


def first_week(context: Context) -> Week:
    """The first week, checked against both receipts.

    Raises:
        NoGenesis: a receipt is missing for the configured values.
        ReceiptUnknown: the endpoints do not show both receipts now.
    """
    week = context.store.first_week() or _first_week_on_chain(context)
    mint = context.chain.mint
    if week is None:
        raise NoGenesis(mint, None, "not made yet, or its memo is unreadable")
    ids = genesis_ids(context.chain.cluster_genesis(), mint, week)
    states = context.chain.receipts(ids)
    if ReceiptState.UNKNOWN in states.values() and ReceiptState.FREE not in states.values():
        raise ReceiptUnknown(GENESIS_ID, context.chain.endpoint_troubles)
    if any(states[i] is not ReceiptState.PAID for i in ids):
        found = ", ".join(f"{i.split('/')[0]}: {states[i].value}" for i in ids)
        raise NoGenesis(mint, week, found)
    return week


def make_genesis(context: Context, week: Week) -> tuple[str | None, bool]:
    """Create both receipts. Returns the signature, and whether this call made them.

    Raises:
        GenesisExists: the receipt key has a genesis with other values.
        DistributedBefore: another system has distributed a week, from this one on.
        WeekAnchoredBefore: the database holds an anchored week that is not earlier than this one.
    """
    context.refuse_if_paused()
    context.chain.check_mint()
    mint = context.chain.mint
    ids = genesis_ids(context.chain.cluster_genesis(), mint, week)
    memo = GenesisMemo(first_week=week, mint=mint).text()
    before = context.chain.receipts(ids)
    if before[ids[0]] is ReceiptState.PAID and before[ids[1]] is ReceiptState.FREE:
        raise GenesisExists(_first_week_on_chain(context))
    made = before[ids[0]] is ReceiptState.FREE
    known = context.store.distributions()
    historic = [d for d in known if d.historic is not None]
    if made and historic and week <= historic[-1].week:
        raise DistributedBefore(week, historic[-1])
    anchored = [d.week for d in known if d.stage.is_frozen and d.historic is None]
    if made and anchored and week <= max(anchored):
        raise WeekAnchoredBefore(week, max(anchored))
    intent = Intent(receipts=ids, resolution=Resolution.PAID, memo=memo)
    signature = send_until_resolved(context, intent)
    if context.chain.receipts(ids)[ids[1]] is not ReceiptState.PAID:
        raise GenesisExists(_first_week_on_chain(context))
    context.store.record_first_week(week)
    return signature, made


def _first_week_on_chain(context: Context) -> Week | None:
    execution = context.chain.executions([GENESIS_ID]).get(GENESIS_ID)
    return GenesisMemo.parse(execution.memo).first_week if execution else None
