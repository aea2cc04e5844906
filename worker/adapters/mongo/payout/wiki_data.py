"""What the wiki owns, and we read."""

from __future__ import annotations

import functools
import itertools
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from pymongo.command_cursor import CommandCursor

from worker.adapters.mongo.base import STREAM_BATCH, MongoPart, stored_forms
from worker.adapters.mongo.connection import Document, reaching
from worker.adapters.mongo.names import ACCOUNT_MADE_AT, ACCOUNT_WALLETS
from worker.adapters.mongo.payout import contributions as query
from worker.adapters.mongo.payout.same_users import MixedCaseIds
from worker.adapters.mongo.payout.stakes import stake_covering
from worker.core.chunks import chunks
from worker.core.errors import KontribError, NotReady
from worker.core.identity import canonical_user_id
from worker.core.payout.records import Account, MalformedContribution, Stake, UserPoints, WeekPoints
from worker.core.plan.counted_contributions import PointsWindow
from worker.core.plan.points import defect
from worker.core.plan.rules import CONFIG_ID, Rules
from worker.core.week import Week

CHUNK_IDS = 1000
READ_AHEAD_MAX = 100_000
"""Sums that are read while the search goes on: some 47 MB."""
_EXACT_IN_A_DOUBLE = 2**53
_READ = {"user_id": 1, "type": 1, "total_points": 1, "created_at": 1}

Sums = CommandCursor[Document]


class ContributionsChanging(NotReady):
    """What is added up was changed at that very moment."""

    def __init__(self, user_id: object) -> None:
        super().__init__(
            f"The contributions of user {user_id} were changed while they were added up. Nothing "
            "was written; the week is planned again soon."
        )


class PointsNotExact(KontribError):
    """A user's points are beyond what the database can add up exactly."""

    def __init__(self, user_id: str, points: object) -> None:
        super().__init__(
            f"The points of user {user_id} add up to {points!r}, which is not exact. Correct the "
            "contributions; `kontrib check` lists them."
        )


class MongoWiki(MongoPart):
    """Implements `worker.ports.payout.WikiStore`."""

    @functools.cached_property
    def _mixed_case(self) -> MixedCaseIds:
        return MixedCaseIds(self.database)

    def rules_document(self) -> Mapping[str, Any] | None:
        return self.config.find_one({"_id": CONFIG_ID})

    def week_points(self, window: PointsWindow, rules: Rules, malformed_max: int = 0) -> WeekPoints:
        """Nearly always nothing is unusual in a week, and then the bare sum is right: it is made
        on one connection while another one looks for what is unusual. If there is anything, each
        contribution is looked at as it is added up, which takes three times as long.
        """
        with ThreadPoolExecutor(max_workers=1) as pool:
            search = pool.submit(self._search, window, rules)
            sums = self._aggregate(query.bare_stages(window), query.BY_DATE)
            ahead = list(itertools.islice(_until(search.done, sums), READ_AHEAD_MAX))
            is_usual, some_late = search.result()
        late = self._late_points(window, rules) if some_late else {}
        if is_usual and not self._any_recorded_after(window):
            bad = query.malformed_late(window, rules) if some_late else []
            count, listed = self._malformed(bad, rules, malformed_max)
            users = self._usual_users(ahead, sums, query.points_max(rules), late)
        else:
            sums.close()
            sums, (count, listed) = self._looked_at(window, rules, malformed_max)
            users = self._counted_users(sums, late)
        return WeekPoints(users, count, tuple(listed))

    def _search(self, window: PointsWindow, rules: Rules) -> tuple[bool, bool]:
        """Whether all is usual that was made in the week, and whether anything older was
        recorded since the last plan."""
        is_usual = not any(self._any(*look) for look in query.unusual(window, rules))
        return is_usual, any(self._any(*look) for look in query.older(window))

    def _any_recorded_after(self, window: PointsWindow) -> bool:
        is_old = self._any(query.recorded_long_after(window), query.BY_ID)
        return self._any(query.recorded_after(window), query.BY_DATE if is_old else query.BY_ID)

    def _any(self, selected: Document, hint: Document) -> bool:
        return bool(list(self.contributions.find(selected, {"_id": 1}).hint(hint).limit(1)))

    def _looked_at(
        self, window: PointsWindow, rules: Rules, malformed_max: int
    ) -> tuple[Sums, tuple[int, list[MalformedContribution]]]:
        """Sums of what counts, and what does not."""
        stages = query.user_points_stages(query.own(window), rules)
        with ThreadPoolExecutor(max_workers=1) as pool:
            bad = query.malformed(window, rules)
            listed = pool.submit(self._malformed, bad, rules, malformed_max)
            return self._aggregate(stages, query.BY_DATE), listed.result()

    def _late_points(self, window: PointsWindow, rules: Rules) -> dict[str, int]:
        if (selected := query.late(window)) is None:
            return {}
        stages = query.user_points_stages(selected, rules)
        return dict(self._sums(self._aggregate(stages, query.BY_ID)))

    def _aggregate(self, stages: list[Document], hint: Document) -> Sums:
        return self.contributions.aggregate(
            stages, allowDiskUse=True, batchSize=STREAM_BATCH, hint=hint
        )

    @reaching
    def _sums(self, sums: Sums) -> Iterator[tuple[str, int]]:
        with sums:
            for document in sums:
                yield document["_id"], _whole(document["_id"], document["points"])

    @reaching
    def _usual_users(
        self, ahead: list[Document], sums: Sums, points_max: int, late: dict[str, int]
    ) -> Iterator[UserPoints]:
        """Two connections see two moments: what came between them must at least be possible."""
        with sums:
            for document in itertools.chain(ahead, sums):
                user_id, points = document["_id"], document["points"]
                possible = isinstance(user_id, str) and isinstance(points, int)
                if not (possible and 0 <= points <= document["count"] * points_max):
                    raise ContributionsChanging(user_id)
                late_too = late.pop(user_id, 0)
                yield UserPoints(user_id, int(points) + late_too, late_too)
        yield from _only_late(late)

    def _counted_users(self, sums: Sums, late: dict[str, int]) -> Iterator[UserPoints]:
        for user_id, points in self._sums(sums):
            late_too = late.pop(user_id, 0)
            yield UserPoints(user_id, points + late_too, late_too)
        yield from _only_late(late)

    def _malformed(
        self, selections: Iterable[tuple[Document, Document]], rules: Rules, limit: int
    ) -> tuple[int, list[MalformedContribution]]:
        count, found = 0, []
        for selected, hint in selections if limit else ():
            documents = self.contributions.find(selected, _READ).hint(hint)
            listed = list(documents.sort("_id", 1).limit(limit + 1))
            # Each look is at every contribution of the week: usually one is enough.
            is_all = len(listed) <= limit
            count += (
                len(listed) if is_all else self.contributions.count_documents(selected, hint=hint)
            )
            found += [_malformed(document, rules) for document in listed]
        return count, sorted(found, key=lambda each: each.id)[:limit]

    def accounts(self, user_ids: Sequence[str], fields: Sequence[str]) -> dict[str, Account]:
        ours = ("wallet_address", ACCOUNT_MADE_AT, ACCOUNT_WALLETS)
        projection = dict.fromkeys((*ours, *fields), 1)
        found: dict[str, Account] = {}
        for chunk in chunks(user_ids, CHUNK_IDS):
            forms = {form: user_id for user_id in chunk for form in stored_forms(user_id)}
            documents = {
                document["_id"]: document
                for document in self.users.find({"_id": {"$in": list(forms)}}, projection)
            }
            forms_of = Counter(forms[form] for form in documents)
            forms_of.update(self._mixed_case.read() & set(forms_of))
            for form in reversed(forms):
                if (document := documents.get(form)) is not None:
                    is_twice = forms_of[forms[form]] > 1
                    found[forms[form]] = account_of(
                        forms[form], document, fields, is_twice=is_twice
                    )
        return found

    def user_ids(self) -> Iterator[str]:
        for document in self.users.find({}, {"_id": 1}, batch_size=STREAM_BATCH):
            yield canonical_user_id(str(document["_id"]))

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


def _until(done: Callable[[], bool], documents: Iterable[Document]) -> Iterator[Document]:
    """Documents as long as it is not done. None is lost: the rest is still in `documents`."""
    iterator = iter(documents)
    while not done() and (document := next(iterator, None)) is not None:
        yield document


def _only_late(late: Mapping[str, int]) -> Iterator[UserPoints]:
    """Late points are few and kept in memory, where the week's own ones stream."""
    return (UserPoints(user_id, points, points) for user_id, points in late.items())


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


def account_of(
    user_id: str, document: Mapping[str, Any], fields: Sequence[str], *, is_twice: bool
) -> Account:
    """The facts about a user, with those of these fields that the document has."""
    return Account(
        user_id=user_id,
        wallet=document.get("wallet_address"),
        fields={name: document[name] for name in fields if name in document},
        had_token_account=document.get(ACCOUNT_MADE_AT) is not None,
        is_twice=is_twice,
        account_wallets=_texts(document.get(ACCOUNT_WALLETS)),
    )


def _texts(value: object) -> tuple[str, ...]:
    return tuple(v for v in value if isinstance(v, str)) if isinstance(value, list) else ()
