"""Rewards as lines of CSV, with exact amounts that have no thousands separators."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence

from worker.cli.console import write_csv
from worker.core.money import tokens_text
from worker.core.payout.records import Reward
from worker.core.report.explorer import transaction_url
from worker.core.report.prices import Prices, value_of
from worker.core.week import Week
from worker.ports.report import PaidReward

REWARD_COLUMNS = (
    "week",
    "week_start",
    "user_id",
    "points",
    "late_points",
    "staking_multiplier",
    "amount_base_units",
    "amount_kontrib",
    "status",
    "reason",
    "wallet",
    "payout",
    "transaction",
    "explorer",
)
YEAR_COLUMNS = (
    "paid_at",
    "week",
    "week_start",
    "week_end",
    "user_id",
    "points",
    "staking_multiplier",
    "amount_base_units",
    "amount_kontrib",
    "price",
    "value",
    "currency",
    "wallet",
    "slot",
    "transaction",
    "explorer",
)


def reward_line(week: Week, reward: Reward, cluster: str | None) -> dict[str, object]:
    """A reward's values by column name."""
    row = reward.row
    return {
        "week": week.label,
        "week_start": week.id,
        "week_end": week.next().id,
        "user_id": reward.user_id,
        "points": row.points,
        "late_points": reward.late_points,
        "staking_multiplier": _tokens(reward.multiplier * 1000),
        "amount_base_units": row.amount,
        "amount_kontrib": _tokens(row.amount),
        "status": reward.status.value,
        "reason": reward.operator_hold or reward.reason,
        "wallet": reward.redirected_to or row.wallet,
        "payout": row.batch or ("alone" if reward.plan_id else ""),
        "transaction": reward.signature,
        "explorer": transaction_url(reward.signature, cluster),
    }


def paid_line(paid: PaidReward, cluster: str | None, prices: Prices | None) -> dict[str, object]:
    """A payment's values by the names of `YEAR_COLUMNS`. The value is the exact product."""
    price = None if prices is None else prices.of(paid.paid_at)
    values = reward_line(paid.week, paid.reward, cluster) | {
        "paid_at": f"{paid.paid_at:%Y-%m-%dT%H:%M:%SZ}",
        "slot": paid.slot,
        "price": None if price is None else f"{price:f}",
        "value": None if price is None else value_of(paid.reward.row.amount, price),
        "currency": None if prices is None else prices.currency,
    }
    return {name: values[name] for name in YEAR_COLUMNS}


def print_rewards(columns: Sequence[str], lines: Iterable[Mapping[str, object]]) -> None:
    """Print these columns of the lines as CSV."""
    rows = ([line[name] for name in columns] for line in lines)
    write_csv(itertools.chain([columns], rows))


def _tokens(amount: int) -> str:
    return tokens_text(amount).replace(",", "")
