"""Alert rules, scrape configuration and dashboard, checked by Prometheus's own tool."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client import CollectorRegistry, generate_latest

from tests.fakes.world import WEEK, World
from tests.tools import need
from worker.adapters.exporter import FiguresCollector
from worker.core.watch.figures import BrokerFigures
from worker.services.watch.metrics import collect_figures
from worker.services.watch.notifications import note_stage, record_funds
from worker.services.week.due import find_work

ROOT = Path(__file__).resolve().parents[2]
PROMETHEUS = ROOT / "deploy" / "prometheus"


@pytest.fixture(scope="module")
def promtool() -> str:
    return need("promtool", "prometheus")


@pytest.fixture(scope="module")
def exported() -> str:
    """The exporter's output for a world in which every event happened once."""
    world = World()
    world.populate(4)
    world.genesis()
    context = world.first
    while work := find_work(context):
        world.do(context, work[0])
        note_stage(context.store, WEEK, world.clock.now())
    record_funds(context)
    figures = context.store.figures("funds") | {"allowance_base_units": 1}
    context.store.record_figures("funds", figures)
    context.store.add_counts({"rpc_errors/429": 3, "re_signs": 1})
    registry = CollectorRegistry()
    registry.register(
        FiguresCollector(
            lambda: collect_figures(context.store, world.clock.now(), timedelta(minutes=10)),
            lambda: BrokerFigures({"control": 1, "week": 0}, 1.0, workers=2),
        )
    )
    return generate_latest(registry).decode()


def run(*command: str, given: str | None = None) -> str:
    done = subprocess.run(
        command, input=given, cwd=PROMETHEUS, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def alerts() -> list[dict[str, Any]]:
    groups = yaml.safe_load((PROMETHEUS / "alerts.yml").read_text())["groups"]
    return [rule for group in groups for rule in group["rules"]]


def dashboard_queries() -> Iterator[tuple[str, str]]:
    dashboard = json.loads((ROOT / "deploy/grafana/kontrib.json").read_text())
    for panel in dashboard["panels"]:
        for target in panel["targets"]:
            yield panel["title"], target["expr"]


def test_each_alert_fires_when_it_should_and_not_before(promtool: str) -> None:
    assert "SUCCESS" in run(promtool, "test", "rules", "alerts_test.yml")


def test_each_alert_is_tested(promtool: str) -> None:
    tests = yaml.safe_load((PROMETHEUS / "alerts_test.yml").read_text())["tests"]
    fired = {
        check["alertname"]
        for test in tests
        for check in test["alert_rule_test"]
        if check.get("exp_alerts")
    }
    assert fired == {alert["alert"] for alert in alerts()}


def test_the_scrape_configuration_is_valid(promtool: str) -> None:
    run(promtool, "check", "config", "--syntax-only", "prometheus.yml")


def test_each_query_of_the_dashboard_is_valid(promtool: str, tmp_path: Path) -> None:
    rules = [
        {"record": f"dashboard:query_{i}", "expr": query}
        for i, (_, query) in enumerate(dashboard_queries())
    ]
    assert len(rules) > 15
    file = tmp_path / "queries.yml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "dashboard", "rules": rules}]}))
    assert f"{len(rules)} rules found" in run(promtool, "check", "rules", str(file))


def test_what_the_exporter_says_is_well_formed(promtool: str, exported: str) -> None:
    run(promtool, "check", "metrics", given=exported)


def test_alerts_and_dashboard_ask_only_for_what_is_exported(exported: str) -> None:
    names = set(re.findall(r"^(kontrib_\w+)", exported, re.MULTILINE))
    asked = [alert["expr"] for alert in alerts()] + [query for _, query in dashboard_queries()]
    found = {name for query in asked for name in re.findall(r"\bkontrib_\w+", query)}
    assert found - names == set()
    assert {name for name in names if not name.endswith("_created")} - found == set()


def test_each_alert_has_a_page_that_says_what_to_do() -> None:
    page = (ROOT / "docs/operations.md").read_text()
    headings = {h.lower() for h in re.findall(r"^#+ (Kontrib\w+)$", page, re.MULTILINE)}
    for alert in alerts():
        assert alert["alert"].lower() in headings
        runbook = alert["annotations"]["runbook"]
        assert runbook == f"docs/operations.md#{alert['alert'].lower()}"


def test_each_panel_has_a_place_of_its_own() -> None:
    dashboard = json.loads((ROOT / "deploy/grafana/kontrib.json").read_text())
    taken: set[tuple[int, int]] = set()
    for panel in dashboard["panels"]:
        at = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(at["x"], at["x"] + at["w"])
            for y in range(at["y"], at["y"] + at["h"])
        }
        assert not cells & taken
        assert at["x"] + at["w"] <= 24
        taken |= cells
