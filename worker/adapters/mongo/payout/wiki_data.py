"""Reads the wiki's own documents."""

from __future__ import annotations

import functools
import secrets
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from worker.adapters.mongo.base import STREAM_BATCH, MongoPart, stored_forms
from worker.adapters.mongo.connection import Document
from worker.adapters.mongo.names import ACCOUNT_MADE_AT, ACCOUNT_WALLETS
from worker.adapters.mongo.payout import contributions as query
from worker.adapters.mongo.payout.same_users import MixedCaseIds
from worker.adapters.mongo.payout.stakes import stake_covering
from worker.adapters.mongo.payout.sums.week_sum import PointsNotExact, WeekSum
from worker.core.chunks import chunks
from worker.core.identity import canonical_user_id
from worker.core.payout.records import Account, Stake, UnusableStake, WeekPoints
from worker.core.plan.counted_contributions import PointsWindow
from worker.core.plan.rules import CONFIG_ID, Rules
from worker.core.week import Week

CHUNK_IDS = 1000


class MongoWiki(MongoPart):
    """Implements `worker.ports.payout.WikiStore`."""

    @functools.cached_property
    def _mixed_case(self) -> MixedCaseIds:
        return MixedCaseIds(self.database)

    def rules_document(self) -> Mapping[str, Any] | None:
        return self.config.find_one({"_id": CONFIG_ID})

    def week_points(self, window: PointsWindow, rules: Rules, malformed_max: int = 0) -> WeekPoints:
        """All numbers come from one aggregation.

        The fast aggregation is nearly always enough. A slower one replaces its result if, for
        example, points are doubles or a user has two ids.
        """
        try:
            return self._week_points(window, rules, malformed_max, exactly=False)
        except PointsNotExact:
            return self._week_points(window, rules, malformed_max, exactly=True)

    def _week_points(
        self, window: PointsWindow, rules: Rules, malformed_max: int, *, exactly: bool
    ) -> WeekPoints:
        mark = secrets.token_hex(16)
        total = WeekSum(rules, mark, malformed_max, exactly=exactly)
        stages = query.sum_stages(window, rules, mark, exactly=exactly)
        with self.contributions.aggregate(
            stages, allowDiskUse=True, batchSize=STREAM_BATCH, hint=query.BY_DATE
        ) as groups:
            for group in groups:
                total.add(group)
        found = total.result()
        return replace(
            found, after=self._first_after(window, min(malformed_max, found.after_cutoff))
        )

    def _first_after(self, window: PointsWindow, count: int) -> tuple[str, ...]:
        if not count:
            return ()
        found = self.contributions.find(query.after_cutoff(window), {"_id": 1}, hint=query.BY_DATE)
        return tuple(str(document["_id"]) for document in found.sort("_id", 1).limit(count))

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
            selected = {"user_id": {"$in": list(forms)}, **_may_cover(week)}
            for document in self.stakes.find(selected):
                stake = stake_covering(week, document, query.canonical_user(document))
                if isinstance(stake, Stake) and stake.user_id:
                    found.append(stake)
        return found

    def unusable_stakes(self, week: Week) -> list[UnusableStake]:
        found = self.stakes.find(_may_cover(week), batch_size=STREAM_BATCH)
        read = (stake_covering(week, each, query.canonical_user(each)) for each in found)
        return sorted((s for s in read if isinstance(s, UnusableStake)), key=lambda s: s.id)


def _may_cover(week: Week) -> Document:
    """Selects stakes that do not begin too late or end too early, by dates that can be read."""
    return {
        "start_date": {"$not": {"$gt": week.start}},
        "end_date": {"$not": {"$lt": week.end}},
    }


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
