"""Every example of the documentation, typed in order on the demo's stack, and compared."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from pymongo import MongoClient

from deploy.local.engine import NoMongoEngine, choose_engine
from tests.end_to_end.support.examples import (
    PAGES,
    ROOT,
    Example,
    commands_in_sentences,
    examples,
    missing_line,
)

pytestmark = pytest.mark.real

ELSEWHERE = {
    r"make (setup|check|test|mutants|image)\b": "it installs packages, or runs these tests",
    r"pip install": "tests/deploy/test_wheel.py installs the wheel and the locked packages",
    r"python3 -m venv /opt|/opt/kontrib": "it changes the machine: tests/deploy/test_units.py",
    r"celery -A worker\.app worker &": "it runs for ever; `make demo` starts the same processes",
    r"python -m deploy\.local\.chain\.rpc\.server": "it runs for ever; the stack runs it",
    r"docker ": "it needs Docker: tests/deploy/test_images.py",
    r"kubectl ": "it needs a cluster: tests/deploy/test_kubernetes.py",
    r"install -D -o 10001": "it needs root, and keys of the operator",
    r"systemctl |journalctl ": "it needs systemd: tests/deploy/test_units.py",
    r"spl-token |solana(-keygen)? ": "it needs Solana's programs, and the treasury's owner",
    r"curl .*/api/task/": "it needs an open Flower: tests/end_to_end/test_flower.py",
    r"node tests/verifier": "tests/verifier and test_public_verification.py run it",
    r"pytest ": "it is a test",
}
"""Commands that cannot be typed here, each with the reason."""

REFUSED = {
    r"kontrib (hold|retry .*--rewallet) ": "was paid already",
    r"kontrib release ": "was paid already",
    r"kontrib void ": "is paid on chain",
    r"kontrib migrate set-aside ": "has no distribution of another system",
}
"""Commands of sentences that the demo's closed week refuses, and its words."""
NOT_TYPED = {
    r"kontrib (metrics|status .*--watch)": "it runs for ever: tests/end_to_end/test_monitoring.py",
    r"kontrib (import|simulate) FILE": "docs/data-model.md and README's examples run it on a file",
    r"kontrib migrate rollback": "docs/backup.md's examples end with it",
    r"kontrib (retry|plan|report|import|stake|propose|verify|proof|backup|restore)$": "a mention",
    r"kontrib (approve|hold|release|void|user|publish|vote|genesis|simulate|cancel)$": "a mention",
    r"kontrib (contribute|execute|unstake|rebuild|reconcile|verify-proof)$": "a mention",
}

USER, ARTICLE = "507f1f77bcf86cd799439011", "507f1f77bcf86cd799439012"
STAKE_OR_PROPOSAL = "6765f1c2a4b3c2d1e0f90817"
SECONDS_MAX = 240


class Operator:
    """A person who types the examples in a scratch folder that holds the demo's state."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        code, self.demo = self.type("python -m deploy.local demo --keep")
        assert code == 0, self.demo
        (self.user, *_) = re.findall(r"^ ([0-9a-f]{24}) ", self.demo, re.MULTILINE)
        """The contributor at the top of the demo's table."""
        settings = (folder / ".kontrib/env").read_text()
        self._settings = dict(re.findall(r"^(\w+)=(.*)$", settings, re.MULTILINE))
        with MongoClient(self._settings["MONGO_URI"]) as client:
            database = client[self._settings["MONGO_DATABASE"]]
            self._article = str(database.articles.find_one()["_id"])
        self._made = ""
        """The id of the newest stake or proposal."""

    def type(self, command: str) -> tuple[int, str]:
        """The exit code and the output of a command."""
        done = subprocess.run(
            ["/bin/bash", "-o", "pipefail", "-c", command],
            cwd=self.folder,
            env=_environment(command),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=SECONDS_MAX,
            check=False,
        )
        return done.returncode, done.stdout

    def with_names(self, command: str) -> str:
        """A command of a sentence, with this demo's names and a value for each placeholder."""
        names = {"WEEK": "2024-W50", "USER": self.user, "ROOT": self.root(), "BATCH": "0"}
        names |= {"TEXT": "why", "DIR": f"scratch-{len(command)}"}
        return re.sub(r"\b[A-Z]+\b", lambda found: names.get(found[0], found[0]), command)

    def root(self) -> str:
        """The root of the demo's plan."""
        _, output = self.type("kontrib status 2024-W50 --json")
        return str(json.loads(output)["root"])

    def type_example(self, command: str) -> tuple[int, str]:
        """The same, with this demo's names in place of the documentation's."""
        if re.match(r"make demo\b", command):
            return 0, self.demo
        names = {
            USER: self.user,
            ARTICLE: self._article,
            STAKE_OR_PROPOSAL: self._made,
            " URL": f" {self._settings['SOLANA_RPC_URL']}",
            " /backups/": " backups/",
        }
        typed = command
        for name, value in names.items():
            typed = typed.replace(name, value)
        code, output = self.type(typed)
        if re.match(r"kontrib (stake|propose) ", command):
            (self._made, *_) = re.findall(r"\b[0-9a-f]{24}\b", output.replace(self.user, ""))
        return code, output.replace(" backups/", " /backups/")


def _environment(command: str) -> dict[str, str]:
    kept = {k: v for k, v in os.environ.items() if not k.startswith("KONTRIB_ENV")}
    # As the README says: kontrib finds the local stack by itself, and celery does not.
    if command.startswith("celery") or "MONGO_URI" in kept:
        kept["KONTRIB_ENV_FILE"] = ".kontrib/env"
    programs = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    return kept | {"PATH": programs, "PYTHONPATH": str(ROOT)}


@pytest.fixture(scope="module")
def operator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Operator]:
    try:
        choose_engine(os.environ, os.environ.get("MONGO_URI"), None)
    except NoMongoEngine as error:
        pytest.skip(str(error))
    folder = tmp_path_factory.mktemp("clone")
    shutil.copytree(ROOT / "deploy", folder / "deploy", ignore=shutil.ignore_patterns(".env"))
    try:
        yield Operator(folder)
    finally:
        down = [sys.executable, "-m", "deploy.local", "down", "--purge"]
        subprocess.run(down, cwd=folder, env=_environment("down"), check=True, timeout=60)


def is_elsewhere(example: Example) -> bool:
    return any(re.search(pattern, example.command) for pattern in ELSEWHERE)


def typed_here(page: str) -> list[Example]:
    return [example for example in examples(page) if not is_elsewhere(example)]


@pytest.mark.parametrize("page", ["README.md", "docs/operations.md"])
def test_every_command_in_a_sentence_is_answered(operator: Operator, page: str) -> None:
    """With the demo's names in place of WEEK and USER. It succeeds, or is refused in words."""
    typed = 0
    for named in commands_in_sentences(page):
        if any(re.match(pattern, named) for pattern in NOT_TYPED):
            continue
        typed += 1
        command = operator.with_names(named)
        code, output = operator.type(command)
        said = f"{page}: {named}\n$ {command}\nexit code {code}\n{output}"
        assert "Traceback" not in output, said
        words = next((words for it, words in REFUSED.items() if re.match(it, named)), None)
        assert (code == 0) is (words is None), said
        assert "Usage:" not in output, said
        assert (words or "") in output, said
        if named.startswith("kontrib pause"):
            assert operator.type("kontrib resume")[0] == 0
    assert typed > 10


@pytest.mark.parametrize("page", [page for page in PAGES if typed_here(page)])
def test_every_example_does_what_the_page_shows(operator: Operator, page: str) -> None:
    """A command outside `ELSEWHERE` is typed, so it succeeds, or it shows its error."""
    for example in typed_here(page):
        code, output = operator.type_example(example.command)
        shows_error = any('"error"' in line or "error:" in line for line in example.shown)
        said = f"{example.place}: {example.command}\nexit code {code}\n{output}"
        assert code == (1 if shows_error else 0), said
        missing = missing_line(example.shown, output)
        assert missing is None, f"{said}\nis shown, and not there: {missing}"


def test_every_page_with_examples_is_run() -> None:
    """The reference of the commands is made from the code, which another test compares."""
    pages = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md")]
    found = {str(p.relative_to(ROOT)) for p in pages if "```console" in p.read_text()}
    assert found - {"docs/commands.md"} == {page for page in PAGES if examples(page)}


def test_every_command_stands_in_an_example_or_a_sentence() -> None:
    """A block without `console` would be run by nobody."""
    block = re.compile(r"^```\n((?:(?!```).*\n)*?)```$|^    (\w.*)$", re.MULTILINE)
    for page in (ROOT / "docs").glob("*.md"):
        for lines, line in block.findall(page.read_text()):
            assert not re.match(r"(kontrib|python|celery|make) ", lines or line), page


@pytest.mark.parametrize(
    ("shown", "output", "missing"),
    [
        (["done in 28.3 s"], "noise\n  done in 1,031 s", None),
        (["done in 28.3 s"], "done at 28.3 s", "done in 28.3 s"),
        (["first", "second"], "second\nfirst", "second"),
        (["2024-W50: 45 paid, …"], "2025-W01: 7 paid, 10 KONTRIB", None),
        (["…", "last"], "first\nlast", None),
        (["by 507f1f77bcf86cd799439011"], "by 89d9a5d272a4002ea4202164", None),
        (["by 507f1f77bcf86cd799439011"], "by nobody", "by 507f1f77bcf86cd799439011"),
    ],
)
def test_output_is_compared_by_its_shape(shown: list[str], output: str, missing: str) -> None:
    assert missing_line(shown, output) == missing
