"""`make screenshots`: the pictures in docs/images, made from a real week in a real browser."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

from deploy.local.chain.service import chain_service
from deploy.local.stack import LocalStack
from tests.end_to_end.support import wiki
from tests.end_to_end.support.browser import browser
from tests.end_to_end.support.cluster import Cluster
from tests.end_to_end.support.flower import Flower
from tests.end_to_end.support.public_weeks import WEEKS, public_weeks
from tests.fakes.check.report_world import busy_world, report_of
from tests.proof_page.visitor import Visitor, static_host
from worker.adapters.mongo.schema.migrations import migrate
from worker.bootstrap.without_settings import render_report
from worker.core.week import Week
from worker.services.plan.genesis import make_genesis

IMAGES = Path(__file__).resolve().parents[1] / "docs" / "images"
WEEK = Week.parse("2024-W50")
USERS, CONTRIBUTIONS = 200, 600
PHONE = {"width": 390, "height": 1100, "deviceScaleFactor": 1.5, "mobile": True}


def main() -> None:
    """Make all pictures."""
    IMAGES.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        chain = chain_service(slot_milliseconds=50)
        stack = LocalStack(Path(folder) / "stack", lambda _: None, services=[chain])
        stack.up()
        try:
            _report(Path(folder))
            _flower(Path(folder), stack.settings())
            _proof_page(Path(folder) / "public")
            _site(Path(folder))
        finally:
            stack.down(purge=True)


def _flower(folder: Path, settings: dict[str, str]) -> None:
    cluster = Cluster(folder, settings, WEEK)
    try:
        migrate(cluster.database, lambda _: None, cluster.context.clock.now())
        wiki.add_users(cluster.database, range(USERS))
        wiki.add_contributions(cluster.database, CONTRIBUTIONS, WEEK, users=USERS)
        make_genesis(cluster.context, WEEK)
        flower = Flower(folder, cluster.variables)
        try:
            cluster.start_worker(concurrency=2)
            cluster.send("tasks.distribute", week=WEEK.label)
            cluster.wait_until_closed()
            for task in ("funds", "reconcile", "canary"):
                cluster.send(f"tasks.{task}")
            cluster.wait(lambda: "plan = database" in _results(flower), 60, "no reconciliation")
            _pictures(folder / "browser", flower)
        finally:
            flower.stop()
    finally:
        cluster.stop()


def _report(folder: Path) -> None:
    """A week with held, voided and separately paid rewards, after twelve other weeks."""
    file = folder / "report.html"
    file.write_text(render_report("week.html", report=report_of(*busy_world())))
    with browser(folder / "report-browser", width=1280, height=1600) as page:
        for scheme in ("light", "dark"):
            _prefer(page, scheme)
            _picture(page, file.as_uri(), "Week over week", f"report-{scheme}.png")
        _prefer(page, "light")
        page.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", PHONE)
        _picture(page, file.as_uri(), "Week over week", "report-phone.png")


def _proof_page(folder: Path) -> None:
    """A week that the page verified against the chain."""
    folder.mkdir()
    with (
        public_weeks(folder) as weeks,
        static_host(folder / "bundles") as host,
        browser(folder / "page-browser", width=1100, height=1350) as page,
    ):
        visitor = Visitor(page)
        visitor.open_week(f"{host}{WEEKS[0].id}/")
        visitor.verify(weeks.url)
        visitor.element("#checks-box summary").click()
        page.save_screenshot(str(IMAGES / "proof-page.png"))
        sys.stdout.write("docs/images/proof-page.png\n")


def _site(folder: Path) -> None:
    """The documentation's site, opened from its files."""
    shutil.copytree(IMAGES.parent, folder / "docs")
    shutil.copy(IMAGES.parents[1] / "zensical.toml", folder)
    zensical = Path(sys.executable).with_name("zensical")
    subprocess.run([zensical, "build", "--strict"], cwd=folder, check=True, capture_output=True)
    start = folder / "site" / "index.html"
    with browser(folder / "site-browser", width=1280, height=900) as page:
        _picture(page, start.as_uri(), "Four ways in", "site.png")


def _prefer(page: Chrome, scheme: str) -> None:
    media = [{"name": "prefers-color-scheme", "value": scheme}]
    page.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": media})


def _results(flower: Flower) -> str:
    compared = [t for t in flower.tasks().values() if t["name"] == "tasks.reconcile"]
    return " ".join(str(task["result"]) for task in compared)


def _pictures(folder: Path, flower: Flower) -> None:
    paid = next(i for i, task in flower.tasks().items() if task["name"] == "tasks.pay")
    with browser(folder, width=1500, height=900) as page:
        _picture(page, f"{flower.url_with_login}/tasks", "tasks.close", "flower-tasks.png")
        _picture(page, f"{flower.url_with_login}/task/{paid}", "tasks.pay", "flower-task.png")


def _picture(page: Chrome, url: str, wanted: str, name: str) -> None:
    page.get(url)
    WebDriverWait(page, 20).until(lambda p: wanted in p.find_element(By.TAG_NAME, "body").text)
    page.save_screenshot(str(IMAGES / name))
    sys.stdout.write(f"docs/images/{name}\n")


if __name__ == "__main__":
    main()
