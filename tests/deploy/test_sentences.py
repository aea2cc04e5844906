"""The sentences of every page name commands, options, targets, settings and files that exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import typer

from config.settings import Settings
from worker.cli.main import app

ROOT = Path(__file__).resolve().parents[2]
PAGES = ["README.md", "CONTRIBUTING.md", *(f"docs/{p.name}" for p in (ROOT / "docs").glob("*.md"))]
NO_SETTINGS = {
    *("KONTRIB_ENV_FILE", "KONTRIB_CACHE", "KONTRIB_DEBUG", "HYPOTHESIS_PROFILE"),
    *("FLOWER_PASSWORD", "FLOWER_PASSWORD_FILE", "FLOWER_READ_ONLY", "FLOWER_ADDRESS"),
    *("KONTRIB_TEST_RPC_URL", "KONTRIB_TEST_KEY_FILE", "KONTRIB_TEST_MONGO_URI", "NO_COLOR"),
}
"""Variables that other programs read, or that are read before the settings."""


def options_of(command: str) -> set[str]:
    """Every option of a command and of its commands."""
    known = typer.main.get_command(app)
    found = known.commands[command]  # type: ignore[attr-defined]
    parts = [found, *getattr(found, "commands", {}).values()]
    return {name for part in parts for each in part.params for name in each.opts} | {"--help"}


@pytest.mark.parametrize("page", PAGES)
def test_every_command_and_option_exists(page: str) -> None:
    known = set(typer.main.get_command(app).commands)  # type: ignore[attr-defined]
    text = (ROOT / page).read_text()
    for command, rest in re.findall(r"(?:`|\$ )kontrib ([a-z][a-z-]*)([^`\n]*)", text):
        assert command in known, f"{page}: kontrib {command}"
        for option in re.findall(r"(?<=\s)--[a-z-]+", rest.split("#")[0].split("&&")[0]):
            assert option in options_of(command), f"{page}: kontrib {command}{rest}"


@pytest.mark.parametrize("page", PAGES)
def test_every_target_exists(page: str) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = set(re.findall(r"(?:`|\$ )make ([a-z-]+)", (ROOT / page).read_text()))
    assert named <= targets


@pytest.mark.parametrize("page", PAGES)
def test_every_file_exists(page: str) -> None:
    text = (ROOT / page).read_text()
    for path in re.findall(r"`((?:worker|tests|deploy|docs|tasks|bench|config)/[\w./-]+)`", text):
        made = path.startswith(("deploy/.env", "deploy/keys"))
        known = ROOT / path
        assert made or known.exists() or known.with_suffix(".py").exists(), f"{page}: {path}"


@pytest.mark.parametrize("page", ["README.md", "docs/operations.md", "docs/security.md"])
def test_every_setting_exists(page: str) -> None:
    known = {field.upper() for field in Settings.model_fields} | NO_SETTINGS
    named = re.findall(r"`([A-Z]+(?:_[A-Z]+)+)(?:=[^`]*)?`", (ROOT / page).read_text())
    assert set(named) - known == set()


def test_every_command_of_the_data_model_prints_json() -> None:
    """The page says so."""
    text = (ROOT / "docs/data-model.md").read_text()
    named = set(re.findall(r"^\$ kontrib ([a-z-]+)", text, re.MULTILINE)) | {"cancel", "execute"}
    assert [command for command in sorted(named) if "--json" not in options_of(command)] == []
