"""The wiki's side of the in-memory store. `core.plan.points.defect` checks every contribution."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from bson import ObjectId

from tests.fakes.store.state import Document, State
from worker.adapters.mongo.payout.stakes import stake_covering
from worker.core.identity import canonical_user_id
from worker.core.payout.records import (
    Account,
    MalformedContribution,
    Stake,
    UnusableStake,
    UserPoints,
    WeekPoints,
)
from worker.core.plan.counted_contributions import Place, PointsWindow
from worker.core.plan.points import claimed_points, defect
from worker.core.plan.rules import Rules
from worker.core.week import Week


class FakeWiki:
    """Implements `worker.ports.payout.WikiStore` over `state`."""

    state: State

    def rules_document(self) -> Mapping[str, Any] | None:
        return self.state.config.get("token_system")

    def week_points(self, window: PointsWindow, rules: Rules, malformed_max: int = 0) -> WeekPoints:
        sums: dict[str, UserPoints] = {}
        counted, claimed, after, malformed = 0, 0, [], []
        highest = rules.points.highest_of_all()
        for document in list(self.state.contributions.values()):
            part = _place(document, window)
            if part == Place.AFTER:
                after.append(str(document["_id"]))
            elif part is not None:
                reason = defect(rules.points, _plain(document))
                if reason is not None:
                    malformed.append(MalformedContribution(str(document["_id"]), reason))
                    claimed += claimed_points(document.get("total_points"), highest)
                    continue
                counted += 1
                user_id, points = _user(document), int(document["total_points"])
                known, late = sums.get(user_id, UserPoints(user_id, 0, 0)), part == Place.LATE
                sums[user_id] = UserPoints(
                    user_id,
                    known.points + points,
                    known.late_points + points * late,
                    known.contributions + 1,
                    known.late_contributions + late,
                )
        return WeekPoints(
            iter(sums.values()),
            len(malformed),
            tuple(sorted(malformed, key=lambda each: each.id)[:malformed_max]),
            seen=counted + len(malformed) + len(after),
            counted=counted,
            after_cutoff=len(after),
            after=tuple(sorted(after)[:malformed_max]),
            malformed_points=claimed,
        )

    def accounts(self, user_ids: Sequence[str], fields: Sequence[str]) -> dict[str, Account]:
        found: dict[str, Account] = {}
        for user_id in user_ids:
            for form in reversed(stored_forms(user_id)):
                if (document := self.state.users.get(form)) is not None:
                    is_twice = len(same_users(self.state.users).get(user_id, ())) > 1
                    found[user_id] = _account(user_id, document, fields, is_twice=is_twice)
        return found

    def user_ids(self) -> Iterator[str]:
        return iter({canonical_user_id(str(form)): None for form in self.state.users})

    def stakes_covering(self, week: Week, user_ids: Sequence[str]) -> list[Stake]:
        wanted = set(user_ids)
        found = []
        for document in self.state.stakes.values():
            user_id = _user(document)
            if user_id not in wanted or document["user_id"] not in stored_forms(user_id):
                continue
            if isinstance(stake := stake_covering(week, document, user_id), Stake):
                found.append(stake)
        return found

    def unusable_stakes(self, week: Week) -> list[UnusableStake]:
        stakes = [{"_id": key} | document for key, document in self.state.stakes.items()]
        read = (stake_covering(week, each, _user(each)) for each in stakes)
        return sorted((s for s in read if isinstance(s, UnusableStake)), key=lambda s: s.id)


def stored_forms(user_id: str) -> list[object]:
    """The possible stored forms of a user's id, the usual one first."""
    is_hex = len(user_id) == 24 and ObjectId.is_valid(user_id)
    return [ObjectId(user_id), user_id, user_id.upper()] if is_hex else [user_id]


def _recorded_at(document: Document) -> datetime | None:
    """The ObjectId's time; None for any other value."""
    document_id = document["_id"]
    return document_id.generation_time if isinstance(document_id, ObjectId) else None


def _part(document: Document, window: PointsWindow) -> str | None:
    """Return "own" or "late" for a contribution that counts in the week, else None."""
    place = _place(document, window)
    return place if place in (Place.OWN, Place.LATE) else None


def _place(document: Document, window: PointsWindow) -> str | None:
    """The place of a contribution, "undated" for one without a date; None outside the window."""
    created_at, recorded_at = document.get("created_at"), _recorded_at(document)
    if isinstance(created_at, datetime):
        return window.place(created_at, recorded_at)
    if _in_week(created_at, window.week):
        return window.place(window.week.start, recorded_at)
    if _dates(created_at):
        return None
    since = window.previous_cutoff or window.week.start
    is_new = recorded_at is None or since <= recorded_at < window.cutoff
    return "undated" if is_new else None


def _dates(value: object) -> list[datetime]:
    values = value if isinstance(value, list) else [value]
    return [each for each in values if isinstance(each, datetime)]


def _in_week(created_at: object, week: Week) -> bool:
    """Whether a query for the week finds it: two elements of an array may hold its two bounds."""
    dates = _dates(created_at)
    return any(each >= week.start for each in dates) and any(each < week.end for each in dates)


def _user(document: Document) -> str:
    """The canonical user id; empty if the document has none."""
    user_id = document.get("user_id")
    return canonical_user_id(str(user_id)) if isinstance(user_id, str | ObjectId) else ""


def _plain(document: Document) -> Document:
    return {
        "user_id": _user(document),
        "type": document.get("type"),
        "total_points": document.get("total_points"),
        "created_at_is_date": isinstance(document.get("created_at"), datetime),
    }


def same_users(ids: Iterable[object]) -> dict[str, list[object]]:
    """Stored ids of users, by their canonical form."""
    found: dict[str, list[object]] = {}
    for each in ids:
        if isinstance(each, str | ObjectId):
            found.setdefault(canonical_user_id(str(each)), []).append(each)
    return found


def _account(user_id: str, document: Document, fields: Sequence[str], *, is_twice: bool) -> Account:
    return Account(
        user_id=user_id,
        wallet=document.get("wallet_address"),
        fields={name: document[name] for name in fields if name in document},
        had_token_account=document.get("token_account_created_at") is not None,
        is_twice=is_twice,
        account_wallets=tuple(document.get("token_account_wallets") or ()),
    )
