"""Staking records as the plan reads them. Unreadable records do not count."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import datetime
from decimal import ROUND_DOWN, Decimal
from typing import Any

from bson import Decimal128

from worker.core.errors import KontribError
from worker.core.money import DECIMALS, BaseUnits, base_units, exact_decimal
from worker.core.payout.records import Stake
from worker.core.plan.allocation import scaled_multiplier
from worker.core.week import Week

_log = logging.getLogger(__name__)

MULTIPLIER_MAX = 100
"""Far above any tier. A higher multiplier is a mistake that would give one user the whole pool."""


def stake_covering(week: Week, document: Mapping[str, Any], user_id: str) -> Stake | None:
    """The stake, or None if its dates do not cover the whole week or it is unreadable."""
    start, end = document.get("start_date"), document.get("end_date")
    if not isinstance(start, datetime) or not isinstance(end, datetime):
        return None
    unstaked_at = document.get("unstaked_at")
    until = min(end, unstaked_at) if isinstance(unstaked_at, datetime) else end
    if start > week.start or until < week.end:
        return None
    try:
        amount = rounded_down(document.get("amount"))
        multiplier = exact_decimal(document.get("multiplier"))
        if multiplier > MULTIPLIER_MAX:
            raise KontribError(f"a multiplier of {multiplier} is above {MULTIPLIER_MAX}")
        scaled_multiplier(multiplier)
    except KontribError as error:
        _log.warning("Stake %s is left out: %s", document.get("_id"), error)
        return None
    return Stake(user_id, amount, multiplier, start, end)


def rounded_down(tokens: object) -> BaseUnits:
    """The owner's float of tokens in base units. Sums may have digits below a base unit."""
    number = exact_decimal(tokens.to_decimal() if isinstance(tokens, Decimal128) else tokens)
    if not 0 <= number <= 10**DECIMALS:
        return base_units(number)
    return base_units(number.quantize(Decimal(1).scaleb(-DECIMALS), ROUND_DOWN))
