"""Recorded contributions, on both stores."""

from __future__ import annotations

from datetime import timedelta
from threading import Barrier, Thread

import pytest
from bson import ObjectId

from tests.contracts.raw_documents import RawDocuments
from tests.contracts.wiki.wiki_worlds import ADA, BOB, ESSAY, GUIDE, WikiWorld
from tests.fakes.documents import contribution_document
from worker.adapters.mongo import names
from worker.core.identity import MalformedId
from worker.core.plan.points import UnknownContributionType
from worker.core.wiki.stored_counters import REPUTATION_WRITTEN
from worker.services.wiki.contribute import (
    ContributionUnusable,
    KeyUsedForAnother,
    Recorded,
    Request,
    ScoreUnusable,
    UnknownArticle,
    contribute,
)
from worker.services.wiki.recount import recount_activity, recount_all
from worker.services.wiki_context import UnknownUser

A_GUIDE = Request(ADA, GUIDE, "creation", quality=2.5, description="DeFi", metadata={"words": 2500})


def test_points_come_from_type_quality_reputation_and_demand(wiki_world: WikiWorld) -> None:
    wiki_world.set_rules(reputation_steps=[])

    recorded = contribute(wiki_world.wiki, A_GUIDE)

    [document] = wiki_world.contributions()
    assert recorded.is_new
    assert recorded.contribution.total_points == 540
    now = wiki_world.clock.now()
    assert document == {
        "_id": ObjectId(recorded.contribution.id),
        "user_id": ADA,
        "article_id": GUIDE,
        "type": "creation",
        "base_points": 100,
        "quality_multiplier": 2.5,
        "reputation_multiplier": 1.2,
        "demand_multiplier": 1.8,
        "total_points": 540,
        "description": "DeFi",
        "metadata": {"words": 2500},
        "created_at": now,
        "updated_at": now,
    }


def test_its_id_says_when_it_was_recorded(wiki_world: WikiWorld) -> None:
    recorded = contribute(wiki_world.wiki, A_GUIDE)

    assert ObjectId(recorded.contribution.id).generation_time == wiki_world.clock.now()


def test_multipliers_are_clamped_to_their_ranges(wiki_world: WikiWorld) -> None:
    request = Request(ADA, GUIDE, "minor_edit", quality=99)

    assert contribute(wiki_world.wiki, request).contribution.multipliers["quality"] == 3.0


def test_missing_scores_count_as_their_defaults(wiki_world: WikiWorld) -> None:
    wiki_world.set_rules(reputation_steps=[])
    wiki_world.base.add_user({"_id": "no score"})

    recorded = contribute(wiki_world.wiki, Request("no score", ESSAY, "review"))

    assert recorded.contribution.total_points == 10


def test_counters_of_user_and_article_follow(wiki_world: WikiWorld) -> None:
    first = contribute(wiki_world.wiki, A_GUIDE)
    wiki_world.clock.pass_days(1)
    contribute(wiki_world.wiki, Request(ADA, GUIDE, "review"))

    user, article = wiki_world.user(ADA), wiki_world.article(GUIDE)
    # 100 x 2.5 x 0.8 x 1.8, and 10 points x 0.8 x 1.8, rounded half up.
    assert (user["total_contributions"], user["total_points"]) == (2, 360 + 14)
    assert user["reputation_score"] == 0.8
    assert article["contribution_count"] == 2
    created = first.contribution.created_at
    assert article["last_contribution_date"] == created + timedelta(days=1)


@pytest.mark.parametrize(
    ("before", "reputation"), [(3, 0.8), (4, 1.0), (23, 1.0), (24, 1.2), (98, 1.2), (99, 1.5)]
)
def test_reputation_grows_with_the_number_of_contributions(
    wiki_world: WikiWorld, before: int, reputation: float
) -> None:
    now = wiki_world.clock.now()
    wiki_world.base.add_contributions(contribution_document(ADA, now) for _ in range(before))

    contribute(wiki_world.wiki, A_GUIDE)

    assert wiki_world.user(ADA)["reputation_score"] == reputation


def test_reputation_steps_are_configured(wiki_world: WikiWorld) -> None:
    wiki_world.set_rules(reputation_steps=[{"contributions": 0, "reputation": 1.1}])

    contribute(wiki_world.wiki, A_GUIDE)

    assert wiki_world.user(ADA)["reputation_score"] == 1.1


@pytest.mark.parametrize("ran", ["nothing", "a recount"])
@pytest.mark.parametrize("steps", [True, False])
@pytest.mark.parametrize("scored_by", ["this system", "the wiki"])
def test_a_first_contribution_has_the_same_points_whatever_ran_before(
    wiki_world: WikiWorld, ran: str, steps: bool, scored_by: str
) -> None:
    wiki_world.set_rules(**({} if steps else {"reputation_steps": []}))
    ours = {REPUTATION_WRITTEN: 1.3} if scored_by == "this system" else {}
    wiki_world.base.add_user({"_id": "new", "reputation_score": 1.3, **ours})
    if ran == "a recount":
        recount_all(wiki_world.wiki)

    recorded = contribute(wiki_world.wiki, Request("new", ESSAY, "creation"))

    assert recorded.contribution.total_points == (80 if steps and ours else 130)


@pytest.mark.parametrize("score", [1.3, 1, "1.3", "high", 0.8, True, [1.3]])
def test_a_score_of_the_wikis_is_never_rewritten(wiki_world: WikiWorld, score: object) -> None:
    wiki_world.base.add_user({"_id": "new", "reputation_score": score})

    for _ in range(6):
        contribute(wiki_world.wiki, Request("new", ESSAY, "creation"))
        recount_all(wiki_world.wiki)

    assert wiki_world.user("new")["reputation_score"] == score
    assert wiki_world.user("new")["total_contributions"] == 6


@pytest.mark.parametrize("fields", [{}, {"reputation_score": None}])
def test_a_user_without_a_score_gets_one_by_the_steps_until_the_wiki_sets_one(
    wiki_world: WikiWorld, fields: dict[str, object]
) -> None:
    wiki_world.base.add_user({"_id": "new", **fields})
    for _ in range(5):
        contribute(wiki_world.wiki, Request("new", ESSAY, "creation"))
    assert wiki_world.user("new")["reputation_score"] == 1.0

    RawDocuments(wiki_world).change(names.USERS, {"_id": "new"}, reputation_score=1.4)
    recorded = contribute(wiki_world.wiki, Request("new", ESSAY, "creation"))

    assert recorded.contribution.total_points == 140
    assert wiki_world.user("new")["reputation_score"] == 1.4


def test_without_steps_the_wikis_own_score_is_never_rewritten(wiki_world: WikiWorld) -> None:
    wiki_world.set_rules(reputation_steps=[])
    for _ in range(6):
        contribute(wiki_world.wiki, A_GUIDE)
    recount_all(wiki_world.wiki)

    user = wiki_world.user(ADA)
    assert (user["reputation_score"], user["total_contributions"]) == (1.2, 6)


def test_contributions_under_every_form_of_an_id_are_one_users(wiki_world: WikiWorld) -> None:
    now = wiki_world.clock.now()
    forms = [ADA, ADA.upper(), ObjectId(ADA)]
    wiki_world.base.add_contributions(contribution_document(form, now) for form in forms)

    contribute(wiki_world.wiki, A_GUIDE)

    assert wiki_world.user(ADA)["total_contributions"] == 4


def test_points_that_are_no_number_are_not_added_up(wiki_world: WikiWorld) -> None:
    now = wiki_world.clock.now()
    odd = [float("nan"), float("inf"), -5, "100", None, 1.5, True, 7.0]
    wiki_world.base.add_contributions(contribution_document(BOB, now, points=p) for p in odd)

    contribute(wiki_world.wiki, Request(BOB, ESSAY, "review"))

    user = wiki_world.user(BOB)
    assert (user["total_contributions"], user["total_points"]) == (9, 17)


def test_the_same_key_is_recorded_once(wiki_world: WikiWorld) -> None:
    request = Request(ADA, GUIDE, "creation", quality=2.5, key="edit-1")
    first = contribute(wiki_world.wiki, request)
    before = (wiki_world.user(ADA), wiki_world.article(GUIDE), wiki_world.contributions())
    wiki_world.clock.pass_days(3)

    again = contribute(wiki_world.wiki, request)

    assert again == Recorded(first.contribution, "edit-1", is_new=False)
    assert (wiki_world.user(ADA), wiki_world.article(GUIDE), wiki_world.contributions()) == before


def test_different_keys_and_no_key_are_contributions_of_their_own(wiki_world: WikiWorld) -> None:
    for key in ("a", "b", None, None):
        contribute(wiki_world.wiki, Request(ADA, GUIDE, "review", key=key))

    assert len(wiki_world.contributions()) == 4


def test_a_key_does_not_stand_for_two_contributions(wiki_world: WikiWorld) -> None:
    contribute(wiki_world.wiki, Request(ADA, GUIDE, "review", key="k"))

    with pytest.raises(KeyUsedForAnother, match="review of article"):
        contribute(wiki_world.wiki, Request(BOB, GUIDE, "review", key="k"))
    assert len(wiki_world.contributions()) == 1


def test_a_key_that_the_wiki_wrote_itself_is_known(wiki_world: WikiWorld) -> None:
    now = wiki_world.clock.now()
    document = contribution_document(ObjectId(ADA), now, points=12, kind="review")
    document |= {"article_id": GUIDE.upper(), "idempotency_key": "k", "demand_multiplier": "high"}
    wiki_world.base.add_contributions([document])

    known = contribute(wiki_world.wiki, Request(ADA, GUIDE, "review", key="k"))

    made = known.contribution
    assert (known.is_new, made.id) == (False, str(document["_id"]))
    assert (made.base_points, made.multipliers, made.total_points) == (None, {}, 12)
    assert wiki_world.user(ADA)["total_points"] == 12
    with pytest.raises(KeyUsedForAnother):
        contribute(wiki_world.wiki, Request(BOB, GUIDE, "review", key="k"))
    assert len(wiki_world.contributions()) == 1


def test_a_death_between_contribution_and_counters_is_mended_by_the_same_call(
    wiki_world: WikiWorld,
) -> None:
    request = Request(ADA, GUIDE, "review", key="k")
    recorded = contribute(wiki_world.wiki, request)
    # The state that a process leaves if it dies after the insert.
    wiki_world.wiki.counters.write_user_activity({})
    user = wiki_world.user(ADA) | {"total_contributions": 0, "total_points": 0}
    wiki_world.base.add_user(user)

    contribute(wiki_world.wiki, request)

    mended = wiki_world.user(ADA)
    points = recorded.contribution.total_points
    assert (mended["total_contributions"], mended["total_points"]) == (1, points)


@pytest.mark.parametrize(
    ("request_", "error"),
    [
        (Request("nobody", GUIDE, "creation"), UnknownUser),
        (Request(ADA, "nowhere", "creation"), UnknownArticle),
        (Request(ADA, GUIDE, "poem"), UnknownContributionType),
        (Request(ADA, GUIDE, "creation", quality="good"), ContributionUnusable),
        (Request(ADA, GUIDE, "creation", quality=float("nan")), ContributionUnusable),
        (Request(ADA, GUIDE, "creation", key=""), ContributionUnusable),
        (Request("\udcff", GUIDE, "creation"), MalformedId),
        (Request(ADA, "\udcff", "creation"), MalformedId),
        (Request(ADA, GUIDE, "creation", metadata={"a": {"b\0": 1}}), ContributionUnusable),
    ],
)
def test_bad_input_has_a_name_and_changes_nothing(
    wiki_world: WikiWorld, request_: Request, error: type[Exception]
) -> None:
    before = (wiki_world.user(ADA), wiki_world.article(GUIDE))

    with pytest.raises(error):
        contribute(wiki_world.wiki, request_)

    assert wiki_world.contributions() == []
    assert (wiki_world.user(ADA), wiki_world.article(GUIDE)) == before


def test_a_stored_score_that_is_no_number_is_named(wiki_world: WikiWorld) -> None:
    wiki_world.set_rules(reputation_steps=[])
    wiki_world.base.add_user({"_id": "odd", "reputation_score": "high"})

    with pytest.raises(ScoreUnusable, match="reputation_score is 'high'"):
        contribute(wiki_world.wiki, Request("odd", GUIDE, "review"))


def test_a_recount_corrects_nothing_that_is_right(wiki_world: WikiWorld) -> None:
    contribute(wiki_world.wiki, A_GUIDE)
    rules = wiki_world.wiki.rules()

    assert recount_activity(wiki_world.wiki, rules, [ADA], [GUIDE]) == 0


@pytest.mark.real
def test_many_at_the_same_time_lose_no_count(real_wiki_world: WikiWorld) -> None:
    barrier, failures = Barrier(4), []

    def work(number: int) -> None:
        barrier.wait()
        try:
            for i in range(5):
                contribute(real_wiki_world.wiki, Request(ADA, GUIDE, "review", key=f"{number}-{i}"))
                contribute(real_wiki_world.wiki, Request(ADA, GUIDE, "review", key=f"shared-{i}"))
        except Exception as error:  # noqa: BLE001 - shown by the assertion below
            failures.append(error)

    threads = [Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert failures == []
    assert len(real_wiki_world.contributions()) == 25
    user = real_wiki_world.user(ADA)
    assert user["total_contributions"] == 25
    assert user["total_points"] == sum(c["total_points"] for c in real_wiki_world.contributions())
    assert real_wiki_world.article(GUIDE)["contribution_count"] == 25
