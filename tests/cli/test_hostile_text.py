"""Text of the database never reaches a terminal raw, whatever command prints it."""

from __future__ import annotations

import csv
import io
import json
import sys
import unicodedata
from datetime import timedelta
from itertools import chain

import pytest
from rich.progress import Progress

from config.visible_text import visible, visible_json, visible_line
from tests.cli.conftest import Command
from tests.fakes.documents import contribution_document
from tests.fakes.wiki.wiki import wiki_in_memory
from tests.fakes.world import WEEK, World, store_of
from worker.cli import console as console_module
from worker.cli.console import console, progress_bar, say
from worker.cli.main import GROUPS
from worker.core.errors import KontribError
from worker.core.proof.contributor_proof import ContributorProof
from worker.core.wiki.governance import ProposalType
from worker.services.wiki.governance import Idea, propose
from worker.services.wiki.recount import recount_all

EVIL = "eve\x1b]0;pwned\x07\x1b[2K\x9b31m\u202e\u2066\u200b\u061c\u200f\x7f\r\tx"
SHOWN = r"eve\x1b]0;pwned\x07\x1b[2K\x9b31m\u202e\u2066\u200b\u061c\u200f\x7f\r\tx"
COMMANDS = (
    ("plan", "2024-W50"),
    ("run", "2024-W50", "--inline"),
    ("status",),
    ("status", "2024-W50"),
    ("report", "2024-W50"),
    ("report", "2024-W50", "--csv"),
    ("reconcile", "2024-W50"),
    ("check",),
    ("check", "--offline"),
    ("user", EVIL),
    ("user", EVIL, "--contributions"),
    ("user", EVIL, "--history"),
    ("user", EVIL + "nobody"),
    ("hold", EVIL, "2024-W50", "--reason", EVIL),
    ("retry", "2024-W50", "--rewallet", EVIL, "--inline"),
    ("retry", "2024-W50", "--rewallet", EVIL, "--wallet", EVIL, "--inline"),
    ("proposals",),
    ("stakes", EVIL),
    ("recount",),
    ("doctor",),
    ("contribute", "--user", EVIL, "--article", EVIL, "--type", EVIL),
    ("stake", EVIL, "250.5", "--days", "90"),
    ("release", EVIL, "2024-W50"),
    ("report", "--year", "2024", "--user", EVIL, "--csv"),
    ("rebuild", "2024-W50", "--from-chain"),
    ("pause", "--reason", EVIL),
    ("resume",),
    ("genesis", "--first-week", EVIL),
    ("approve", "2024-W50", "--root", EVIL),
    ("void", "2024-W50", "0", "--reason", EVIL),
    ("simulate", EVIL),
    ("import", EVIL),
    ("publish", "2024-W50", EVIL + "/\0"),
    ("verify", EVIL),
    ("verify-proof", EVIL),
    ("unstake", EVIL, "--tx", EVIL),
    ("propose", EVIL, "--by", EVIL, "--type", "feature_request"),
    ("vote", EVIL, EVIL, "for"),
    ("cancel", EVIL),
    ("execute", EVIL, "--tx", EVIL),
    ("archive", EVIL),
    ("proof", EVIL, "2024-W50", "--out", EVIL + "/\0"),
    ("salts", EVIL + "/\0"),
    ("backup", EVIL + "/\0"),
    ("restore", EVIL, EVIL),
    ("migrate", EVIL),
    ("metrics", "--port", EVIL),
)


@pytest.fixture
def town(world: World, kontrib: Command) -> Command:
    """A user, an article, a reason, a title and a wallet that are all hostile."""
    world.populate(3)
    store = store_of(world.first)
    store.add_user({"_id": EVIL, "wallet_address": EVIL})
    store.state.articles[EVIL] = {"_id": EVIL}
    for user in (EVIL, EVIL + "unknown"):
        document = contribution_document(user, WEEK.start + timedelta(days=1))
        store.add_contribution(document | {"article_id": EVIL, "description": EVIL})
    broken = contribution_document("user", WEEK.start, kind=EVIL, document_id=EVIL)
    store.add_contribution(broken)
    wiki = wiki_in_memory(store, world.clock)
    recount_all(wiki)
    store.state.users[EVIL]["total_points"] = 7
    start = world.clock.now() + timedelta(days=1)
    idea = Idea(EVIL, EVIL, ProposalType.FEATURE_REQUEST, EVIL, voting_start=start)
    propose(wiki, idea)
    world.clock.sleep(1)
    assert kontrib("genesis", "--first-week", "2024-W50") == 0
    assert kontrib("plan", "2024-W50", "--dry-run") == 0
    assert SHOWN + "unknown" in kontrib.out
    return kontrib


def hostile_characters(text: str) -> set[str]:
    kept = ("\n",)
    return {c for c in text if unicodedata.category(c) in ("Cc", "Cf") and c not in kept}


def test_every_command_is_tried() -> None:
    assert {arguments[0] for arguments in COMMANDS} == set(chain(*GROUPS.values()))


def test_no_command_writes_a_control_character(town: Command, world: World) -> None:
    seen = ""
    for arguments in COMMANDS:
        town(*arguments)
        assert not hostile_characters(town.out + town.err), arguments
        assert "bug in kontrib" not in town.err, (arguments, town.err)
        seen += town.out + town.err
    # The walk is worth something only where the text was shown at all.
    assert seen.count(r"\x1b]0;pwned") > 10


def test_json_is_valid_and_gives_the_text_back(town: Command) -> None:
    for arguments in COMMANDS:
        if arguments[0] in ("plan", "status", "user", "check", "report", "proposals"):
            town(*[a for a in arguments if a != "--csv"], "--json")
            assert not hostile_characters(town.out), arguments
            if town.out:
                json.loads(town.out)
    assert town.json("user", EVIL)["user_id"] == EVIL


def test_a_proof_is_escaped_on_a_terminal_and_exact_in_a_pipe(
    town: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert town("run", "2024-W50", "--inline") == 0
    assert town("proof", EVIL, "2024-W50") == 0
    piped = town.out
    ContributorProof.parse(piped.encode())
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    assert town("proof", EVIL, "2024-W50") == 0
    assert not hostile_characters(town.out)
    assert json.loads(town.out) == json.loads(piped)


def test_a_line_of_csv_is_one_line_and_no_formula(world: World, kontrib: Command) -> None:
    store = store_of(world.first)
    names = ["=1+1", "+1", "@x", "-1", "\t=1", " =1", "\uff1d1", "a\nb", "a\x1bb", "plain"]
    for number, name in enumerate(names):
        store.add_user({"_id": name})
        store.add_contribution(contribution_document(name, WEEK.start, number=number))
    kontrib("genesis", "--first-week", "2024-W50")
    kontrib("plan", "2024-W50")
    assert kontrib("report", "2024-W50", "--csv") == 0
    lines = list(csv.DictReader(io.StringIO(kontrib.out)))
    assert len(kontrib.out.splitlines()) == len(names) + 1
    assert sorted(line["user_id"] for line in lines) == sorted(
        ["'=1+1", "'+1", "'@x", "'-1", r"'\t=1", "' =1", "'\uff1d1", r"a\nb", r"a\x1bb", "plain"]
    )


def test_an_unexpected_error_is_shown_without_control_characters(
    kontrib: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError(EVIL)

    monkeypatch.setattr("worker.cli.week.status.overview", fail)
    for arguments in (("status",), ("--debug", "status")):
        assert kontrib(*arguments) == 1
        assert SHOWN in kontrib.err
        assert not hostile_characters(kontrib.out + kontrib.err)


def test_an_expected_error_is_shown_without_control_characters(
    kontrib: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise KontribError(EVIL)

    monkeypatch.setattr("worker.cli.week.status.overview", fail)
    assert kontrib("status") == 1
    assert f"error: {SHOWN}" in kontrib.err


def test_a_progress_bar_and_a_notice_are_safe(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    page = io.StringIO()
    safe = console_module.console()
    terminal = type(safe)(file=page, force_terminal=True, width=200, color_system=None)
    monkeypatch.setattr(console_module, "console", lambda **_: terminal)
    with progress_bar("week", 10) as advance:
        advance(5, EVIL)
    say(EVIL)
    drawn = page.getvalue()
    assert "\x1b]0;pwned" not in drawn
    assert not hostile_characters(drawn) - {"\x1b", "\r"}  # those that draw the bar
    assert SHOWN in drawn
    assert isinstance(Progress(console=console()), Progress)


@pytest.mark.parametrize(
    "character", list(map(chr, [*range(10), *range(11, 32), *range(127, 160)]))
)
def test_every_control_character_is_escaped(character: str) -> None:
    shown = visible(f"a{character}b")
    assert shown.isprintable()
    assert shown != f"a{character}b"
    assert json.loads(visible_json(json.dumps(character, ensure_ascii=False))) == character


def test_line_ends_stay_in_blocks_and_are_escaped_in_lines() -> None:
    assert visible("a\nb") == "a\nb"
    assert visible_line("a\nb\u2028c\U000e0001") == r"a\nb\u2028c\U000e0001"
    assert visible("José ünï 漢字 🙂") == "José ünï 漢字 🙂"
