"""Contributions, counters, stakes and proposals at the terminal."""

from __future__ import annotations

import io
import json
from datetime import timedelta
from typing import Any

import pytest

from tests.cli.conftest import Command
from tests.fakes.documents import contribution_document
from tests.fakes.world import World, store_of
from worker.core.money import ONE_TOKEN
from worker.services.wiki.governance_clock import keep_governance

GUIDE = "607f1f77bcf86cd799439021"


@pytest.fixture
def ada(world: World) -> str:
    store_of(world.first).state.articles[GUIDE] = {"_id": GUIDE, "demand_score": 1.8}
    user_id = world.add_user("ada")
    store_of(world.first).set_user_fields(_key(world, user_id), reputation_score=1.2)
    return user_id


@pytest.fixture
def rich_ada(ada: str, world: World, kontrib: Command) -> str:
    """Ada was paid a whole week's pool, and her counters include it."""
    world.contribute("ada", 100)
    kontrib("genesis", "--first-week", "2024-W50")
    assert kontrib("run", "2024-W50", "--inline") == 0
    assert kontrib("recount") == 0
    return ada


def _key(world: World, user_id: str) -> Any:
    return next(key for key in store_of(world.first).state.users if str(key) == user_id)


def feed(monkeypatch: pytest.MonkeyPatch, *lines: object) -> None:
    texts = [line if isinstance(line, str) else json.dumps(line) for line in lines]
    stdin = io.TextIOWrapper(io.BytesIO("\n".join(texts).encode()))
    monkeypatch.setattr("sys.stdin", stdin)


# --- contribute --------------------------------------------------------------------------------


def test_a_contribution_is_recorded_with_its_points(kontrib: Command, ada: str) -> None:
    asked = ("--user", ada, "--article", GUIDE, "--type", "creation", "--quality", "2.5")
    made = kontrib.json("contribute", *asked, "--key", "k", "--metadata", '{"words": 2500}')
    again = kontrib.json("contribute", *asked, "--key", "k")
    # By the score that the wiki gave her.
    assert (made["total_points"], made["new"]) == (540, True)
    assert again == made | {"new": False}
    assert kontrib("contribute", *asked) == 0
    assert "540 points (100 x 2.5 x 1.2 x 1.8) for a creation" in kontrib.out


def test_a_contribution_by_a_user_without_a_score_has_points_by_the_steps(
    kontrib: Command, world: World, ada: str
) -> None:
    store_of(world.first).set_user_fields(_key(world, ada), reputation_score=None)
    asked = ("--user", ada, "--article", GUIDE, "--type", "creation", "--quality", "2.5")

    assert kontrib.json("contribute", *asked)["total_points"] == 360
    # The score that is written by then is this system's.
    assert kontrib.json("contribute", *asked)["total_points"] == 360


@pytest.mark.parametrize(
    ("arguments", "code", "text"),
    [
        (("--user", "nobody"), 2, "There is no user 'nobody'"),
        (("--article", "nowhere"), 2, "There is no article 'nowhere'"),
        (("--type", "poem"), 2, "Unknown contribution type 'poem'"),
        (("--quality", "good"), 2, "quality is 'good', which is not a number"),
        (("--metadata", "{"), 2, "--metadata must be a JSON object"),
        (("--metadata", "[1]"), 2, "--metadata must be a JSON object"),
        (("--user", ""), 2, "--user is needed, or --stdin"),
    ],
)
def test_what_cannot_be_recorded_is_named(
    kontrib: Command, ada: str, arguments: tuple[str, str], code: int, text: str
) -> None:
    asked = {"--user": ada, "--article": GUIDE, "--type": "review"} | dict([arguments])
    assert kontrib("contribute", *[part for pair in asked.items() for part in pair]) == code
    assert text in kontrib.err


def test_lines_are_answered_one_by_one(
    kontrib: Command, ada: str, monkeypatch: pytest.MonkeyPatch, world: World
) -> None:
    good = {"user": ada, "article": GUIDE, "type": "review", "key": "a"}
    feed(
        monkeypatch,
        good,
        good,
        "",
        good | {"user": "nobody", "key": "b"},
        "{not json",
        "[]",
        good | {"points": 5},
        good | {"key": 5},
        {"user": ada},
        "x" * ((1 << 20) + 5),
        good | {"key": "last", "quality": 99},
    )
    assert kontrib("contribute", "--stdin") == 1
    answers = [json.loads(line) for line in kontrib.out.splitlines()]
    assert [a["line"] for a in answers] == [1, 2, 4, 5, 6, 7, 8, 9, 10, 11]
    assert [a.get("error", a.get("new")) for a in answers] == [
        True,
        False,
        "UnknownUser",
        *["ContributionUnusable"] * 6,
        True,
    ]
    assert answers[-1]["quality_multiplier"] == 3.0
    assert len(store_of(world.first).state.contributions) == 2


def test_text_that_is_not_utf_8_is_answered_like_every_other_line(
    kontrib: Command, ada: str, monkeypatch: pytest.MonkeyPatch, world: World
) -> None:
    good = {"user": ada, "article": GUIDE, "type": "review", "key": "a"}
    names = ("user", "article", "type", "key", "description", "quality")
    feed(
        monkeypatch,
        *(good | {name: "\ud800"} for name in names),
        good | {"metadata": {"\ud800": 1}},
        good | {"\ud800": 1},
        good,
    )
    assert kontrib("contribute", "--stdin") == 1
    answers = [json.loads(line) for line in kontrib.out.splitlines()]
    assert [a.get("error") for a in answers] == ["ContributionUnusable"] * 8 + [None]
    assert answers[0]["message"] == "'user' is not UTF-8."
    assert len(store_of(world.first).state.contributions) == 1


def test_answers_can_be_written_in_every_encoding(
    kontrib: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    feed(monkeypatch, {"user": "Zoë 😀", "article": GUIDE, "type": "review"})
    written = io.BytesIO()
    monkeypatch.setattr("sys.stdout", io.TextIOWrapper(written, encoding="ascii"))
    assert kontrib("contribute", "--stdin") == 1
    assert "There is no user 'Zoë 😀'" in json.loads(written.getvalue())["message"]


@pytest.mark.parametrize(
    "asked",
    [
        ("stake", "\udcff", "1", "--days", "30"),
        ("stake", "ada", "1", "--days", "30", "--tx", "\udcff"),
        ("stakes", "\udcff"),
        ("unstake", "\udcff"),
        ("contribute", "--user", "\udcff", "--article", "a", "--type", "review"),
        ("contribute", "--user", "a", "--article", "a", "--type", "review", "--key", "\udcff"),
    ],
)
def test_an_argument_that_is_not_utf_8_is_named(kontrib: Command, asked: tuple[str, ...]) -> None:
    assert kontrib(*asked) == 2
    assert "not UTF-8" in kontrib.err


def test_a_key_that_the_wiki_wrote_itself_is_answered(
    kontrib: Command, ada: str, world: World
) -> None:
    contributions = store_of(world.first).state.contributions
    document = contribution_document(ada, world.clock.now(), points=12, kind="review")
    document |= {"article_id": GUIDE, "idempotency_key": "k"}
    contributions[document["_id"]] = document
    asked = ("--user", ada, "--article", GUIDE, "--type", "review", "--key", "k")
    assert kontrib("contribute", *asked) == 0
    assert f"12 points for a review by {ada}; was recorded before under this key" in kontrib.out
    known = kontrib.json("contribute", *asked)
    assert (known["new"], known["base_points"], known["total_points"]) == (False, None, 12)


def test_lines_that_are_all_recorded_exit_well(
    kontrib: Command, ada: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    feed(monkeypatch, {"user": ada, "article": GUIDE, "type": "review"})
    assert kontrib("contribute", "--stdin") == 0


# --- recount -----------------------------------------------------------------------------------


def test_a_recount_says_what_it_corrected(kontrib: Command, rich_ada: str, world: World) -> None:
    store_of(world.first).set_user_fields(_key(world, rich_ada), total_tokens_earned=1.0)
    first, again = kontrib.json("recount"), kontrib.json("recount")
    assert (first["weeks"], first["users"], first["corrected"]) == (1, 1, 1)
    assert again["corrected"] == 0
    assert kontrib.json("recount", "2024-W50")["without_article_base_units"] == 10_000 * ONE_TOKEN


# --- stakes ------------------------------------------------------------------------------------


def test_a_stake_from_beginning_to_end(kontrib: Command, rich_ada: str, world: World) -> None:
    made = kontrib.json("stake", rich_ada, "1000.5", "--days", "90")
    assert (made["amount_base_units"], made["status"]) == (1000 * ONE_TOKEN + 500_000_000, "active")
    world.clock.sleep(timedelta(days=10).total_seconds())
    [listed] = kontrib.json("stakes", rich_ada)["stakes"]
    assert listed["rewards_earned_base_units"] == made["amount_base_units"] * 12 * 10 // 36500
    assert kontrib("unstake", made["id"]) == 0
    assert "unstaked_early" in kontrib.out
    assert kontrib("unstake", made["id"]) == 1
    assert "has ended already" in kontrib.err
    assert kontrib("stakes", rich_ada) == 0
    assert "1,000.5" in kontrib.out


@pytest.mark.parametrize("empty", ["", " "])
def test_an_empty_transaction_is_none(kontrib: Command, rich_ada: str, empty: str) -> None:
    first = kontrib.json("stake", rich_ada, "10", "--days", "90", "--tx", empty)
    second = kontrib.json("stake", rich_ada, "10", "--days", "90", "--tx", empty)
    ended = kontrib.json("unstake", first["id"], "--tx", empty)
    assert (first["stake_tx_hash"], second["stake_tx_hash"]) == (None, None)
    assert ended["unstake_tx_hash"] is None


@pytest.mark.parametrize(
    ("amount", "days", "code", "text"),
    [
        ("0", "90", 2, "A stake must be more than 0 KONTRIB"),
        ("5", "91", 2, "91 days is not a staking period. Choose one of: 30, 90, 180, 365."),
        ("10000.1", "30", 1, "more than the 10,000 that this user has earned"),
        ("much", "30", 2, "is not an amount of KONTRIB"),
    ],
)
def test_a_stake_that_cannot_be_is_refused(
    kontrib: Command, rich_ada: str, amount: str, days: str, code: int, text: str
) -> None:
    assert kontrib("stake", rich_ada, amount, "--days", days) == code
    assert text in kontrib.err
    assert kontrib.json("stakes", rich_ada)["stakes"] == []


# --- proposals ---------------------------------------------------------------------------------


def test_a_proposal_from_draft_to_execution(kontrib: Command, rich_ada: str, world: World) -> None:
    asked = ("Raise the pool", "--by", rich_ada, "--parameter", "weekly_token_pool")
    made = kontrib.json("propose", *asked, "--value", "15000", "--days", "3", "--quorum", "100")
    assert made["status"] == "active"
    cast = kontrib.json("vote", made["id"], rich_ada, "against")
    assert cast["weight_base_units"] == 10_000 * ONE_TOKEN
    assert kontrib("vote", made["id"], rich_ada, "for") == 0
    assert "votes for with 10,000 KONTRIB" in kontrib.out
    [listed] = kontrib.json("proposals", "--status", "active")["proposals"]
    assert (listed["votes_for_base_units"], listed["votes_against_base_units"]) == (
        10_000 * ONE_TOKEN,
        0,
    )
    assert kontrib("execute", made["id"]) == 1
    assert "is active and cannot become executed. Its vote ends at 20" in kontrib.err
    assert "kontrib status" not in kontrib.err
    world.clock.sleep(timedelta(days=4).total_seconds())
    assert keep_governance(kontrib.session.wiki).executed == 1
    assert kontrib("proposals") == 0
    assert "weekly_token_pool: 10000.0 -> 15000.0" in kontrib.out
    assert kontrib("execute", made["id"]) == 1
    assert "is executed and cannot become executed" in kontrib.err


def test_a_draft_can_be_cancelled(kontrib: Command, rich_ada: str) -> None:
    made = kontrib.json(
        *("propose", "More images", "--by", rich_ada, "--type", "feature_request"),
        *("--start", "2025-01-06", "--data", '{"kind": "image"}'),
    )
    assert (made["status"], made["parameters"]) == ("draft", {"kind": "image"})
    assert kontrib("vote", made["id"], rich_ada, "for") == 1
    assert "takes votes from 2025-01-06 00:00" in kontrib.err
    assert kontrib.json("cancel", made["id"], "--reason", "later")["reason"] == "later"


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (("--parameter", "treasury", "--value", "1"), "Votes cannot change 'treasury'"),
        (("--parameter", "weekly_pool", "--value", "0"), "it must be from 1 to 1000000"),
        (("--parameter", "weekly_pool"), "names a parameter and its new value"),
        (("--type", "feature_request", "--data", "[]"), "--data must be a JSON object"),
        (("--type", "feature_request", "--start", "soon"), "'soon' is not a moment"),
    ],
)
def test_a_proposal_that_cannot_be_is_refused(
    kontrib: Command, rich_ada: str, arguments: tuple[str, ...], text: str
) -> None:
    assert kontrib("propose", "x", "--by", rich_ada, *arguments) == 2
    assert text in " ".join(kontrib.err.split())
    assert kontrib("proposals") == 0
    assert kontrib.out == "No proposals.\n"


# --- plain numbers and signatures ----------------------------------------------------------------

SIGNATURE = "5" * 87


@pytest.mark.parametrize(
    "amount", ["1_0", "٣", "1e1", "+5", " 5", "5 ", "0x5", "nan", "1,000", "５"]
)
def test_an_amount_is_written_in_plain_digits(
    kontrib: Command, rich_ada: str, world: World, amount: str
) -> None:
    assert kontrib("stake", rich_ada, amount, "--days", "30") == 2
    assert kontrib("propose", "x", "--by", rich_ada, "--type", "feature_request",
                   "--quorum", amount) == 2  # fmt: skip
    asked = ("--parameter", "weekly_pool", "--value", amount)
    assert kontrib("propose", "x", "--by", rich_ada, *asked) == 2
    asked = ("--user", rich_ada, "--article", GUIDE, "--type", "review")
    assert kontrib("contribute", *asked, "--quality", amount) == 2
    state = store_of(world.first).state
    assert (state.stakes, state.proposals) == ({}, {})


@pytest.mark.parametrize("days", ["3_0", "٣٠", "+30", "30.0", "1e1"])
def test_days_are_written_in_plain_digits(kontrib: Command, rich_ada: str, days: str) -> None:
    assert kontrib("stake", rich_ada, "5", "--days", days) == 2


@pytest.mark.parametrize("tx", ["sig", "5" * 86, "z" * 88, "0" * 87, "1" * 63, "5" * 500])
def test_a_transaction_is_named_by_its_signature(
    kontrib: Command, rich_ada: str, world: World, tx: str
) -> None:
    assert kontrib("stake", rich_ada, "5", "--days", "30", "--tx", tx) == 2
    assert kontrib("execute", "some", "--tx", tx) == 2
    assert store_of(world.first).state.stakes == {}


def test_a_signature_is_recorded(kontrib: Command, rich_ada: str) -> None:
    made = kontrib.json("stake", rich_ada, "5", "--days", "30", "--tx", SIGNATURE)
    assert made["stake_tx_hash"] == SIGNATURE


# --- what a stream may hold ---------------------------------------------------------------------


def test_a_stream_reads_extended_json_and_a_byte_order_mark(
    kontrib: Command, ada: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = {"user": ada, "article": GUIDE, "type": "review", "quality": 1.5, "key": "one"}
    wrapped = plain | {"user": {"$oid": ada.upper()}, "quality": {"$numberDouble": "1.5"}}
    feed(monkeypatch, "\ufeff" + json.dumps(plain), wrapped)
    assert kontrib("contribute", "--stdin") == 0
    first, second = map(json.loads, kontrib.out.splitlines())
    assert (first["new"], second["new"]) == (True, False)
    assert (first["id"], first["user"]) == (second["id"], second["user"])


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (
            '{"user": "ADA", "user": "b", "article": "GUIDE", "type": "review"}',
            "'user' stands twice",
        ),
        ('{"user": "ObjectId(5)", "article": "GUIDE", "type": "review"}', "is no ObjectId"),
        ('{"user": "ADA"} {"user": "ADA"}', "there is text behind the value"),
        ("\x1f\x08\x00", "not JSON"),
        ("PK\x03\x04contributions.csv", "it is a zip archive"),
        ("%PDF-1.7", "it is a PDF"),
    ],
)
def test_a_line_that_is_no_contribution_says_why(
    kontrib: Command, ada: str, monkeypatch: pytest.MonkeyPatch, line: str, reason: str
) -> None:
    feed(monkeypatch, line.replace("ADA", ada).replace("GUIDE", GUIDE))
    assert kontrib("contribute", "--stdin") == 1
    assert reason in json.loads(kontrib.out)["message"]


def test_a_stream_without_standard_input_is_named(
    kontrib: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", None)
    assert kontrib("contribute", "--stdin") == 2
    assert "standard input is closed" in kontrib.err
