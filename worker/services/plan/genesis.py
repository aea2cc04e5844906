"""Genesis: the two receipts that planning requires (DESIGN, section 5).

They bind the receipt key to one cluster, one mint and one first week. A fresh database, another
mint or a new key can therefore never pay old weeks again.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta

from worker.core.errors import NotReady, Refused, UsageError
from worker.core.payout.chain import Intent
from worker.core.payout.records import Distribution
from worker.core.plan.commitment import MalformedPlan, PlanDoesNotMatchRoot
from worker.core.plan.earlier_key import EarlierKey
from worker.core.plan.memo import GenesisMemo
from worker.core.plan.receipts import GENESIS_ID, ReceiptState, Resolution, genesis_ids
from worker.core.plan.rules import LATE_WEEKS
from worker.core.week import Week
from worker.services.context import Context
from worker.services.plan.cluster.find_execution import find_execution
from worker.services.plan.cluster.founding_receipts import founding_receipts
from worker.services.plan.seal import stored_seal
from worker.services.plan.send_until_resolved import ReceiptUnknown, send_until_resolved

FIRST_POSSIBLE = Week(date(2020, 3, 16))
"""The week in which Solana's main network began."""
AHEAD = timedelta(weeks=104)
"""How far in the future a first week is looked for."""


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


class GenesisUnreadable(NotReady):
    """The database does not know whether the receipt key continues the weeks of another one."""

    def __init__(self, first_week: Week) -> None:
        super().__init__(
            f"The first plans of a receipt key need its genesis, and no endpoint returns the "
            f"transaction. Add an endpoint with full history to SOLANA_RPC_URL, or record it "
            f"again: `kontrib genesis --first-week {first_week.label} --after-cutoff SECONDS`, "
            "with the last cut-off of the receipt key before, or 0 if there was none."
        )


class AnotherCutoff(Refused):
    """The named cut-off is not the one that is known."""

    def __init__(self, named: int | None, known: int | None, where: str) -> None:
        found = "none" if known is None else str(known)
        super().__init__(
            f"--after-cutoff is {named}, but by {where} the last cut-off of the receipt key before "
            f"is {found}. Another value would count contributions twice, or never."
        )


class WeeksBetween(Refused):
    """The database does not know who paid the weeks just before the first one."""

    def __init__(self, last: Week, cutoff: int, first_week: Week) -> None:
        super().__init__(
            f"The last anchored week in this database is {last.label}, and other weeks lie between "
            f"it and {first_week.label}. Name the last cut-off with --after-cutoff. If another "
            "database or key paid those weeks, the first line of the last one's published plan "
            f"holds it. If nobody paid them, name {cutoff}: their contributions then count as late."
        )


class CutoffImpossible(UsageError):
    """The named cut-off cannot be the last one before the first week."""

    def __init__(self, named: int, first_week: Week) -> None:
        super().__init__(
            f"--after-cutoff {named} is not the cut-off of the week before {first_week.label}: it "
            "lies after that week's end and in the past, in unix seconds. The first line of that "
            "week's published plan holds it."
        )


def first_week(context: Context) -> Week:
    """The first week, checked against both receipts.

    Raises:
        NoGenesis: a receipt is missing for the configured values.
        ReceiptUnknown: the endpoints do not show both receipts now.
    """
    week = context.store.first_week() or _first_week_of_receipts(context)
    mint = context.chain.mint
    if week is None:
        raise NoGenesis(mint, None, "not made yet, or not readable now")
    ids = genesis_ids(context.chain.cluster_genesis(), mint, week)
    states = founding_receipts(context, ids)
    if ReceiptState.UNKNOWN in states.values() and ReceiptState.FREE not in states.values():
        raise ReceiptUnknown(GENESIS_ID, context.chain.endpoint_troubles)
    if any(states[i] is not ReceiptState.PAID for i in ids):
        found = ", ".join(f"{i.split('/')[0]}: {states[i].value}" for i in ids)
        raise NoGenesis(mint, week, found)
    return week


def earlier_key(context: Context, week: Week, first: Week) -> EarlierKey | None:
    """The receipt key before this one, if the plan of a week needs it.

    Raises:
        GenesisUnreadable: neither the database nor the chain shows it.
    """
    if week.back(LATE_WEEKS) >= first:
        return None
    if context.store.first_week() is not None:
        return context.store.earlier_key()
    if (memo := _memo(context)) is None:
        raise GenesisUnreadable(first)
    return memo.earlier


def make_genesis(
    context: Context, week: Week, after_cutoff: int | None = None
) -> tuple[str | None, bool]:
    """Create both receipts. Returns the signature, and whether this call made them.

    `after_cutoff`: the last cut-off (unix seconds) of the receipt key whose weeks this one
    continues. It is needed only if the database does not hold that key's last week.

    Raises:
        GenesisExists: the receipt key has a genesis with other values.
        DistributedBefore: another system has distributed a week, from this one on.
        WeekAnchoredBefore: the database holds an anchored week that is not earlier than this one.
        AnotherCutoff, CutoffImpossible, WeeksBetween, GenesisUnreadable: see each class.
        ReceiptUnknown: the endpoints do not show whether there is a genesis.
    """
    context.refuse_if_paused()
    context.chain.check_mint()
    mint = context.chain.mint
    ids = genesis_ids(context.chain.cluster_genesis(), mint, week)
    states = _known_receipts(context, ids)
    first, second = (states[each] for each in ids)
    if first is ReceiptState.PAID and second is ReceiptState.FREE:
        raise _exists(context)
    made = first is ReceiptState.FREE
    known = context.store.distributions()
    if made:
        _refuse_paid_weeks(week, known)
    earlier = _earlier_key(context, week, known, after_cutoff) if made else None
    intent = Intent(ids, Resolution.PAID, memo=GenesisMemo(week, mint, earlier).text())
    executed = send_until_resolved(context, intent, first)
    if _known_receipts(context, ids)[ids[1]] is not ReceiptState.PAID:
        raise _exists(context)
    memo = GenesisMemo.parse(executed.memo) if executed else _memo(context)
    if memo is not None:  # another operator may have been faster
        earlier = _earlier_on_chain(memo, after_cutoff)
    elif not made:
        earlier = _earlier_key(context, week, known, after_cutoff)
        if earlier is None and after_cutoff is None:
            raise GenesisUnreadable(week)
    context.store.record_first_week(week, earlier)
    return executed.signature if executed else None, made


def _known_receipts(context: Context, ids: Sequence[str]) -> dict[str, ReceiptState]:
    states = founding_receipts(context, ids)
    if ReceiptState.UNKNOWN in states.values():
        raise ReceiptUnknown(GENESIS_ID, context.chain.endpoint_troubles)
    return states


def _refuse_paid_weeks(week: Week, known: Sequence[Distribution]) -> None:
    historic = [d for d in known if d.historic is not None]
    if historic and week <= historic[-1].week:
        raise DistributedBefore(week, historic[-1])
    anchored = [d.week for d in known if d.stage.is_frozen and d.historic is None]
    if anchored and week <= max(anchored):
        raise WeekAnchoredBefore(week, max(anchored))


def _earlier_key(
    context: Context, week: Week, known: Sequence[Distribution], named: int | None
) -> EarlierKey | None:
    """The receipt key before, by the last anchored week in the database, else as named."""
    weeks = [d for d in known if d.stage.is_frozen and d.historic is None and d.week < week]
    try:
        stored = _stored_cutoff(context, weeks[-1]) if weeks else None
    except (MalformedPlan, PlanDoesNotMatchRoot):
        if named is None:
            raise
        stored = None  # the record was changed, so the operator's word counts
    if stored is not None:
        last = weeks[-1].week
        if last.next() != week and named is None:
            raise WeeksBetween(last, stored, week)
        if last.next() != week and named != stored:
            return _named_key(context, week, named)
        if named not in (None, stored):
            raise AnotherCutoff(named, stored, f"the stored plan of {last.label}")
        recorded = context.store.earlier_key()
        since = recorded.first_week if recorded else context.store.first_week()
        return EarlierKey(stored, min(since or weeks[0].week, weeks[0].week))
    return None if named is None else _named_key(context, week, named)


def _named_key(context: Context, week: Week, named: int | None) -> EarlierKey | None:
    """The receipt key before, as an operator names it. A cut-off of 0 means that there was none."""
    if not named:
        return None
    if not week.start.timestamp() <= named <= context.clock.now().timestamp():
        raise CutoffImpossible(named, week)
    return EarlierKey(named, week.back(LATE_WEEKS))


def _stored_cutoff(context: Context, distribution: Distribution) -> int | None:
    planned = distribution.planned
    return stored_seal(context, planned).header.cutoff if planned is not None else None


def _earlier_on_chain(memo: GenesisMemo, named: int | None) -> EarlierKey | None:
    """The earlier key as the genesis on chain names it, for all operators.

    Raises:
        AnotherCutoff: the genesis names another cut-off.
    """
    cutoff = memo.earlier.cutoff if memo.earlier else None
    if named is not None and (named or None) != cutoff:
        raise AnotherCutoff(named, cutoff, "the genesis on chain")
    return memo.earlier


def _first_week_of_receipts(context: Context) -> Week | None:
    """The week whose genesis receipt is paid. Strangers cannot hide it, unlike a memo.

    Somebody with the receipt key can pay several. Then only the memo names the right one.
    """
    cluster, mint = context.chain.cluster_genesis(), context.chain.mint
    last = Week.containing(context.clock.now() + AHEAD)
    weeks = {genesis_ids(cluster, mint, week)[1]: week for week in FIRST_POSSIBLE.until(last)}
    states = context.chain.receipts(list(weeks))
    paid = [weeks[i] for i, state in states.items() if state is ReceiptState.PAID]
    if len(paid) == 1:
        return paid[0]
    memo = _memo(context) if paid else None
    return memo.first_week if memo else None


def _exists(context: Context) -> GenesisExists:
    memo = _memo(context)
    return GenesisExists(memo.first_week if memo else None)


def _memo(context: Context) -> GenesisMemo | None:
    """The memo of the genesis; None if its transaction is not readable now."""
    execution, _ = find_execution(context, GENESIS_ID)
    return GenesisMemo.parse(execution.memo) if execution else None
