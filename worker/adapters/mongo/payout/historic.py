"""Distributions and rewards that another system wrote: they carry no `stage` and no `plan_id`.

They are read and shown, and never changed. Their numbers may be of any type.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from bson import Decimal128, ObjectId

from worker.adapters.mongo.connection import Document
from worker.core.errors import KontribError
from worker.core.identity import canonical_user_id
from worker.core.lifecycle import Status
from worker.core.money import INT64_MAX, BaseUnits, exact_decimal, rounded_down
from worker.core.payout.historic import HistoricWeek
from worker.core.payout.records import Reward
from worker.core.plan.allocation import MULTIPLIER_SCALE, scaled_multiplier
from worker.core.plan.commitment import Row
from worker.core.week import Week

HISTORIC: Document = {"plan_id": None}
"""Selects rewards of another system: a missing plan id, or null."""
OURS: Document = {"stage": {"$ne": None}}
"""Selects distributions of this system."""
UNPAID = (Status.PENDING.value, Status.FAILED.value)
"""The statuses by which another system says that it has not paid. With every other one it may have.
"""

PAID_ELSEWHERE: Document = {"status": {"$nin": list(UNPAID)}, **HISTORIC}
"""Selects rewards that another system paid, or may have paid."""


def plain(value: object) -> object:
    """A number as Python has it."""
    return value.to_decimal() if isinstance(value, Decimal128) else value


def tokens_of(value: object) -> BaseUnits | None:
    """A number of tokens in base units, the rest rounded down; None if it cannot be read."""
    if isinstance(value, str):
        return None
    try:
        return rounded_down(value)
    except (KontribError, ArithmeticError):
        return None


def whole_of(value: object) -> int | None:
    """A count, rounded up, so that nothing of it is lost; None if it cannot be read."""
    if isinstance(value, str):
        return None
    try:
        number = exact_decimal(plain(value))
    except KontribError:
        return None
    return math.ceil(number) if 0 <= number <= INT64_MAX else None


def is_monday(moment: object) -> bool:
    """Whether a week can begin at this moment: a Monday, 00:00 UTC."""
    return isinstance(moment, datetime) and Week.containing(moment).start == moment


def odd_start(document: Mapping[str, Any]) -> str | None:
    """The `week_start` of a distribution that is the start of no week, as text."""
    start = document.get("week_start")
    if is_monday(start):
        return None
    if isinstance(start, datetime):
        return f"{start.astimezone(UTC):%A, %Y-%m-%d %H:%M:%S.%f} UTC"
    return "missing" if start is None else repr(start)


def historic_week(document: Mapping[str, Any], *, is_paid: bool = False) -> HistoricWeek | None:
    """The figures of a week that another system distributed; None for every other week.

    A status of no known meaning is taken for one that pays: nobody is paid twice. `is_paid`: a
    pending or failed week has rewards that `may_be_paid` selects.
    """
    if document.get("stage") is not None or (is_plannable(document) and not is_paid):
        return None
    is_done = document.get("status") == Status.COMPLETED.value
    return HistoricWeek(
        status=Status.COMPLETED if is_done else Status.PROCESSING,
        contributors=whole_of(document.get("user_count")) or 0,
        points=whole_of(document.get("total_points")) or 0,
        amount=tokens_of(document.get("total_tokens")) or BaseUnits(0),
    )


def is_plannable(document: Mapping[str, Any]) -> bool:
    """Whether another system wrote the distribution, and its status says that it did not pay."""
    return document.get("stage") is None and document.get("status") in UNPAID


def may_be_paid(week: Week) -> Document:
    """Selects the week's rewards that another system paid, or may have paid."""
    return {"week_start": {"$gte": week.start, "$lt": week.end}, **PAID_ELSEWHERE}


def historic_week_of_rewards(rewards: Iterable[Mapping[str, Any]]) -> HistoricWeek:
    """A week without a distribution, from the rewards that `may_be_paid` selects."""
    statuses, users, points, amount = set(), set(), 0, 0
    for reward in rewards:
        statuses.add(reward.get("status"))
        users.add(canonical_user_id(str(reward.get("user_id"))))
        points += whole_of(reward.get("total_points")) or 0
        amount += tokens_of(reward.get("token_amount")) or 0
    is_done = statuses == {Status.COMPLETED.value}
    return HistoricWeek(
        status=Status.COMPLETED if is_done else Status.PROCESSING,
        contributors=len(users),
        points=points,
        amount=BaseUnits(amount),
        has_document=False,
    )


def why_unreadable(document: Mapping[str, Any]) -> str | None:
    """The field of a historic reward that cannot be read, and its value."""
    if not isinstance(document.get("user_id"), str | ObjectId):
        return f"user_id is {document.get('user_id')!r}"
    if not isinstance(document.get("week_start"), datetime):
        return f"week_start is {document.get('week_start')!r}"
    if document.get("status") not in list(Status):
        return f"status is {document.get('status')!r}"
    if tokens_of(document.get("token_amount")) is None:
        return f"token_amount is {document.get('token_amount')!r}"
    return None


def historic_reward_of(document: Mapping[str, Any]) -> Reward | None:
    """A reward of another system, for people: it has no plan, no wallet and no commitment.

    None if it cannot be read.
    """
    if why_unreadable(document) is not None:
        return None
    points = whole_of(document.get("total_points")) or 0
    multiplier = _multiplier(document.get("staking_multiplier"))
    amount = tokens_of(document.get("token_amount")) or BaseUnits(0)
    signature = document.get("transaction_signature")
    return Reward(
        plan_id="",
        position=0,
        user_id=canonical_user_id(str(document["user_id"])),
        row=Row(
            user=b"", wallet="", points=points, weight=points * multiplier, amount=amount, batch=""
        ),
        late_points=0,
        multiplier=multiplier,
        status=Status(document["status"]),
        signature=signature if isinstance(signature, str) else None,
        paid_at=paid_at(document) if document["status"] == Status.COMPLETED.value else None,
    )


def paid_at(document: Mapping[str, Any]) -> datetime | None:
    """When a historic reward was paid, as far as its dates say."""
    dates = (document.get(name) for name in ("claimed_at", "created_at", "week_end"))
    return next((each for each in dates if isinstance(each, datetime)), None)


def _multiplier(value: object) -> int:
    """In millionths; 1 where it cannot be read."""
    try:
        return scaled_multiplier(exact_decimal(plain(value)))
    except KontribError:
        return MULTIPLIER_SCALE
