"""What the wiki owns, and we read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from worker.adapters.mongo import contributions as query
from worker.adapters.mongo.base import STREAM_BATCH, MongoPart, chunks, stored_forms
from worker.adapters.mongo.connection import Document, reaching
from worker.adapters.mongo.names import ACCOUNT_MADE_AT
from worker.adapters.mongo.stakes import stake_covering
from worker.core.errors import KontribError
from worker.core.identity import canonical_user_id
from worker.core.points import defect
from worker.core.records import Account, MalformedContribution, PointsWindow, Stake, UserPoints
from worker.core.rules import CONFIG_ID, Rules
from worker.core.week import Week

CHUNK_IDS = 1000
_EXACT_IN_A_DOUBLE = 2**53
_BY_DATE = {"created_at": -1}
_BY_ID = {"_id": 1}
_READ = {"user_id": 1, "type": 1, "total_points": 1, "created_at": 1}


class PointsNotExact(KontribError):
    """A user's points are beyond what the database can add up exactly."""

    def __init__(self, user_id: str, points: object) -> None:
        super().__init__(
            f"The points of user {user_id} add up to {points!r}, which is not exact. Correct the "
            "contributions; `kontrib check` lists them."
        )


class MongoWiki(MongoPart):
    """Implements `worker.ports.WikiStore`."""

    @reaching
    def rules_document(self) -> Mapping[str, Any] | None:
        return self.config.find_one({"_id": CONFIG_ID})

    @reaching
    def user_points(self, window: PointsWindow, rules: Rules) -> Iterator[UserPoints]:
        """Late points first, since they are few and kept in memory; own ones then stream."""
        late_points: dict[str, int] = {}
        if (late := query.late(window)) is not None:
            late_points = dict(self._sums(late, rules, _BY_ID))
        for user_id, points in self._sums(query.own(window), rules, _BY_DATE):
            late_too = late_points.pop(user_id, 0)
            yield UserPoints(user_id, points + late_too, late_too)
        for user_id, points in late_points.items():
            yield UserPoints(user_id, points, points)

    def _sums(self, selected: Document, rules: Rules, hint: Document) -> Iterator[tuple[str, int]]:
        stages = query.user_points_stages(selected, rules)
        with self.contributions.aggregate(
            stages, allowDiskUse=True, batchSize=STREAM_BATCH, hint=hint
        ) as cursor:
            for document in cursor:
                yield document["_id"], _whole(document["_id"], document["points"])

    @reaching
    def malformed(
        self, window: PointsWindow, rules: Rules, limit: int
    ) -> tuple[int, list[MalformedContribution]]:
        count, found = 0, []
        for selected, hint in self._malformed_selections(window, rules):
            documents = self.contributions.find(selected, _READ).hint(hint)
            listed = list(documents.sort("_id", 1).limit(limit + 1))
            # Each look is at every contribution of the week: usually one is enough.
            is_all = len(listed) <= limit
            count += (
                len(listed) if is_all else self.contributions.count_documents(selected, hint=hint)
            )
            found += [_malformed(document, rules) for document in listed]
        return count, sorted(found, key=lambda each: each.id)[:limit]

    def _malformed_selections(
        self, window: PointsWindow, rules: Rules
    ) -> Iterator[tuple[Document, Document]]:
        """Disjoint selections of what cannot count, each with the index that finds it."""
        bad = {"$nor": [{"$and": [query.counts(rules), query.is_user("$user_id")]}]}
        dated = {"created_at.0": {"$exists": False}}
        yield {"$and": [query.own(window), dated, bad]}, _BY_DATE
        if (late := query.late(window)) is not None:
            yield {"$and": [late, dated, bad]}, _BY_ID
        yield query.undated(window), _BY_ID

    @reaching
    def accounts(self, user_ids: Sequence[str], fields: Sequence[str]) -> dict[str, Account]:
        tops = {field.split(".")[0]: 1 for field in fields}
        projection = {"wallet_address": 1, ACCOUNT_MADE_AT: 1, **tops}
        found: dict[str, Account] = {}
        for chunk in chunks(user_ids, CHUNK_IDS):
            forms = {form: user_id for user_id in chunk for form in stored_forms(user_id)}
            documents = {
                document["_id"]: document
                for document in self.users.find({"_id": {"$in": list(forms)}}, projection)
            }
            for form in reversed(forms):
                if (document := documents.get(form)) is not None:
                    found[forms[form]] = _account(forms[form], document, fields)
        return found

    @reaching
    def user_ids(self) -> Iterator[str]:
        for document in self.users.find({}, {"_id": 1}, batch_size=STREAM_BATCH):
            yield canonical_user_id(str(document["_id"]))

    @reaching
    def stakes_covering(self, week: Week, user_ids: Sequence[str]) -> list[Stake]:
        found = []
        for chunk in chunks(user_ids, CHUNK_IDS):
            forms = {form: user_id for user_id in chunk for form in stored_forms(user_id)}
            selected = {
                "user_id": {"$in": list(forms)},
                "start_date": {"$lte": week.start},
                "end_date": {"$gte": week.end},
            }
            for document in self.stakes.find(selected):
                stake = stake_covering(week, document, query.canonical_user(document))
                if stake is not None and stake.user_id:
                    found.append(stake)
        return found


def _whole(user_id: str, points: object) -> int:
    """Points as an integer. A database adds whole doubles up exactly below 2^53."""
    if isinstance(points, int):
        return int(points)
    if isinstance(points, float) and points.is_integer() and points < _EXACT_IN_A_DOUBLE:
        return int(points)
    raise PointsNotExact(user_id, points)


def _malformed(document: Document, rules: Rules) -> MalformedContribution:
    reason = defect(rules.points, query.as_plain(document)) or "not as the schema has it"
    return MalformedContribution(str(document["_id"]), reason)


def _account(user_id: str, document: Document, fields: Sequence[str]) -> Account:
    return Account(
        user_id=user_id,
        wallet=document.get("wallet_address"),
        fields={name: _value_at(document, name) for name in fields},
        had_token_account=document.get(ACCOUNT_MADE_AT) is not None,
    )


def _value_at(document: Document, name: str) -> object:
    """The value of a dotted name; None where it is missing."""
    value: Any = document
    for part in name.split("."):
        value = value.get(part) if isinstance(value, Mapping) else None
    return value
