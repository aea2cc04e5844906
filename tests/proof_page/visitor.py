"""A visitor of the proof page: a static host, and a real browser that opens it."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.ui import WebDriverWait

SECONDS_MAX = 60


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *arguments: Any) -> None:
        """Say nothing."""

    def copyfile(self, source: Any, outputfile: Any) -> None:
        """Send a file. The page stops reading a plan after its first line, to show that early."""
        with suppress(ConnectionError):
            super().copyfile(source, outputfile)


@contextmanager
def static_host(folder: Path, address: str = "127.0.0.1") -> Iterator[str]:
    """Serve a folder as any static host does; yield its URL, with a slash at the end."""
    handler = partial(_Quiet, directory=str(folder))
    with ThreadingHTTPServer((address, 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://{address}:{server.server_port}/"
        server.shutdown()
        thread.join()


def asked_by(origin: str, net_log: Path) -> list[str]:
    """The URLs that pages of an origin and their workers asked for, from a browser's `net_log`."""
    events = json.loads(net_log.read_text())["events"]
    parameters = [event.get("params", {}) for event in events]
    return [it["url"] for it in parameters if "url" in it and it.get("initiator") == origin]


class Visitor:
    """Opens a page, types, presses, and reads what is shown."""

    def __init__(self, chrome: Chrome) -> None:
        self.chrome = chrome

    def open(self, url: str) -> None:
        """Open a page anew: another address with a # alone would only move within the page."""
        self.chrome.get("about:blank")
        self.chrome.get(url)

    def element(self, selector: str) -> WebElement:
        return self.chrome.find_element(By.CSS_SELECTOR, selector)

    def text(self, selector: str) -> str:
        return self.element(selector).text

    def texts(self, selector: str) -> list[str]:
        script = "return [...document.querySelectorAll(arguments[0])].map((it) => it.innerText)"
        return [str(text) for text in self.chrome.execute_script(script, selector)]

    def wait_for(self, selector: str, words: str) -> str:
        """The text of an element, as soon as it holds these words."""
        found = ""

        def is_there(_: Chrome) -> bool:
            nonlocal found
            found = self.text(selector)
            return words in found

        WebDriverWait(self.chrome, SECONDS_MAX, 0.05).until(is_there, f"{selector} lacks {words}")
        return found

    def open_week(self, url: str) -> None:
        """Open a week, and wait until its rows are shown."""
        self.open(url)
        self.wait_for("[data-table=rows]", " of ")

    def verify(self, endpoint: str = "") -> str:
        """Verify the week that is shown. Returns the verdict."""
        box = self.element("#url")
        box.clear()
        box.send_keys(endpoint)
        self.element("#verify button").click()
        return self.wait_for("#verdict", ". ")

    def contradictions(self) -> list[str]:
        return self.texts("#contradictions li")

    def check_proof(self, text: str) -> str:
        """Paste a proof and check it. Returns the verdict."""
        self.chrome.execute_script(
            "document.getElementById('proof-text').value = arguments[0]", text
        )
        self.element("#proof button").click()
        return self.wait_for("#proof-verdict", ". ")

    def look(self, width: int, scheme: str = "light") -> None:
        """Take a screen of this width, and a colour scheme."""
        size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 600}
        self.chrome.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        media = [{"name": "prefers-color-scheme", "value": scheme}]
        self.chrome.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": media})

    def measured(self, expression: str) -> Any:
        return self.chrome.execute_script(f"return {expression}")
