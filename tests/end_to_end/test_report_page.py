"""The report in a real browser, at the widths of a phone and a desktop, light and dark."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By

from tests.end_to_end.support.browser import browser
from tests.fakes.check.report_world import HOSTILE, busy_world, report_of
from worker.bootstrap.without_settings import render_report

WIDTHS = (390, 1280)
SCHEMES = ("light", "dark")
BACKGROUNDS = {"light": "rgb(246, 247, 249)", "dark": "rgb(16, 19, 26)"}


@pytest.fixture(scope="module")
def page_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    world, week = busy_world()
    path = tmp_path_factory.mktemp("report") / "week.html"
    path.write_text(render_report("week.html", report=report_of(world, week)))
    return path


@pytest.fixture(scope="module")
def chrome(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chrome]:
    with browser(tmp_path_factory.mktemp("browser"), requests=True) as driver:
        yield driver


def look(chrome: Chrome, file: Path, width: int, scheme: str = "light") -> str:
    """The page's text without any script, at a width and in a colour scheme."""
    chrome.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride",
        {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 600},
    )
    media = [{"name": "prefers-color-scheme", "value": scheme}]
    chrome.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": media})
    chrome.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    chrome.get(file.as_uri())
    return str(chrome.find_element(By.TAG_NAME, "body").text)


def measured(chrome: Chrome, expression: str) -> object:
    """Measure the page from outside, since the page itself runs no script."""
    chrome.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})
    return chrome.execute_script(f"return {expression}")


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("width", WIDTHS)
def test_it_fits_its_screen_and_follows_its_colours(
    chrome: Chrome, page_file: Path, width: int, scheme: str
) -> None:
    text = look(chrome, page_file, width, scheme)
    for title in ("Not paid", "How the rewards are spread", "Week over week", "Cost"):
        assert title in text
    root = "document.documentElement"
    assert measured(chrome, f"{root}.clientWidth") == width
    assert measured(chrome, f"{root}.scrollWidth") == width
    background = measured(chrome, "getComputedStyle(document.body).backgroundColor")
    assert background == BACKGROUNDS[scheme]
    _keep_picture(chrome, f"report-{width}-{scheme}.png")


@pytest.mark.parametrize("width", WIDTHS)
def test_every_plot_is_drawn_and_its_words_are_large_enough(
    chrome: Chrome, page_file: Path, width: int
) -> None:
    look(chrome, page_file, width)
    sizes = measured(
        chrome,
        "[...document.querySelectorAll('svg[role=img]')].map(s => "
        "[s.getBoundingClientRect().width / s.viewBox.baseVal.width,"
        " s.querySelectorAll('rect,polyline').length])",
    )
    assert isinstance(sizes, list)
    assert len(sizes) == 7
    assert all(scale > 0.75 and shapes > 0 for scale, shapes in sizes)


def test_nothing_is_asked_of_anybody(chrome: Chrome, page_file: Path) -> None:
    chrome.get_log("performance")  # type: ignore[no-untyped-call]
    look(chrome, page_file, 1280)
    entries = chrome.get_log("performance")  # type: ignore[no-untyped-call]
    sent = [e["message"] for e in entries if 'Network.requestWillBeSent"' in e["message"]]
    assert sent
    assert all(page_file.as_uri() in each or '"url":"data:,"' in each for each in sent)


def test_what_a_user_wrote_is_text(chrome: Chrome, page_file: Path) -> None:
    look(chrome, page_file, 1280)
    assert measured(chrome, "document.scripts.length") == 1  # the search
    assert HOSTILE not in page_file.read_text()


def test_every_signature_leads_to_an_explorer(chrome: Chrome, page_file: Path) -> None:
    look(chrome, page_file, 1280)
    links = measured(chrome, "[...document.links].map(link => link.href)")
    assert isinstance(links, list)
    assert len(links) > 8
    assert all(link.startswith("https://explorer.solana.com/tx/") for link in links)


@pytest.mark.parametrize("width", WIDTHS)
def test_a_person_is_found_by_typing(chrome: Chrome, page_file: Path, width: int) -> None:
    look(chrome, page_file, width)
    chrome.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})
    chrome.get(page_file.as_uri())
    rows = chrome.find_elements(By.CSS_SELECTOR, "#all tbody tr")
    assert len(rows) > 30
    wanted = rows[20].find_element(By.TAG_NAME, "code").text
    box = chrome.find_element(By.ID, "find")
    box.send_keys(f" {wanted.upper()} ")
    assert [row for row in rows if row.is_displayed()] == [rows[20]]
    assert chrome.find_element(By.ID, "found").text == f"1 of {len(rows)}"
    assert measured(chrome, "document.documentElement.scrollWidth") == width
    assert box.accessible_name == "Find"
    box.clear()
    box.send_keys("nobody has this")
    assert not any(row.is_displayed() for row in rows)


def test_a_printed_page_holds_every_row(chrome: Chrome, page_file: Path) -> None:
    look(chrome, page_file, 1280)
    chrome.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    shown = measured(
        chrome,
        "[...document.querySelectorAll('#all tbody tr')]"
        ".every(r => r.getBoundingClientRect().height > 0)",
    )
    assert shown is True
    assert not chrome.find_element(By.ID, "search").is_displayed()


def _keep_picture(chrome: Chrome, name: str) -> None:
    """Keep a picture of the page, for a person to look at."""
    if folder := os.environ.get("KONTRIB_SCREENSHOTS"):
        height = measured(chrome, "document.documentElement.scrollHeight")
        width = measured(chrome, "document.documentElement.clientWidth")
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        chrome.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        chrome.save_screenshot(str(Path(folder) / name))
