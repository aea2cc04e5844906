"""A wiki with a million contributions in one week, a year of rewards and some stakes."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from bson import Int64

from tests.end_to_end.support.wiki import object_id, user_id
from worker.adapters.mongo.schema.migrations import migrate
from worker.core.week import Week

WEEK = Week.parse("2024-W50")
MOMENT = WEEK.end - timedelta(minutes=5)
CHUNK = 10_000
SAMPLE = 400
WEEKS_OF_REWARDS = 52
TYPES = ("creation", "major_edit", "minor_edit", "review", "translation")
WEEK_SECONDS = 7 * 86_400


def sample_users(users: int, looks: int) -> list[str]:
    """The user of the measured pages, who has a year of rewards and a stake."""
    sampled = random.Random(7).sample(range(users), SAMPLE)
    return [str(user_id(number)) for number in itertools.islice(itertools.cycle(sampled), looks)]


def busiest_user() -> str:
    """This user made a twelfth of all contributions, all of them in one week."""
    return str(user_id(0))


def busy_user() -> str:
    """This user, the third busiest, made more than 20,000 of a million contributions."""
    return str(user_id(2))


def populate(database: Any, users: int, count: int) -> None:
    for chunk in chunked({"_id": user_id(i), "username": f"user {i}"} for i in range(users)):
        database.users.insert_many(chunk, ordered=False)
    migrate(database, lambda line: None, MOMENT)
    for chunk in chunked(contributions(users, count)):
        database.contributions.insert_many(chunk, ordered=False)
    sampled = sorted(set(sample_users(users, SAMPLE)))
    for chunk in chunked(rewards(sampled)):
        database.token_rewards.insert_many(chunk, bypass_document_validation=True)
    weeks = [WEEK.back(back) for back in range(1, WEEKS_OF_REWARDS + 1)]
    database.weekly_distributions.insert_many(
        [{"week_start": w.start, "plan_id": w.id, "status": "completed"} for w in weeks],
        bypass_document_validation=True,
    )
    database.staking_records.insert_many(
        [stake(user) for user in sampled], bypass_document_validation=True
    )


def contributions(users: int, count: int) -> Iterator[dict[str, Any]]:
    """Every user has one contribution. The rest follows Zipf's law, as in real wikis."""
    weights = list(itertools.accumulate(1 / (rank + 1) for rank in range(users)))
    ids = [str(user_id(i)) for i in range(users)]
    rest = random.Random(2024).choices(range(users), cum_weights=weights, k=count - users)
    for number, user in enumerate(itertools.chain(range(users), rest)):
        moment = WEEK.start + timedelta(seconds=number * WEEK_SECONDS // count)
        yield {
            "_id": object_id(moment, number),
            "user_id": ids[user],
            "article_id": f"{number % 50_000:024x}",
            "type": TYPES[number % len(TYPES)],
            "base_points": 10,
            "quality_multiplier": 1.0,
            "reputation_multiplier": 1.0,
            "demand_multiplier": 1.0,
            "total_points": 10 + number % 90,
            "description": "like real ones: some words about the change",
            "created_at": moment,
            "updated_at": moment,
        }


def rewards(users: list[str]) -> Iterator[dict[str, Any]]:
    for back in range(1, WEEKS_OF_REWARDS + 1):
        week = WEEK.back(back)
        for position, user in enumerate(users):
            yield {
                "user_id": user,
                "week_start": week.start,
                "plan_id": week.id,
                "position": position,
                "total_points": 540,
                "amount_base_units": Int64(85_500_000_000),
                "status": "completed",
                "transaction_signature": "5" * 88,
                "route": "batch",
                "created_at": week.end,
            }


def stake(user: str) -> dict[str, Any]:
    start = WEEK.start - timedelta(days=10)
    return {
        "user_id": user,
        "amount": 10.0,
        "duration_days": 90,
        "apy_rate": 0.12,
        "multiplier": 1.3,
        "start_date": start,
        "end_date": start + timedelta(days=90),
        "status": "active",
        "created_at": start,
    }


def chunked(documents: Iterator[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    while chunk := list(itertools.islice(documents, CHUNK)):
        yield chunk
