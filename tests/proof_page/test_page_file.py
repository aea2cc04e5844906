"""The proof page is one file that needs no other, and the same for everybody."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from pathlib import Path

import pytest

from tests.verifier.node import run_node
from worker.adapters.bundle_folder import BundleFolderWriter, BundleNotWritten
from worker.adapters.proof_page import page
from worker.adapters.proof_page.page import joined_modules, proof_page
from worker.core.proof.bundle import MANIFEST_FILE, PAYOUTS_FILE, PLAN_FILE
from worker.core.report.explorer import MAINNET, PUBLIC_CLUSTERS
from worker.core.week import Week

WEEKS = [Week.parse("2024-W50"), Week.parse("2024-W51")]
FOLDER = Path(page.__file__).parent


def published(folder: Path, week: Week) -> Path:
    writer = BundleFolderWriter(folder, week)
    for name in (PLAN_FILE, PAYOUTS_FILE, MANIFEST_FILE):
        writer.write(name, [b"{}"])
    return Path(writer.finish())


def test_every_folder_has_the_same_page_and_the_first_one_a_list_of_weeks(tmp_path: Path) -> None:
    places = [tmp_path, *(published(tmp_path, week) for week in reversed(WEEKS))]
    pages = {(place / "index.html").read_text() for place in places}
    assert pages == {proof_page()}
    assert json.loads((tmp_path / "weeks.json").read_text()) == ["2024-12-09", "2024-12-16"]
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        *("2024-12-09", "2024-12-16", "index.html", "weeks.json")
    ]


def test_a_week_that_another_operator_adds_meanwhile_is_listed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, puts = BundleFolderWriter._put, list[str]()

    def put(writer: BundleFolderWriter, target: Path, text: str) -> None:
        if target.name == "weeks.json" and not puts:
            puts.append(target.name)
            published(tmp_path, WEEKS[1])
        real(writer, target, text)

    monkeypatch.setattr(BundleFolderWriter, "_put", put)
    published(tmp_path, WEEKS[0])
    assert json.loads((tmp_path / "weeks.json").read_text()) == ["2024-12-09", "2024-12-16"]


def test_the_policy_allows_this_style_and_this_script_alone() -> None:
    text = proof_page()
    (policy,) = re.findall(r'Content-Security-Policy" content="([^"]+)"', text)
    rules = dict(rule.split(" ", 1) for rule in policy.split("; "))
    for rule, element in (("style-src", "style"), ("script-src", r'script type="module"')):
        (content,) = re.findall(rf"<{element}>(.*?)</", text, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
        assert rules[rule] == f"'sha256-{digest}'"
    assert rules["default-src"] == "'none'"
    assert rules["connect-src"] == "'self' https: http://localhost:* http://127.0.0.1:*"
    assert rules["require-trusted-types-for"] == "'script'"


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("index.html", "<!doctype html><title>Our wiki</title>"),
        ("weeks.json", '{"weeks": ["2024-12-09"]}'),
        ("weeks.json", '["monday"]'),
    ],
)
def test_a_file_of_another_site_is_never_replaced(tmp_path: Path, name: str, content: str) -> None:
    (tmp_path / name).write_text(content)
    with pytest.raises(BundleNotWritten, match="of another site"):
        published(tmp_path, WEEKS[0])
    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert (tmp_path / name).read_text() == content


def test_the_page_names_no_other_host_but_the_explorer() -> None:
    hosts = set(re.findall(r"https?://([\w.-]+)", proof_page()))
    assert hosts == {"explorer.solana.com", "localhost", "127.0.0.1", "www.w3.org"}
    assert not re.search(r"innerHTML|outerHTML|insertAdjacent|document\.write|eval\(", proof_page())


def test_the_page_knows_the_public_clusters() -> None:
    for genesis, name in PUBLIC_CLUSTERS.items():
        suffix = "" if name == MAINNET else f"?cluster={name}"
        assert f'["{genesis}", "{suffix}"]' in proof_page()


@pytest.mark.parametrize("name", ["page.mjs", "worker.mjs"])
def test_joined_modules_are_one_script(tmp_path: Path, name: str) -> None:
    script = tmp_path / name
    script.write_text(joined_modules(FOLDER / "view" / name))
    assert run_node(Path("--check"), str(script)).returncode == 0


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ('import x from "./other.mjs";\n', "cannot be joined"),
        ("export default 1;\n", "cannot be joined"),
        ('import { a } from "./other.mjs";\nconst a = 2;\n', "'a' twice"),
    ],
)
def test_modules_that_cannot_be_joined_are_refused(tmp_path: Path, text: str, why: str) -> None:
    (tmp_path / "other.mjs").write_text("export const a = 1;\n")
    (tmp_path / "entry.mjs").write_text(text)
    with pytest.raises(ValueError, match=why):
        joined_modules(tmp_path / "entry.mjs")
