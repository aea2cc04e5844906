"""Checks the fields of each staking record against each other, its tier and its transfer."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta

from worker.core.check.report import Area, CheckReport
from worker.core.money import BaseUnits, is_amount_of, tokens_float, tokens_text
from worker.core.plan.rules import Rules
from worker.core.wiki.interest import DAY, due_accrual
from worker.core.wiki.parameters import STAKING_APY, STAKING_MULTIPLIER
from worker.core.wiki.stake_record import StakeRecord, StakeStatus
from worker.ports.check import CheckStore, StoredStake
from worker.services.wiki.staking import sent_to_vault
from worker.services.wiki_context import WikiContext

Wrong = Iterator[tuple[str, object, object]]
"""Contradictions in a stake: the field, the value found and the value expected."""


def check_stakes(
    wiki: WikiContext, store: CheckStore, report: CheckReport, *, is_online: bool
) -> None:
    """Check every readable staking record; with `is_online`, also its transfer to the vault."""
    rules, now = wiki.rules(), wiki.now()
    standing_on: dict[str, str] = {}
    for stored in store.stored_stakes():
        report.looked_at["stakes"] += 1
        record = stored.record
        _note_assumed_end(stored, report)
        for name, found, expected in (
            *_wrong_amounts(record, stored.fields),
            *_wrong_dates(record, stored.fields),
            *_wrong_accrual(record, now),
            *_wrong_factors(record, rules),
            *_used_twice(record, standing_on),
            *_wrong_transfer(wiki, record, is_online=is_online),
        ):
            report.add(Area.STAKES, f"stake {record.id}, {name}", found, expected)


def _note_assumed_end(stored: StoredStake, report: CheckReport) -> None:
    """The wiki ended a stake without saying when."""
    record, fields = stored.record, stored.fields
    if record.unstaked_at is None or isinstance(fields.get("unstaked_at"), datetime):
        return
    if not _is_ours(record):
        found = f"{record.status.value} without unstaked_at"
        counts_as = f"ended on {record.unstaked_at.isoformat()}"
        report.note_from_before(Area.STAKES, f"stake {record.id}", found, counts_as)


def _wrong_amounts(record: StakeRecord, fields: Mapping[str, object]) -> Wrong:
    """Compare the owner's floats with the integers that they come from."""
    for name in ("amount", "rewards_earned"):
        exact = fields.get(f"{name}_base_units")
        if isinstance(exact, int) and not is_amount_of(fields.get(name), exact):
            yield name, fields.get(name), tokens_float(exact)
    if record.amount <= 0:
        yield "amount", record.amount, "more than 0"


def _wrong_dates(record: StakeRecord, fields: Mapping[str, object]) -> Wrong:
    if fields.get("duration_days") and record.end - record.start != _duration(record):
        expected = f"{record.days} days after it began on {record.start.isoformat()}"
        yield "end_date", record.end, expected
    ended, status = record.unstaked_at, record.status
    if not isinstance(fields.get("unstaked_at"), datetime):
        if status is StakeStatus.UNSTAKED_EARLY and _is_ours(record):
            yield "unstaked_at", "missing", "there, since it was unstaked early"
    elif ended is None:
        return
    elif status is StakeStatus.ACTIVE:
        yield "unstaked_at", ended, "missing, since it is active"
    elif not record.start <= ended <= record.end:
        yield "unstaked_at", ended, f"from {record.start.isoformat()} to {record.end.isoformat()}"


def _wrong_accrual(record: StakeRecord, now: datetime) -> Wrong:
    """Compare the interest with `accrued_through`, which reaches the end of a finished stake."""
    expected, through = due_accrual(record), record.accrued_through
    if expected is None or through is None:
        if _is_ours(record):
            yield "accrued_through", "missing", "there"
        return  # the wiki's own stake, before its first accrual
    is_more = not _is_ours(record) and record.rewards_earned > expected
    if record.rewards_earned != expected and not is_more:  # the wiki may have counted more
        yield "rewards_earned_base_units", record.rewards_earned, expected
    latest = _whole_days(record, min(now, record.end))
    if through > latest:
        yield "accrued_through", through, f"{latest.isoformat()} or earlier"
    ended = record.end if record.status is StakeStatus.COMPLETED else record.unstaked_at
    if through <= latest and _is_ours(record) and ended is not None:
        earliest = _whole_days(record, ended)
        if through < earliest:
            yield "accrued_through", through, earliest


def _wrong_factors(record: StakeRecord, rules: Rules) -> Wrong:
    """Compare multiplier and APY with the limits of votes, widened by today's tiers."""
    multipliers = [tier.multiplier for tier in rules.staking_tiers]
    rates = [tier.apy for tier in rules.staking_tiers]
    for name, found, known, limits in (
        ("multiplier", record.multiplier, multipliers, STAKING_MULTIPLIER),
        ("apy_rate", record.apy, rates, STAKING_APY),
    ):
        lowest, highest = min([limits.lowest, *known]), max([limits.highest, *known])
        if not lowest <= found <= highest:
            yield name, found, f"from {lowest} to {highest}"


def _used_twice(record: StakeRecord, standing_on: dict[str, str]) -> Wrong:
    """A transaction backs one stake. `standing_on` holds the stake of each signature."""
    signature = record.stake_signature
    if isinstance(signature, str) and standing_on.setdefault(signature, record.id) != record.id:
        yield "stake_tx_hash", f"that of stake {standing_on[signature]}", "of no other stake"


def _wrong_transfer(wiki: WikiContext, record: StakeRecord, *, is_online: bool) -> Wrong:
    """The user may have changed wallets, so any wallet may have sent the whole amount."""
    vault = wiki.vault
    if vault is None or record.status is not StakeStatus.ACTIVE:
        return
    signature, amount = record.stake_signature, tokens_text(record.amount)
    expected = f"a transfer of {amount} KONTRIB from one wallet to the vault {vault}"
    if not isinstance(signature, str):
        yield "stake_tx_hash", signature, expected
    elif is_online and wiki.transfers is not None:
        found = wiki.transfers.finalized_transfers(signature)
        if found is None:
            yield "stake_tx_hash", "no finalized transaction that the cluster knows", expected
        elif record.amount not in (sent := sent_to_vault(found, vault)).values():
            moved = tokens_text(BaseUnits(sent.total()))
            yield "stake_tx_hash", f"a transaction that moved {moved} there", expected


def _is_ours(record: StakeRecord) -> bool:
    """Whether this program wrote the record. The wiki's own records may lack some fields."""
    return record.number is not None


def _duration(record: StakeRecord) -> timedelta | None:
    try:
        return timedelta(days=record.days)
    except OverflowError:
        return None


def _whole_days(record: StakeRecord, until: datetime) -> datetime:
    return record.start + max(0, (until - record.start) // DAY) * DAY
