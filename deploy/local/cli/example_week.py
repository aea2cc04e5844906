"""The example week: 45 contributors, 12,500 points, and so 0.8 KONTRIB per point.

Its made-up contributions are the same every time, in the format of an import file.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from typing import Any

from worker.core.plan.points import PointRules, total_points
from worker.core.week import Week

EXAMPLE_WEEK = Week.parse("2024-W50")
CONTRIBUTORS = 45
POINTS = 12_500
TYPES = ("creation", "translation", "major_edit", "minor_edit", "review")
TYPE_WEIGHTS = (12, 10, 28, 35, 15)
REPUTATIONS = ("1.5", "1.2", "1.0", "0.8")
"""Users by activity, the most active first."""
DEMANDS = ("1.0", "1.2", "1.5", "1.8", "2.0")
QUALITIES = tuple(str(Decimal(tenths) / 10) for tenths in range(8, 26))
LARGEST_REST = 400
SMALLEST_REST = 60
TOPICS = (
    *("wallets", "staking", "bridges", "oracles", "rollups", "governance", "stablecoins"),
    *("liquidity", "validators", "signatures", "airdrops", "treasuries", "audits"),
)

Contribution = dict[str, Any]


def example_week(rules: PointRules, week: Week = EXAMPLE_WEEK) -> Iterator[Contribution]:
    """Contributions of all types whose points sum to exactly 12,500, oldest first."""
    chance = random.Random("kontrib's example week")
    made = [_contribution(chance, week, i % CONTRIBUTORS) for i in range(CONTRIBUTORS)]
    while (rest := POINTS - sum(_points(rules, c) for c in made)) > LARGEST_REST:
        # Early users in the list are the most active ones, like in real communities.
        author = int(CONTRIBUTORS * chance.random() ** 2)
        candidate = _contribution(chance, week, author)
        if rest - _points(rules, candidate) >= SMALLEST_REST:
            made.append(candidate)
    made.append(_contribution(chance, week, 0) | _worth(rules, rest))
    made.sort(key=lambda c: (c["created_at"], c["user_id"]))
    yield from made


def _contribution(chance: random.Random, week: Week, author: int) -> Contribution:
    (kind,) = chance.choices(TYPES, TYPE_WEIGHTS)
    topic = chance.choice(TOPICS)
    words = chance.randrange(40, 2500)
    return {
        "user_id": _id(f"contributor {author}"),
        "article_id": _id(f"article {topic}"),
        "type": kind,
        "quality_multiplier": float(chance.choice(QUALITIES)),
        "reputation_multiplier": float(REPUTATIONS[author * len(REPUTATIONS) // CONTRIBUTORS]),
        "demand_multiplier": float(chance.choice(DEMANDS)),
        "description": f"{kind.replace('_', ' ')}: {topic}",
        "metadata": {"word_count": words, "sources_cited": words // 300},
        "created_at": _moment(chance, week),
    }


def _worth(rules: PointRules, points: int) -> Contribution:
    """Type and multipliers that give exactly the wanted points.

    Raises:
        LookupError: these rules have no such combination.
    """
    for kind in TYPES:
        for reputation in REPUTATIONS:
            for demand in DEMANDS:
                for quality in QUALITIES:
                    values = {
                        "quality": float(quality),
                        "reputation": float(reputation),
                        "demand": float(demand),
                    }
                    if total_points(rules, kind, **values) == points:
                        return {"type": kind} | {f"{n}_multiplier": v for n, v in values.items()}
    raise LookupError(f"no contribution is worth {points} points")


def _points(rules: PointRules, contribution: Contribution) -> int:
    return total_points(
        rules,
        contribution["type"],
        quality=contribution["quality_multiplier"],
        reputation=contribution["reputation_multiplier"],
        demand=contribution["demand_multiplier"],
    )


def _moment(chance: random.Random, week: Week) -> str:
    moment = week.start + timedelta(seconds=chance.randrange(7 * 24 * 3600))
    return moment.isoformat().replace("+00:00", "Z")


def _id(name: str) -> str:
    return hashlib.sha256(f"kontrib example/{name}".encode()).hexdigest()[:24]
