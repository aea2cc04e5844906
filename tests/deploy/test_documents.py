"""Every command and every link in the operators' pages exists."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import typer

from config.settings import Settings
from worker.cli.main import app

DOCS = Path(__file__).resolve().parents[2] / "docs"
PAGES = ["operations.md", "security.md"]


def anchors(page: str) -> set[str]:
    """The anchors of a page's headings, as they are made for the web."""
    headings = re.findall(r"^#+ (.+)$", page, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("name", PAGES)
def test_every_command_exists(name: str) -> None:
    known = set(typer.main.get_command(app).list_commands(None))  # type: ignore[attr-defined]
    typed = set(re.findall(r"(?:`|\$ )kontrib ([a-z-]+)", (DOCS / name).read_text()))
    assert typed
    assert typed <= known


@pytest.mark.parametrize("name", PAGES)
def test_every_link_leads_somewhere(name: str) -> None:
    for target in re.findall(r"\]\(([^)]+)\)", (DOCS / name).read_text()):
        if target.startswith("https://"):
            continue  # the network is off in tests
        path, _, anchor = target.partition("#")
        page = DOCS / (path or name)
        assert page.exists(), target
        if anchor:
            assert anchor in anchors(page.read_text()), target


@pytest.mark.parametrize("name", PAGES)
def test_every_test_that_is_named_is_there(name: str) -> None:
    for path in re.findall(r"`(tests/[\w/.]+)`", (DOCS / name).read_text()):
        assert (DOCS.parent / path).exists(), path


def test_every_setting_that_is_named_is_one() -> None:
    text = (DOCS / "operations.md").read_text()
    named = set(re.findall(r"`([A-Z]+(?:_[A-Z]+)+)(?:=[^`]*)?`", text))
    known = {field.upper() for field in Settings.model_fields}
    flower = (DOCS.parent / "deploy/flower/flowerconfig.py").read_text()
    known |= set(re.findall("FLOWER_[A-Z_]+", flower))
    assert named - known == set()
    assert len(named) > 8


def test_every_path_that_contributors_are_shown_exists() -> None:
    text = (DOCS.parent / "CONTRIBUTING.md").read_text()
    named = re.findall(r"`((?:worker|tests|deploy|docs|tasks)/[^`]+?)/?`", text)
    assert len(named) > 30
    for path in named:
        # `<subject>` stands for any subject.
        known = DOCS.parent / path.split("/<subject>")[0]
        assert known.exists() or known.with_suffix(".py").exists(), path
