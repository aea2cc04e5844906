"""`python -m bench.proof_page`: a published week of 100,000 rewards, verified in a real browser.

The week is really planned and paid on the local stack, and the chain goes on answering. The files'
verification is compared with the same work of `kontrib verify` in the same run. The two limits in
seconds are what a person notices. The machine's other load counts, too.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from bench.synthetic import WEEK, Size
from bench.week import finished_week
from tests.end_to_end.support.browser import browser
from tests.proof_page.visitor import Visitor, static_host
from worker.adapters.bundle_folder import BundleFolderWriter, bundles_in
from worker.core.findings import Outcome
from worker.services.proof.publish_bundle import publish_week
from worker.services.proof.verify_bundle import verify_bundle

REWARDS = 100_000
FIRST_VIEW_SECONDS_MAX = 1
FILES_RATIO_MAX = 5
LOOK_SECONDS = 1
FROZEN_MILLISECONDS_MAX = 100
"""A person notices a page that does not answer for longer."""

WATCH = """
window.seen = { frozen: 0 };
new PerformanceObserver((list) => {
  for (const entry of list.getEntries()) seen.frozen = Math.max(seen.frozen, entry.duration);
}).observe({ type: "longtask", buffered: true });
new MutationObserver(() => {
  if (document.querySelector("#figures b")) seen.figures ??= performance.now();
  if (document.querySelector("[data-table=rows] td")) seen.rows ??= performance.now();
  if (document.querySelector("#verdict p")) seen.verdict = performance.now();
}).observe(document, { childList: true, subtree: true });
"""


@dataclass(frozen=True, slots=True)
class Line:
    """One figure with its limit; None if it has no limit."""

    what: str
    value: float
    unit: str
    limit: float | None = None

    @property
    def holds(self) -> bool:
        return self.limit is None or self.value <= self.limit

    def text(self) -> str:
        limit = "" if self.limit is None else f"<= {self.limit:g} {self.unit}"
        verdict = "ok" if self.holds else "ABOVE"
        return f"{self.what:<52}{self.value:>10.2f} {self.unit:<4}{limit:<14}{verdict}"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rewards", type=int, default=REWARDS)
    rewards = parser.parse_args().rewards
    with (
        tempfile.TemporaryDirectory(prefix="kontrib-bench-") as name,
        finished_week(Path(name), Size(rewards, 2 * rewards), 2) as (cluster, _),
    ):
        folder = Path(name) / "bundles"
        publish_week(cluster.context, WEEK, BundleFolderWriter(folder, WEEK))
        lines = list(measured(folder, cluster.settings.solana_rpc_url[0], Path(name) / "browser"))
    for line in lines:
        print(line.text())
    return 0 if all(line.holds for line in lines) else 1


def measured(folder: Path, endpoint: str, profile: Path) -> Iterator[Line]:
    """Open the week's page and verify it, without and with the chain."""
    with static_host(folder) as host, browser(profile) as chrome:
        visitor = Visitor(chrome)
        chrome.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": WATCH})
        visitor.open_week(f"{host}{WEEK.id}/")
        seen = visitor.measured("seen")
        yield Line("first view", seen["figures"] / 1000, "s", FIRST_VIEW_SECONDS_MAX)
        yield Line("first rows", seen["rows"] / 1000, "s")
        ours, page = _verified_here(folder), _verified(visitor, "")
        yield Line("files verified by kontrib", ours, "s")
        yield Line("files verified by the page", page, "s")
        yield Line("the page's time to kontrib's", page / ours, "x", FILES_RATIO_MAX)
        yield Line("files and chain verified", _verified(visitor, endpoint), "s")
        frozen = visitor.measured("seen.frozen")
        yield Line(
            "longest time without an answer of the page", frozen, "ms", FROZEN_MILLISECONDS_MAX
        )


def _verified_here(folder: Path) -> float:
    """Seconds of the same checks in this process."""
    [bundle] = bundles_in(folder)
    began = time.perf_counter()
    found = verify_bundle(bundle)
    seconds = time.perf_counter() - began
    if found.outcome is not Outcome.OK:
        raise AssertionError(found.sentence())
    return seconds


def _verified(visitor: Visitor, url: str) -> float:
    """Seconds from the button to the verdict, by the page's clock, since looking costs time."""
    visitor.element("#url").send_keys(url)
    began = visitor.measured("performance.now()")
    visitor.element("#verify button").click()
    while not visitor.text("#verdict"):
        time.sleep(LOOK_SECONDS)
    if "VERIFIED" not in visitor.text("#verdict"):
        raise AssertionError([visitor.text("#verdict"), *visitor.contradictions()[:20]])
    return float(visitor.measured("seen.verdict") - began) / 1000


if __name__ == "__main__":
    sys.exit(main())
