"""The documentation's site builds without a warning, and its reference pages fit the code."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

from config.settings import Settings
from deploy.reference import DOCS, commands_page, settings_page


def test_the_reference_pages_are_those_of_the_code() -> None:
    """If this fails, run `make docs` and commit the pages."""
    assert (DOCS / "settings.md").read_text() == settings_page()
    assert (DOCS / "commands.md").read_text() == commands_page()


def test_every_setting_says_what_it_means() -> None:
    silent = [name for name, field in Settings.model_fields.items() if not field.description]
    assert silent == []


def test_the_site_builds_and_every_page_is_in_its_menu(tmp_path: Path) -> None:
    """`--strict` fails on a page or an anchor that a link names and nothing holds."""
    shutil.copytree(DOCS, tmp_path / "docs")
    shutil.copy(DOCS.parent / "zensical.toml", tmp_path)
    zensical = Path(sys.executable).with_name("zensical")
    done = subprocess.run(
        [str(zensical), "build", "--strict"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout + done.stderr

    menu = (DOCS.parent / "zensical.toml").read_text()
    for source in DOCS.glob("*.md"):
        assert f'"{source.name}"' in menu
        assert (tmp_path / "site" / source.with_suffix(".html").name).exists(), source.name
    assert (tmp_path / "site" / "search.json").stat().st_size > 100_000
