"""A stranger checks weeks of a real chain in a real browser, with the page that publish wrote."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from selenium.webdriver import Chrome
from selenium.webdriver.common.keys import Keys

from deploy.local.chain.client import ChainClient
from tests.end_to_end.support import wiki
from tests.end_to_end.support.browser import browser
from tests.end_to_end.support.public_weeks import (
    FROZEN_USER,
    HELD_USER,
    WEEKS,
    PublicWeeks,
    public_weeks,
    user_id,
)
from tests.proof_page.visitor import Visitor, asked_by, static_host
from worker.core.plan.commitment import canonical_json
from worker.core.proof.bundle import MANIFEST_FILE, PAYOUTS_FILE, PLAN_FILE
from worker.services.proof.contributor_proof import make_proof

pytestmark = pytest.mark.real

NOBODY = "http://127.0.0.1:9"
"""The port for discarded data. Nothing listens there."""
BACKGROUNDS = {"light": "rgb(246, 247, 249)", "dark": "rgb(16, 19, 26)"}
HOSTILE = "<img src=x onerror=document.title='broken'>"


@pytest.fixture(scope="module")
def weeks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PublicWeeks]:
    with public_weeks(tmp_path_factory.mktemp("public")) as world:
        yield world


@pytest.fixture(scope="module")
def host(weeks: PublicWeeks) -> Iterator[str]:
    """A host of everything in the world's folder: the weeks are in `bundles`."""
    with static_host(weeks.folder) as url:
        yield url


@pytest.fixture(scope="module")
def chrome(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chrome]:
    with browser(tmp_path_factory.mktemp("browser")) as driver:
        yield driver


@pytest.fixture
def visitor(chrome: Chrome) -> Visitor:
    visitor = Visitor(chrome)
    visitor.look(1280)
    return visitor


def copy_of(weeks: PublicWeeks, name: str, index: int = 1) -> Path:
    """A copy of a week's bundle alone in a folder that the host serves."""
    folder = weeks.folder / name / WEEKS[index].id
    shutil.copytree(weeks.bundles[WEEKS[index]], folder)
    return folder


def proof_of(weeks: PublicWeeks, index: int, user: int) -> str:
    return make_proof(weeks.context, WEEKS[index], user_id(user)).canonical().decode()


# --- the verdicts ------------------------------------------------------------------------------


@pytest.mark.parametrize("index", [0, 1])
def test_a_week_is_verified_against_the_chain(
    weeks: PublicWeeks, host: str, visitor: Visitor, index: int
) -> None:
    visitor.open_week(f"{host}bundles/{WEEKS[index].id}/index.html")
    verdict = visitor.verify(weeks.url)
    assert "VERIFIED. Everything agrees: files, rules and chain." in verdict
    assert f"{WEEKS[index].label}, 132 rewards of 10,000 KONTRIB" in verdict
    assert visitor.contradictions() == []
    visitor.element("#checks-box summary").click()
    checks = visitor.texts("#checks li")
    assert checks[-1] == "✓ Treasury"
    assert len(checks) == 12
    assert all(check.startswith("✓ ") for check in checks)


def test_the_files_alone_are_verified_in_themselves(host: str, visitor: Visitor) -> None:
    visitor.open_week(f"{host}bundles/{WEEKS[0].id}/")
    assert "VERIFIED in itself. The files agree with each other." in visitor.verify()


def test_one_changed_digit_is_found_and_named(
    weeks: PublicWeeks, host: str, visitor: Visitor
) -> None:
    plan = copy_of(weeks, "changed") / PLAN_FILE
    lines = plan.read_text().splitlines(keepends=True)
    amount = re.search(r'"amount":"(\d+)', lines[40])
    assert amount is not None
    changed = str(int(amount[1]) + 1)
    lines[40] = lines[40].replace(amount[1], changed)
    plan.write_text("".join(lines))
    visitor.open_week(f"{host}changed/{WEEKS[1].id}/")
    assert "WRONG. This week does not hold." in visitor.verify(weeks.url)
    found = visitor.contradictions()
    assert f"plan.jsonl line 41: the amount is {changed}, and must be {amount[1]}" in found
    assert any(line.startswith("plan.jsonl: its SHA-256 is ") for line in found)
    assert visitor.text("#pill") == "wrong"


def test_tokens_that_left_without_a_plan_are_named(
    weeks: PublicWeeks, host: str, visitor: Visitor
) -> None:
    visitor.open_week(f"{host}bundles/{WEEKS[2].id}/")
    assert "WRONG. " in visitor.verify(weeks.url)
    found = "\n".join(visitor.contradictions())
    assert f"{weeks.theft}: took 5000000000 out of the source account, unexplained" in found
    assert f"{weeks.invented}: took 5000000000 out of the source account" in found


def test_without_the_other_weeks_a_late_payment_is_not_proven(
    weeks: PublicWeeks, host: str, visitor: Visitor
) -> None:
    copy_of(weeks, "lonely")
    visitor.open_week(f"{host}lonely/{WEEKS[1].id}/")
    assert "NOT PROVEN. No contradiction was found" in visitor.verify(weeks.url)
    (doubt,) = visitor.contradictions()
    assert doubt.startswith(f"{weeks.paid_later}: ")


def with_conditions(weeks: PublicWeeks, **conditions: object) -> str:
    """An endpoint of the same chain that is not quite healthy."""
    with ChainClient(weeks.url) as client:
        client.call("local_setConditions", "/other", conditions)
    return f"{weeks.url}/other"


def test_an_endpoint_that_asks_for_patience_gets_it(
    weeks: PublicWeeks, host: str, visitor: Visitor
) -> None:
    visitor.open_week(f"{host}bundles/{WEEKS[1].id}/")
    assert "VERIFIED. " in visitor.verify(with_conditions(weeks, calls_per_second=20))


def test_an_endpoint_that_dropped_history_proves_nothing(
    weeks: PublicWeeks, host: str, visitor: Visitor
) -> None:
    dropped = {"getTransaction": -32011, "getSignaturesForAddress": -32011}
    visitor.open_week(f"{host}bundles/{WEEKS[1].id}/")
    assert "NOT PROVEN. " in visitor.verify(with_conditions(weeks, method_errors=dropped))
    assert (
        f"{WEEKS[1].id}/00000: the transaction that made its receipt cannot be read"
        in visitor.contradictions()
    )


def test_an_endpoint_that_is_away_gives_no_verdict(host: str, visitor: Visitor) -> None:
    visitor.open_week(f"{host}bundles/{WEEKS[0].id}/")
    verdict = visitor.verify(NOBODY)
    assert "NO VERDICT. " in verdict
    assert "the endpoint gives no answer (getGenesisHash: " in verdict


def test_a_verification_can_be_stopped(host: str, visitor: Visitor) -> None:
    visitor.open_week(f"{host}bundles/{WEEKS[0].id}/")
    visitor.element("#url").send_keys(NOBODY)
    visitor.element("#verify button").click()
    visitor.element("#stop").click()
    assert "it was stopped" in visitor.wait_for("#verdict", "NO VERDICT")


# --- a contributor's proof ---------------------------------------------------------------------


def test_a_contributor_sees_row_reason_and_payment(
    weeks: PublicWeeks, host: str, visitor: Visitor, tmp_path: Path
) -> None:
    visitor.open_week(f"{host}bundles/{WEEKS[0].id}/")
    proof = proof_of(weeks, 0, 3)
    file = tmp_path / "proof.json"
    file.write_text(proof + "\n")
    visitor.element("#proof-file").send_keys(str(file))
    visitor.element("#proof button").click()
    row = json.loads(proof)["row"]
    verdict = visitor.wait_for("#proof-verdict", "VERIFIED. ")
    assert f"KONTRIB of this week belong to {user_id(3)}." in verdict
    points, *_, amount, commitment, fate = visitor.texts("#proof-findings li")
    assert points.startswith(f"{row['points']} points x 1 for staking")
    assert "weighted points of all who share it = " in amount
    assert row["user"] in commitment
    assert fate.startswith("The files say, and the chain was not asked: paid ")

    visitor.verify(weeks.url)
    visitor.check_proof(proof)
    assert visitor.texts("#proof-findings li")[-1].startswith("The chain says: paid ")


@pytest.mark.parametrize(
    ("user", "fate"),
    [(FROZEN_USER, "is void. The reward will be paid alone"), (HELD_USER, "held,")],
)
def test_a_contributor_who_is_not_paid_sees_why(
    weeks: PublicWeeks, host: str, visitor: Visitor, user: int, fate: str
) -> None:
    visitor.open_week(f"{host}bundles/{WEEKS[0].id}/")
    assert "VERIFIED. " in visitor.check_proof(proof_of(weeks, 0, user))
    assert fate in visitor.texts("#proof-findings li")[-1]


def test_a_foreign_proof_is_refused_and_named(
    weeks: PublicWeeks, host: str, visitor: Visitor
) -> None:
    visitor.open_week(f"{host}bundles/{WEEKS[0].id}/")
    assert "WRONG. " in visitor.check_proof(proof_of(weeks, 1, 3))
    (found,) = visitor.texts("#proof-findings li")
    assert found.startswith("the proof: belongs to a plan of the week 2024-12-09 with the root ")

    stolen = json.loads(proof_of(weeks, 0, 3)) | {"user_id": user_id(4)}
    assert "WRONG. " in visitor.check_proof(canonical_json(stolen).decode())
    (found,) = visitor.texts("#proof-findings li")
    assert found.startswith("the proof: the commitment of its user id and salt is ")
    assert "WRONG. " in visitor.check_proof("my proof")


# --- the page itself ---------------------------------------------------------------------------


def test_nobody_is_asked_but_the_host_and_the_endpoint_and_a_proof_sends_nothing(
    weeks: PublicWeeks, host: str, tmp_path: Path
) -> None:
    proof, week = proof_of(weeks, 0, 3), f"{host}bundles/{WEEKS[0].id}/"
    asked: list[set[str]] = []
    for endpoint in ("", weeks.url):
        net_log = tmp_path / f"net{len(asked)}.json"
        with browser(tmp_path / f"browser{len(asked)}", net_log=net_log) as chrome:
            visitor = Visitor(chrome)
            visitor.open_week(week)
            if endpoint:
                visitor.verify(endpoint)
            assert "VERIFIED. " in visitor.check_proof(proof)
        asked.append(set(asked_by(host.rstrip("/"), net_log)))
        for secret in (json.loads(proof)["salt"], user_id(3)):
            assert secret not in net_log.read_text()
    names = (MANIFEST_FILE, PAYOUTS_FILE, PLAN_FILE)
    files = {f"{week}{name}" for name in names} | {f"{host}bundles/weeks.json"}
    assert asked[0] == files
    beside = {f"{host}bundles/{WEEKS[1].id}/{name}" for name in names}
    assert asked[1] - beside == files | {f"{weeks.url}/"}


def test_what_a_bundle_says_is_text_and_the_browser_refuses_html(
    weeks: PublicWeeks, host: str, visitor: Visitor
) -> None:
    folder = copy_of(weeks, "hostile")
    for name in (PLAN_FILE, PAYOUTS_FILE, MANIFEST_FILE):
        lines = [json.loads(line) for line in (folder / name).read_text().splitlines()]
        changed = [with_hostile_text(line) for line in lines]
        (folder / name).write_text("".join(json.dumps(line) + "\n" for line in changed))
    visitor.open_week(f"{host}hostile/{WEEKS[1].id}/")
    assert "WRONG. " in visitor.verify(weeks.url)
    assert HOSTILE in visitor.text("#identity")
    assert HOSTILE in visitor.text("#figures")
    assert visitor.measured("document.images.length") == 0
    assert visitor.measured("document.title").startswith("2024-W50")
    links = visitor.measured("[...document.links].map(link => link.href)")
    own = (host, "https://explorer.solana.com/")
    assert all(link.startswith(own) for link in links)
    refused = (
        "(() => { try { document.body.innerHTML = '<b>x</b>'; return false }"
        " catch (error) { return error.message } })()"
    )
    assert "TrustedHTML" in visitor.measured(refused)


def test_more_contradictions_than_a_person_reads_are_counted(
    weeks: PublicWeeks, host: str, visitor: Visitor
) -> None:
    (copy_of(weeks, "many") / PLAN_FILE).write_text("{}\n" * 600)
    visitor.open_week(f"{host}many/{WEEKS[1].id}/")
    assert "601 contradictions." in visitor.verify()
    found = visitor.contradictions()
    assert (len(found), found[-1]) == (501, "and 101 more")
    assert found[1] == "plan.jsonl line 1: has other keys"


def with_hostile_text(value: dict[str, object]) -> dict[str, object]:
    kept = ("week", "user", "batch", "id", "kind", "state", "version")
    return {
        key: it if key in kept else with_hostile_text(it) if isinstance(it, dict) else HOSTILE
        for key, it in value.items()
    }


def test_rows_are_found_and_turned_page_by_page(
    weeks: PublicWeeks, host: str, visitor: Visitor
) -> None:
    visitor.open_week(f"{host}bundles/{WEEKS[0].id}/")
    rows = "[data-table=rows]"
    assert "1 to 50 of 132" in visitor.text(rows)
    visitor.element(f"{rows} p:last-child button:last-child").click()
    visitor.wait_for(rows, "51 to 100 of 132")
    wallet = wiki.wallet(3)
    visitor.element(f"{rows} input").send_keys(wallet)
    visitor.wait_for(rows, "1 to 1 of 1 found in 132")
    links = visitor.measured(f"[...document.querySelectorAll('{rows} a')].map(a => a.href)")
    assert links[0] == f"https://explorer.solana.com/address/{wallet}?cluster=custom"
    assert links[1].startswith("https://explorer.solana.com/tx/")


def test_all_weeks_are_listed_with_totals_by_week_and_by_wallet(
    weeks: PublicWeeks, host: str, visitor: Visitor
) -> None:
    visitor.open(f"{host}bundles/index.html")
    visitor.wait_for("#week-table", "2024-W49")
    newest = visitor.texts("#week-table tbody tr:first-child td")
    assert (newest[0], newest[1], newest[4]) == ("2024-W51", "132", "10,000")
    visitor.element("#add-up").click()
    visitor.wait_for("[data-table=wallets]", "1 to 50 of ")
    assert "–" not in visitor.text("#week-table")
    visitor.element("[data-table=wallets] input").send_keys(wiki.wallet(3))
    visitor.wait_for("[data-table=wallets]", "1 to 1 of 1 found")
    visitor.element("[data-table=wallets] summary").click()
    by_week = visitor.texts("[data-table=wallets] li")
    assert [line.split(":")[0] for line in by_week] == [week.label for week in WEEKS]
    paid = [json.loads(proof_of(weeks, index, 3))["row"]["amount"] for index in range(3)]
    total = visitor.texts("[data-table=wallets] tbody td")[1]
    assert total.replace(".", "").replace(",", "") == str(sum(map(int, paid))).rstrip("0")

    visitor.element("#week-table a").click()
    visitor.wait_for("#title", "2024-W51")
    visitor.wait_for("[data-table=rows]", "1 to 50 of 132")
    visitor.element("#up a").click()
    visitor.wait_for("#lead", "3 weeks")


@pytest.mark.parametrize("chosen", ["folder", "files"])
def test_a_page_that_was_opened_as_a_file_takes_the_files_from_the_visitor(
    weeks: PublicWeeks, visitor: Visitor, chosen: str
) -> None:
    bundle = weeks.bundles[WEEKS[0]]
    visitor.open((bundle / "index.html").as_uri())
    assert "does not let a page that was opened as a file" in visitor.text("#choose-why")
    if chosen == "folder":
        visitor.element("#folder").send_keys(str(bundle.parent))
        visitor.wait_for("#week-table", "2024-W49")
        visitor.element("#week-table tbody tr:nth-child(2) a").click()
        visitor.wait_for("#title", "2024-W50")
    else:
        names = (PLAN_FILE, PAYOUTS_FILE, MANIFEST_FILE)
        visitor.element("#files").send_keys("\n".join(str(bundle / name) for name in names))
        visitor.wait_for("#title", "2024-W49")
    assert "VERIFIED. Everything agrees" in visitor.verify(weeks.url)


def test_without_a_trusted_connection_the_page_says_so(
    weeks: PublicWeeks, visitor: Visitor
) -> None:
    with static_host(weeks.folder / "bundles", "0.0.0.0") as url:
        visitor.open(url)
        assert "open it over https" in visitor.wait_for("#problem", "This page")


def test_a_file_that_is_missing_is_said(weeks: PublicWeeks, host: str, visitor: Visitor) -> None:
    (copy_of(weeks, "partly") / PAYOUTS_FILE).unlink()
    visitor.open(f"{host}partly/{WEEKS[1].id}/")
    visitor.wait_for("#problem", "payouts.jsonl of 2024-12-09 is missing")
    assert "NO VERDICT. " in visitor.verify()


def test_without_bundles_the_page_says_so_and_offers_to_choose(
    weeks: PublicWeeks, host: str, visitor: Visitor
) -> None:
    (weeks.folder / "empty").mkdir()
    shutil.copy(weeks.folder / "bundles" / "index.html", weeks.folder / "empty")
    visitor.open(f"{host}empty/index.html")
    visitor.wait_for("#problem", "There are no bundles beside this page.")
    assert visitor.element("#folder").is_displayed()


@pytest.mark.parametrize("width", [390, 1280])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_fits_its_screen_and_follows_its_colours(
    host: str, visitor: Visitor, width: int, scheme: str
) -> None:
    visitor.look(width, scheme)
    for page in (f"bundles/{WEEKS[0].id}/", "bundles/index.html"):
        visitor.open(f"{host}{page}")
        visitor.wait_for("main", "2024-W49")
        visitor.verify() if "W49" in visitor.text("#title") else None
        assert visitor.measured("document.documentElement.scrollWidth") == width
        background = visitor.measured("getComputedStyle(document.body).backgroundColor")
        assert background == BACKGROUNDS[scheme]


def test_a_keyboard_is_enough(weeks: PublicWeeks, host: str, visitor: Visitor) -> None:
    visitor.open_week(f"{host}bundles/{WEEKS[0].id}/")
    names = []
    for _ in range(8):
        visitor.chrome.switch_to.active_element.send_keys(Keys.TAB)
        active = visitor.chrome.switch_to.active_element
        names.append(active.accessible_name)
        if active.get_attribute("id") == "url":
            active.send_keys(weeks.url, Keys.ENTER)
            break
    assert names[0] == "All weeks"
    assert "VERIFIED. " in visitor.wait_for("#verdict", ". ")


def test_a_screen_reader_is_told_everything(host: str, visitor: Visitor) -> None:
    visitor.open_week(f"{host}bundles/{WEEKS[0].id}/")
    visitor.verify()
    for control in visitor.chrome.find_elements("css selector", "input, textarea, button, summary"):
        if control.is_displayed():
            assert control.accessible_name, control.get_attribute("outerHTML")
    assert visitor.element("#verdict").aria_role == "status"
    assert visitor.element("#problem").get_attribute("role") == "alert"
    tables = visitor.measured(
        "[...document.querySelectorAll('table')].map(t => t.caption?.textContent)"
    )
    assert len(tables) == 3
    assert all(tables)
    assert visitor.measured("document.querySelectorAll('th:not([scope=col])').length") == 0
    headings = visitor.measured("[...document.querySelectorAll('h1, h2, h3')].map(h => h.tagName)")
    assert headings[0] == "H1"
    assert set(headings[1:]) == {"H2"}
    assert visitor.measured("document.documentElement.lang") == "en"
