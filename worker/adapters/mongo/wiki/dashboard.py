"""The pages of one user for the wiki. Each query names the index that it uses.

A user's id may be stored in several forms. A query for a single form reads documents in the order
of an index, so each form has its own query, and this module merges the results.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from decimal import Decimal
from itertools import islice
from math import isfinite
from typing import Any

from worker.adapters.mongo.base import MongoPart, canonical_id, integer_sum, stored_forms
from worker.adapters.mongo.connection import Document
from worker.adapters.mongo.counting.contribution_counts import SUM_OF_POINTS
from worker.adapters.mongo.payout.contributions import BY_USER
from worker.adapters.mongo.payout.historic import historic_reward_of
from worker.adapters.mongo.payout.wiki_data import account_of
from worker.adapters.mongo.wiki.newest import newest
from worker.core.identity import canonical_user_id
from worker.core.money import BaseUnits
from worker.core.week import Week
from worker.core.wiki.stored_counters import counted_tokens, counted_whole
from worker.ports.check import Cursor, ShownContribution, ShownReward, ShownUser

BY_USER_AND_WEEK = {"user_id": 1, "week_start": 1}
_REWARD = (
    "user_id week_start plan_id total_points amount_base_units status reason "
    "transaction_signature token_amount"
)
_CONTRIBUTION = "article_id type total_points description created_at"


class MongoViews(MongoPart):
    """Implements `worker.ports.check.ViewStore`."""

    def shown_user(self, user_id: str) -> ShownUser | None:
        forms = stored_forms(user_id)
        found = {d["_id"]: d for d in self.users.find({"_id": {"$in": forms}})}
        document = next((found[form] for form in forms if form in found), None)
        return None if document is None else shown_user_of(user_id, document, len(found))

    def contributions_page(
        self, user_id: str, after: Cursor | None, limit: int
    ) -> list[ShownContribution]:
        found = (
            shown_contribution_of(document)
            for form in self._forms_in_use(user_id)
            for document in self._of_form(form, after, limit)
        )
        wanted = (c for c in found if after is None or place_of(c) < (after.created_at, after.id))
        return heapq.nlargest(limit, wanted, key=place_of)

    def _forms_in_use(self, user_id: str) -> list[object]:
        """The canonical form, and the other forms if the wiki uses any of them for this user."""
        usual = canonical_user_id(user_id)
        others = [form for form in stored_forms(user_id) if form != usual]
        odd = {"user_id": {"$in": others}}
        is_odd = others and self.contributions.find_one(odd, {"_id": 1}, hint=BY_USER)
        return [usual, *others] if is_odd else [usual]

    def _of_form(self, form: object, after: Cursor | None, limit: int) -> Iterable[Document]:
        """Enough documents for a page, all with this form of the id.

        The index has no order by id within one moment. So this method reads all documents of the
        cursor's moment, and all of the last moment on the page.
        """
        until = {} if after is None else {"$lte": after.created_at}

        def read(since: datetime | None, most: int) -> list[Document]:
            dates = {"$type": "date", **until} | ({} if since is None else {"$gte": since})
            selected = {"user_id": form, "created_at": dates}
            fields = _CONTRIBUTION.split()
            found = self.contributions.find(selected, fields, hint=BY_USER, batch_size=most + 1)
            return list(found.limit(most))

        some = newest(read, limit, None if after is None else after.created_at)
        found = self._sorted(form, after, limit) if some is None else iter(some)
        return (each for each in found if isinstance(each["created_at"], datetime))

    def _sorted(self, form: object, after: Cursor | None, limit: int) -> Iterator[Document]:
        """The documents in the order of the index, newest first."""
        selected: Document = {"user_id": form, "created_at": {"$type": "date"}}
        if after is not None:
            selected["created_at"] = {"$lte": after.created_at, "$type": "date"}
        found = self.contributions.find(selected, _CONTRIBUTION.split(), batch_size=limit + 2)
        counted, last = 0, None
        for document in found.hint(BY_USER).sort("created_at", -1):
            moment = document["created_at"]
            if counted >= limit and moment != last:
                return
            yield document
            counted, last = counted + (after is None or moment < after.created_at), moment

    def points_between(self, user_id: str, start: datetime, end: datetime) -> int:
        mine = {
            "user_id": {"$in": stored_forms(user_id), "$not": {"$type": "array"}},
            "created_at": {"$gte": start, "$lt": end},
        }
        # The plain sum is twice as fast. It is an integer unless points are doubles or decimals.
        points = self._sum(mine, {"$sum": "$total_points"})
        if not isinstance(points, int):
            points = self._sum(mine, SUM_OF_POINTS)
        return integer_sum("points", points)

    def _sum(self, selected: Document, points: Document) -> object:
        stages: list[Document] = [{"$match": selected}, {"$group": {"_id": None, "points": points}}]
        found = list(self.contributions.aggregate(stages, hint=BY_USER))
        return found[0]["points"] if found else 0

    def rewards_page(self, user_id: str, before: Week | None, limit: int) -> list[ShownReward]:
        selected: Document = {"user_id": {"$in": stored_forms(canonical_user_id(user_id))}}
        if before is not None:
            selected["week_start"] = {"$lt": before.start}
        found = self.token_rewards.find(selected, _REWARD.split()).hint(BY_USER_AND_WEEK)
        documents = list(found.sort("week_start", -1).limit(2 * limit + 1))
        plans = self._plans_of([d for d in documents if d.get("plan_id") is not None])
        shown = (
            shown_reward_of(document)
            if document.get("plan_id") is not None
            else shown_historic_reward_of(document)
            for document in documents
            if document.get("plan_id") is None
            or document["plan_id"] == plans.get(document["week_start"])
        )
        return list(islice(filter(None, shown), limit))

    def _plans_of(self, rewards: list[Document]) -> dict[datetime, str | None]:
        """The plan of each week. Rewards of other plans are drafts, which nobody is owed."""
        plans: dict[datetime, str | None] = {}
        selected = {"week_start": {"$in": sorted({each["week_start"] for each in rewards})}}
        for document in self._all_weeks(selected, {"week_start": 1, "plan_id": 1}):
            plans.setdefault(document["week_start"], document.get("plan_id"))
        return plans


def place_of(contribution: ShownContribution) -> tuple[datetime, str]:
    """The sort key of a contribution among those of its user."""
    return contribution.created_at, contribution.id


def shown_contribution_of(document: Mapping[str, Any]) -> ShownContribution:
    return ShownContribution(
        id=str(document["_id"]),
        article_id=canonical_id(document.get("article_id")),
        type=str(document.get("type") or ""),
        points=_whole(document.get("total_points")),
        description=str(document.get("description") or ""),
        created_at=document["created_at"],
    )


def shown_reward_of(document: Mapping[str, Any]) -> ShownReward:
    return ShownReward(
        week=Week.containing(document["week_start"]),
        points=int(document.get("total_points") or 0),
        amount=BaseUnits(int(document.get("amount_base_units") or 0)),
        status=str(document.get("status")),
        reason=document.get("reason"),
        signature=document.get("transaction_signature"),
    )


def shown_historic_reward_of(document: Mapping[str, Any]) -> ShownReward | None:
    """A reward of another system; None if it cannot be read."""
    if (reward := historic_reward_of(document)) is None:
        return None
    week, row = Week.containing(document["week_start"]), reward.row
    status = reward.status.value
    return ShownReward(week, row.points, row.amount, status, None, reward.signature)


def shown_user_of(user_id: str, document: Mapping[str, Any], documents: int) -> ShownUser:
    """`documents`: how many documents have an id of this user."""
    wallet = document.get("wallet_address")
    reputation = document.get("reputation_score")
    return ShownUser(
        user_id=canonical_user_id(user_id),
        wallet=wallet if isinstance(wallet, str) else None,
        reputation=float(reputation) if isinstance(reputation, int | float | Decimal) else 1.0,
        contributions=counted_whole(document.get("total_contributions")) or 0,
        points=counted_whole(document.get("total_points")) or 0,
        earned=_balance(document, "total_tokens_earned"),
        staked=_balance(document, "staked_tokens"),
        power=_balance(document, "governance_power"),
        account=account_of(
            canonical_user_id(user_id), document, list(document), is_twice=documents > 1
        ),
    )


def _balance(document: Mapping[str, Any], name: str) -> BaseUnits:
    """Base units; from the wiki's own number if there is no exact one yet."""
    exact = document.get(f"{name}_base_units")
    if isinstance(exact, int):
        return BaseUnits(int(exact))
    return counted_tokens(document.get(name)) or BaseUnits(0)


def _whole(value: object) -> int:
    """A counter; 0 if the stored value is not a whole number."""
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        return 0
    return int(value) if isfinite(value) and value == int(value) else 0
