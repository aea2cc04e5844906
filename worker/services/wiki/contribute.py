"""Records a contribution with its points at this moment.

The contribution is written first, once for each of the caller's keys. The counters of its user and
its article are then computed from all contributions. If the process dies in between, the next call
with the same key, the next contribution or a recount corrects the counters.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from worker.core.errors import UsageError
from worker.core.identity import canonical_user_id
from worker.core.money import MalformedAmount, exact_decimal
from worker.core.payout.records import Account
from worker.core.plan.rules import Rules
from worker.core.storable import is_storable_text
from worker.core.wiki.contribution_file import (
    Contribution,
    MalformedRecord,
    Occurrences,
    contribution_from,
)
from worker.core.wiki.counters import reputation
from worker.core.wiki.files.extended_json import NotExtendedJson, id_text, plain_number
from worker.core.wiki.stored_counters import (
    REPUTATION,
    REPUTATION_WRITTEN,
    counted_whole,
    has_own_reputation,
)
from worker.services.wiki.recount import recount_activity
from worker.services.wiki_context import WikiContext

KEY_CHARACTERS_MAX = 200


class UnknownArticle(UsageError):
    """No article of the wiki has this id."""

    def __init__(self, article_id: str) -> None:
        self.article_id = article_id
        super().__init__(
            f"There is no article '{article_id}'. Give the _id of a document in articles."
        )


class ContributionUnusable(UsageError):
    """The contribution cannot be recorded."""


class ScoreUnusable(UsageError):
    """The points depend on a stored score that is not a number."""

    def __init__(self, name: str, value: object) -> None:
        super().__init__(f"{name} is {value!r}, which is not a number. Correct the document first.")


class KeyUsedForAnother(UsageError):
    """The key belongs to another contribution."""

    def __init__(self, key: str, known: Contribution) -> None:
        self.key, self.known = key, known
        super().__init__(
            f"The key '{key}' was used for another contribution ({known.type} of article "
            f"{known.article_id} by user {known.user_id}). Nothing was recorded; give each "
            "contribution a key of its own."
        )


@dataclass(frozen=True, slots=True)
class Request:
    """A contribution as the caller describes it. `quality` None means the default quality."""

    user_id: str
    article_id: str
    type: str
    quality: object = None
    description: str = ""
    metadata: Mapping[str, Any] | None = None
    key: str | None = None


@dataclass(frozen=True, slots=True)
class Recorded:
    """A stored contribution. `is_new` is False if an earlier request with the key recorded it."""

    contribution: Contribution
    key: str | None
    is_new: bool


def contribute(wiki: WikiContext, request: Request) -> Recorded:
    """Compute a contribution's points and record the contribution, once for each key.

    Raises:
        UnknownUser, UnknownArticle, UnknownContributionType: nothing has this name.
        ContributionUnusable: a part of the request cannot be recorded.
        ScoreUnusable: a stored score is not a number.
        KeyUsedForAnother: the key belongs to another contribution.
        MalformedRules: the configuration is unusable.
    """
    rules, key = wiki.rules(), request.key
    if key is not None and not 0 < len(key) <= KEY_CHARACTERS_MAX:
        raise ContributionUnusable(f"A key has 1 to {KEY_CHARACTERS_MAX} characters.")
    found = None if key is None else wiki.contributions.contribution_of_key(key)
    is_new = False
    if found is None:
        priced = _priced(wiki, request, rules)
        # Before there is a contribution that an opening balance would take for an earlier one.
        wiki.counters.open_counters([priced.user_id], [priced.article_id])
        found, is_new = wiki.contributions.record(priced, key)
    _refuse_another(found, request, key)
    recount_activity(wiki, rules, [found.user_id], [found.article_id])
    return Recorded(found, key, is_new)


def _refuse_another(known: Contribution, request: Request, key: str | None) -> None:
    """User, article and type identify a contribution. Quality, text and metadata may differ."""
    asked = (canonical_user_id(request.user_id), canonical_user_id(request.article_id))
    if (known.user_id, known.article_id, known.type) != (*asked, request.type):
        raise KeyUsedForAnother(key or "", known)


def _priced(wiki: WikiContext, request: Request, rules: Rules) -> Contribution:
    """The contribution with its points. The store gives it an id."""
    rules.points.base(request.type)
    account = wiki.account(request.user_id, REPUTATION, REPUTATION_WRITTEN)
    article_id = canonical_user_id(request.article_id)
    exists, demand = wiki.contributions.article_demand(article_id)
    if not exists:
        raise UnknownArticle(request.article_id)
    quality = request.quality
    not_a_number = ContributionUnusable(f"quality is {quality!r}, which is not a number.")
    values = {
        "user_id": account.user_id,
        "article_id": article_id,
        "type": request.type,
        "quality_multiplier": _number(quality, not_a_number),
        "reputation_multiplier": _reputation(wiki, rules, account),
        "demand_multiplier": _number(demand, ScoreUnusable("articles.demand_score", demand)),
        "description": request.description,
        "metadata": request.metadata,
        "created_at": wiki.now().isoformat(),
    }
    try:
        priced = contribution_from(values, rules.points, Occurrences())
    except MalformedRecord as error:
        raise ContributionUnusable(f"The contribution cannot be recorded: {error}.") from None
    return replace(priced, id="")


def _reputation(wiki: WikiContext, rules: Rules, account: Account) -> object:
    """The wiki's own score. Without one, by the steps and the contributions so far.

    Counters may wait for a recount, so the contributions are counted here.
    """
    own = account.fields.get(REPUTATION)
    if rules.reputation_steps:
        if has_own_reputation(account.fields) and counted_whole(own) is not None:
            return exact_decimal(own)
        activity = wiki.counters.user_activity([account.user_id])[account.user_id]
        return reputation(rules.reputation_steps, activity.contributions)
    return _number(own, ScoreUnusable("users.reputation_score", own))


def _number(value: object, error: UsageError) -> object:
    try:
        return None if value is None else exact_decimal(value)
    except MalformedAmount:
        raise error from None


TEXTS = ("user", "article", "type")
OPTIONAL = ("quality", "description", "metadata", "key")


def request_from(values: object) -> Request:
    """Make a request from a JSON object. `user`, `article` and `type` are required; `quality`,
    `description`, `metadata` and `key` are optional.

    Raises:
        ContributionUnusable: a field is missing, unknown, or of the wrong kind.
    """
    if not isinstance(values, dict):
        raise ContributionUnusable("A contribution is a JSON object.")
    if not all(map(is_storable_text, values)):
        raise ContributionUnusable("The contribution has a field name that is not UTF-8.")
    if unknown := sorted(set(values) - {*TEXTS, *OPTIONAL}):
        known = ", ".join([*TEXTS, *OPTIONAL])
        raise ContributionUnusable(f"'{unknown[0]}' is unknown. There are {known}.")
    values = _plain(values)
    for name in TEXTS:
        if not isinstance(values.get(name), str) or not values[name]:
            raise ContributionUnusable(f"'{name}' must be a text.")
    for name in ("description", "key"):
        if not isinstance(values.get(name), str | None):
            raise ContributionUnusable(f"'{name}' must be a text.")
    for name in (*TEXTS, "description", "key"):
        if not is_storable_text(values.get(name) or ""):
            raise ContributionUnusable(f"'{name}' is not UTF-8.")
    return Request(
        user_id=values["user"],
        article_id=values["article"],
        type=values["type"],
        quality=values.get("quality"),
        description=values.get("description") or "",
        metadata=values.get("metadata"),
        key=values.get("key"),
    )


def _plain(values: Mapping[str, Any]) -> Mapping[str, Any]:
    """The values without the wrappers of extended JSON."""
    ids = {}
    for name in ("user", "article"):
        try:
            ids[name] = id_text(values.get(name))
        except NotExtendedJson as error:
            raise ContributionUnusable(f"'{name}' {error}.") from None
    return {**values, **ids, "quality": plain_number(values.get("quality"))}
