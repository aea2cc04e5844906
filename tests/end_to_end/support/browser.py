"""A real browser without a window: Debian's Chromium, driven by Selenium."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from selenium.webdriver import Chrome, ChromeOptions
from selenium.webdriver.chrome.service import Service

from tests.tools import need

FLAGS = [
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
]
PAGE_SECONDS_MAX = 30


@contextmanager
def browser(
    folder: Path,
    *,
    width: int = 1400,
    height: int = 900,
    requests: bool = False,
    net_log: Path | None = None,
) -> Iterator[Chrome]:
    """A browser with a fresh profile in `folder`. With `requests`, it logs each page's requests.

    `net_log` gets everything that the browser sent, workers included, once it has quit.
    """
    options = ChromeOptions()
    if net_log:
        options.add_argument(f"--log-net-log={net_log}")
    if requests:
        options.set_capability("goog:loggingPrefs", {"performance": "ALL"})
    options.binary_location = need("chromium", "chromium")
    for flag in (*FLAGS, f"--window-size={width},{height}", f"--user-data-dir={folder}"):
        options.add_argument(flag)
    driver = Chrome(options, Service(need("chromedriver", "chromium-driver")))
    try:
        driver.set_page_load_timeout(PAGE_SECONDS_MAX)
        yield driver
    finally:
        driver.quit()
