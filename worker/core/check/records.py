"""Compares stored rewards, payouts and weeks with the plan and records that they come from.

Documents are plain mappings with any content. While no endpoint returns a transaction, its payout
has no signature, slot or fee, and is not `verified`. `kontrib reconcile` completes such a payout.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from worker.core.check.report import Area
from worker.core.findings import Finding, differing, value_text
from worker.core.lifecycle import PayoutStatus, Stage, Status, status_of
from worker.core.payout.records import PayoutKind
from worker.core.plan.commitment import Header, Row
from worker.core.plan.receipts import anchor_id, single_id
from worker.core.plan.totals import plan_totals, reward_figures
from worker.core.week import Week

Fields = Mapping[str, object]

BATCHED, WAITING, ALONE = "batch", "waiting", "single"
"""How a reward is paid: with its batch; alone, but without a payout yet; alone, by a single."""

_OPEN = (PayoutStatus.PENDING, PayoutStatus.PROCESSING)
_NOT_YET = (Status.PENDING, Status.PROCESSING)
_UNPAID = (Status.PENDING, Status.PROCESSING, Status.FAILED)
_STATUSES: Mapping[tuple[object, object], Sequence[Status]] = {
    **{(PayoutKind.BATCH, status): _NOT_YET for status in _OPEN},
    # A reward that could not be paid at first stays failed until its single is signed.
    **{(PayoutKind.SINGLE, status): _UNPAID for status in _OPEN},
    **{(kind, PayoutStatus.PAID): (Status.COMPLETED,) for kind in PayoutKind},
    (PayoutKind.SINGLE, PayoutStatus.VOID): (Status.FAILED,),
}
_READABLE = "there: `kontrib reconcile` reads it, if an endpoint returns the transaction"
_WITHOUT_PAYOUT = (Status.PENDING, Status.FAILED)


def record_finding(subject: str, found: object, expected: object) -> Finding:
    return Finding(Area.RECORDS, subject, value_text(found), value_text(expected))


def _one_of(subject: str, fields: Fields, name: str, allowed: Sequence[str]) -> Iterator[Finding]:
    if (found := fields.get(name)) not in allowed:
        yield record_finding(f"{subject}, {name}", found, " or ".join(allowed))


def _presence(subject: str, fields: Fields, name: str, *, expected: bool) -> Iterator[Finding]:
    if (fields.get(name) is not None) is not expected:
        wanted = "there" if expected else "missing"
        yield record_finding(f"{subject}, {name}", fields.get(name), wanted)


# --- a reward ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class RewardCheck:
    """The facts that all rewards of a plan share. `commitment_of` needs the receipt key's secret.
    It is None in a check without a chain."""

    week: Week
    distribution_id: object
    commitment_of: Callable[[str], bytes] | None

    def subject(self, fields: Fields) -> str:
        return f"{self.week.label}, reward of {fields.get('user_id')}"

    def of_plan(self, row: Row, fields: Fields) -> Iterator[Finding]:
        """Compare the user, and the fields for readers, which the root does not cover."""
        subject = self.subject(fields)
        expected: dict[str, object] = {
            "weekly_distribution_id": self.distribution_id,
            "week_start": self.week.start,
            "week_end": self.week.end,
        }
        multiplier, late = fields.get("staking_multiplier_micros"), fields.get("late_points")
        if not isinstance(multiplier, int) or row.points * multiplier != row.weight:
            what = f"{row.weight} (weight) / {row.points} (points)"
            yield record_finding(f"{subject}, staking_multiplier_micros", multiplier, what)
        else:
            expected |= reward_figures(row.amount, multiplier)
        yield from differing(Area.RECORDS, subject, fields, expected)
        if not isinstance(late, int) or not 0 <= late <= row.points:
            what = f"at most the {row.points} points"
            yield record_finding(f"{subject}, late_points", late, what)
        if not self._is_of_user(row, fields.get("user_id")):
            found = fields.get("user_id")
            yield record_finding(f"{subject}, user_id", found, f"the user of {row.user.hex()}")

    def _is_of_user(self, row: Row, user_id: object) -> bool:
        if not isinstance(user_id, str):
            return False
        if user_id == f"commitment:{row.user.hex()}":
            return True  # the plan was adopted, and its user is unknown here
        return self.commitment_of is None or self.commitment_of(user_id) == row.user

    def of_payment(
        self, fields: Fields, batch: Fields | None, single: Fields | None
    ) -> Iterator[Finding]:
        """Compare status, date and signature with the payout of the reward, if there is one."""
        subject = self.subject(fields)
        yield from _one_of(subject, fields, "route", _routes(batch, single))
        paying = single if single is not None else _unless_void(batch)
        yield from _one_of(subject, fields, "status", _statuses(paying))
        is_paid = paying is not None and paying.get("status") == PayoutStatus.PAID
        facts: Fields = paying if is_paid and paying is not None else {}
        expected = {"transaction_signature": facts.get("signature"), "slot": facts.get("slot")}
        yield from differing(Area.RECORDS, subject, fields, expected)
        yield from _presence(subject, fields, "claimed_at", expected=is_paid)
        for name in (n for n, value in expected.items() if is_paid and value is None):
            yield from _presence(subject, fields, name, expected=True)


def _routes(batch: Fields | None, single: Fields | None) -> Sequence[str]:
    if single is not None:
        return ALONE, WAITING  # the payout is written before the reward is updated
    return (WAITING,) if _unless_void(batch) is None else (BATCHED,)


def _unless_void(batch: Fields | None) -> Fields | None:
    """The batch, or None if it is void. The rewards of a void batch are paid alone."""
    is_void = batch is not None and batch.get("status") == PayoutStatus.VOID
    return None if is_void else batch


def _statuses(paying: Fields | None) -> Sequence[Status]:
    if paying is None:
        return _WITHOUT_PAYOUT
    return _STATUSES.get((paying.get("kind"), paying.get("status")), _WITHOUT_PAYOUT)


# --- a payout ----------------------------------------------------------------------------------


def of_batch(
    header: Header, index: int, rows: Sequence[Row], root: bytes, fields: Fields
) -> Iterator[Finding]:
    """Compare a batch's payout with its rows."""
    batch = str(header.batch_id(index))
    expected: dict[str, object] = {"id": batch, "rewards": len(header.batch_positions(index))}
    if fields.get("rows_root") == root:
        expected["amount_base_units"] = sum(row.amount for row in rows)
    else:
        expected["rows_root"] = root  # the sum of changed rows proves nothing
    yield from _of_payout(batch, header.week, expected, fields)


def of_single(week: Week, row: Row, reward: Fields, fields: Fields) -> Iterator[Finding]:
    """Compare the payout of a single with its row. The wallet is the plan's or an operator's. A
    held reward goes to the user's wallet of that day, which has no other record."""
    single = single_id(week, row.user)
    expected: dict[str, object] = {"id": single, "rewards": 1, "amount_base_units": row.amount}
    wallet = reward.get("redirected_to") or row.wallet
    if wallet and fields.get("status") in _OPEN:
        expected["wallet"] = wallet
    yield from _of_payout(single, week, expected, fields)


def of_anchor(week: Week, stage: Stage, fields: Fields | None) -> Iterator[Finding]:
    """Compare the anchor's payout, which moves no tokens."""
    anchor = anchor_id(week)
    if fields is None:
        yield record_finding(f"payout {anchor}", "missing", "there")
        return
    expected: dict[str, object] = {"id": anchor, "rewards": 0, "amount_base_units": 0}
    if stage.is_frozen:
        expected["status"] = PayoutStatus.PAID
    yield from _of_payout(anchor, week, expected, fields)


def _of_payout(payout_id: str, week: Week, expected: Fields, fields: Fields) -> Iterator[Finding]:
    subject = f"payout {payout_id}"
    yield from differing(Area.RECORDS, subject, fields, {**expected, "week": week.id})
    is_resolved = fields.get("status") in (PayoutStatus.PAID, PayoutStatus.VOID)
    # One reading of the transaction fills all of these fields.
    is_read = fields.get("signature") is not None
    if is_read and not is_resolved:
        yield record_finding(f"{subject}, signature", fields.get("signature"), "missing")
    if is_resolved and not is_read:
        yield record_finding(f"{subject}, signature", None, _READABLE)
    known = is_resolved and is_read
    yield from differing(Area.RECORDS, subject, fields, {"verified": known})
    for name in ("slot", "fee"):
        yield from _presence(subject, fields, name, expected=known)


# --- a week ------------------------------------------------------------------------------------


def of_week(header: Header, stage: Stage, fields: Fields, anchor: Fields) -> Iterator[Finding]:
    """Compare a distribution's summary for readers with its header and its anchor's payout."""
    subject = header.week.label
    status = status_of(stage, stopped=bool(fields.get("stopped")))
    expected = {**plan_totals(header), "week_end": header.week.end, "status": status}
    yield from differing(Area.RECORDS, subject, fields, expected)
    if stage.is_frozen and anchor:
        signature = {"distribution_tx_hash": anchor.get("signature")}
        yield from differing(Area.RECORDS, subject, fields, signature)
    if stage is Stage.COMPLETED:
        yield from _presence(subject, fields, "completed_at", expected=True)


def of_sums(
    header: Header, rewards: int, points: int, weight: int, amount: int
) -> Iterator[Finding]:
    """Compare the sums of the stored rows with the header."""
    names = ("rewards", "total_points", "total_weight", "total_amount")
    found = dict(zip(names, (rewards, points, weight, amount), strict=True))
    expected = {name: getattr(header, name) for name in names}
    yield from differing(Area.RECORDS, f"{header.week.label}, sum of the rows", found, expected)
