"""Finds, reports and resolves repeated values that the schema requires to be unique.

No value is lost. The oldest account keeps a shared wallet, and the others keep the wallet in
another field. The most advanced distribution of a week stays, and the others move to a separate
collection.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from bson import ObjectId

from worker.adapters.mongo import names
from worker.adapters.mongo.base import STREAM_BATCH
from worker.adapters.mongo.connection import Document, Mongo
from worker.adapters.mongo.payout.documents import distribution_of
from worker.adapters.mongo.payout.historic import may_be_paid, odd_start
from worker.adapters.mongo.payout.weeks import MongoWeeks
from worker.core.errors import UsageError
from worker.core.lifecycle import Stage
from worker.core.week import Week
from worker.core.wording import counted

CHUNK_IDS = 1000
NO_DISTRIBUTION: Document = {f"{names.SET_ASIDE}.rewards_only": True}
"""Selects records of a decision about a week for which another system has only rewards."""
_NO_WALLET = {names.WALLET: {"$in": [None, ""], "$exists": True}}
_LAST = datetime.max.replace(tzinfo=UTC)


class NotDistributedElsewhere(UsageError):
    """The week has no distribution of another system."""

    def __init__(self, week: Week) -> None:
        super().__init__(
            f"{week.label} has no distribution of another system. See `kontrib status "
            f"{week.label}`. Nothing was changed."
        )


def describe(database: Mongo, collection: str) -> list[str]:
    """The values that prevent a unique index of the collection; empty without any."""
    if collection == names.USERS:
        return _describe_wallets(database)
    if collection == names.WEEKLY_DISTRIBUTIONS:
        weeks = len(list(_repeated(database, collection, "week_start")))
        return [f"{counted(weeks, 'week')} with several distributions"] if weeks else []
    return []


def has_empty_wallets(database: Mongo) -> bool:
    return database[names.USERS].find_one(_NO_WALLET, {"_id": 1}) is not None


def _describe_wallets(database: Mongo) -> list[str]:
    empty = database[names.USERS].count_documents(_NO_WALLET)
    shared = len(list(_repeated(database, names.USERS, names.WALLET)))
    found = (
        [f"{counted(empty, 'user')} whose wallet is null or empty, instead of missing"]
        if empty
        else []
    )
    return [*found, f"{shared} wallets of several users"] if shared else found


def resolve(database: Mongo, collection: str) -> Iterator[str]:
    """Make the collection's unique index possible; return a line for each changed document."""
    if collection == names.USERS:
        yield from _resolve_wallets(database)
    elif collection == names.WEEKLY_DISTRIBUTIONS:
        yield from _resolve_weeks(database)


def _resolve_wallets(database: Mongo) -> Iterator[str]:
    users = database[names.USERS]
    # A sparse index holds nulls: two users without a wallet would collide.
    moved = {"$rename": {names.WALLET: names.WALLET_REMOVED}}
    emptied = users.update_many(_NO_WALLET, moved).modified_count
    if emptied:
        yield f"users: removed the null or empty wallet_address of {counted(emptied, 'user')}"
    for wallet in list(_repeated(database, names.USERS, names.WALLET)):
        holders = list(users.find({names.WALLET: wallet}, {"_id": 1, "created_at": 1}))
        keeper, *others = sorted(holders, key=_age)
        for other in others:
            renamed = users.update_one(
                {"_id": other["_id"], names.WALLET: wallet},
                {"$rename": {names.WALLET: names.WALLET_CONFLICT}},
            )
            if renamed.modified_count:  # else another migration was faster
                yield (
                    f"users: {other['_id']} has the wallet {wallet} of the older account "
                    f"{keeper['_id']}; moved to {names.WALLET_CONFLICT}"
                )


def _age(user: Document) -> tuple[datetime, str]:
    created_at = user.get("created_at")
    if not isinstance(created_at, datetime):
        is_dated = isinstance(user["_id"], ObjectId)
        created_at = user["_id"].generation_time if is_dated else _LAST
    return created_at, str(user["_id"])


def odd_weeks(database: Mongo) -> list[Document]:
    """Distributions of another system that begin at no Monday 00:00 UTC."""
    documents = database[names.WEEKLY_DISTRIBUTIONS].find({"stage": None})
    return [document for document in documents if odd_start(document) is not None]


def move_aside(database: Mongo, document: Document, **facts: Any) -> bool:
    """Move a distribution to the collection of conflicts; False if somebody was faster."""
    weeks = database[names.WEEKLY_DISTRIBUTIONS]
    aside = database[names.WEEKLY_DISTRIBUTIONS_CONFLICTS]
    selected = {"_id": document["_id"]}
    # The copy first: a crash in between leaves it in both places, and the next try ends it.
    aside.replace_one(selected, document | facts, upsert=True)
    return bool(weeks.delete_one({**selected, "stage": document.get("stage")}).deleted_count)


def set_week_aside(database: Mongo, week: Week, reason: str, now: datetime) -> int:
    """Move the distribution of another system away, so that this system plans the week.

    The copy in the collection of conflicts records when and why. If that system has only rewards of
    the week, a record of the decision stands there alone. Returns how many rewards of that
    system are completed, or may be: their users get one of this system as well.

    Raises:
        NotDistributedElsewhere: the week has no such distribution.
    """
    document = database[names.WEEKLY_DISTRIBUTIONS].find_one({"week_start": week.start})
    rewards, decision = database[names.TOKEN_REWARDS], {"at": now, "reason": reason}
    if document is None and MongoWeeks(database).is_of_rewards_alone(week):
        record = {"week_start": week.start, names.SET_ASIDE: {**decision, "rewards_only": True}}
        database[names.WEEKLY_DISTRIBUTIONS_CONFLICTS].insert_one(record)
    elif document is None or document.get("stage") is not None:
        raise NotDistributedElsewhere(week)
    else:
        move_aside(database, document, **{names.SET_ASIDE: decision})
    return rewards.count_documents(may_be_paid(week))


def _resolve_weeks(database: Mongo) -> Iterator[str]:
    weeks = database[names.WEEKLY_DISTRIBUTIONS]
    aside = database[names.WEEKLY_DISTRIBUTIONS_CONFLICTS]
    for odd in odd_weeks(database):
        if move_aside(database, odd):
            yield (
                f"weekly_distributions: {odd['_id']} begins at no Monday 00:00 UTC (week_start is "
                f"{odd_start(odd)}); moved to {aside.name}"
            )
    for week_start in list(_repeated(database, names.WEEKLY_DISTRIBUTIONS, "week_start")):
        keeper, *others = sorted(weeks.find({"week_start": week_start}), key=_progress)
        for other in others:
            if move_aside(database, other):
                yield (
                    f"weekly_distributions: {other['_id']} is a second one for "
                    f"{_day(week_start)}, {keeper['_id']} came further; moved to {aside.name}"
                )


def _day(week_start: object) -> str:
    return f"{week_start:%Y-%m-%d}" if isinstance(week_start, datetime) else repr(week_start)


def _progress(document: Document) -> tuple[int, bool, str]:
    """A sort key: more advanced distributions first, then signed ones, then older ones."""
    stage = Stage.DUE
    if isinstance(document.get("week_start"), datetime):
        stage = distribution_of(document, archived=False).stage
    return (
        -list(Stage).index(stage),
        not document.get("distribution_tx_hash"),
        str(document["_id"]),
    )


def _repeated(database: Mongo, collection: str, field: str) -> Iterator[Any]:
    """Values of a field that several documents have."""
    stages: list[Document] = [
        {"$match": {field: {"$exists": True, "$nin": [None, ""]}}},
        {"$group": {"_id": f"${field}", "count": {"$sum": 1}}},
        {"$match": {"count": {"$gt": 1}}},
    ]
    found = database[collection].aggregate(stages, allowDiskUse=True, batchSize=STREAM_BATCH)
    for document in found:
        yield document["_id"]
