"""The dependency audit reports what was really looked up."""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path
from types import ModuleType

import pytest

SCRIPT = Path(__file__).resolve().parents[2] / "deploy" / "audit.py"


@pytest.fixture(scope="module")
def audit() -> ModuleType:
    spec = importlib.util.spec_from_file_location("audit", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["audit"] = module
    spec.loader.exec_module(module)
    return module


def package(name: str, *ids: str) -> dict[str, object]:
    found = [{"id": each, "fix_versions": ["1.1"]} for each in ids]
    return {"name": name, "version": "1.0", "vulns": found}


def printed(*dependencies: dict[str, object]) -> str:
    return json.dumps({"dependencies": list(dependencies)})


def test_a_vulnerability_fails_and_says_what_mends_it(audit: ModuleType) -> None:
    found = audit.read(printed(package("celery"), package("redis", "CVE-1", "CVE-2")))
    assert found.exit_code == 1
    assert "2 of 2 packages looked up, 2 known vulnerabilities:" in found.sentence
    assert "redis 1.0: CVE-1, fixed in 1.1" in found.sentence


def test_nothing_found_passes(audit: ModuleType) -> None:
    found = audit.read(printed(package("celery")))
    assert found.exit_code == 0
    assert found.sentence == "1 of 1 packages looked up, 0 known vulnerabilities"


@pytest.mark.parametrize(
    "output", ["", "Traceback", "[]", printed({"name": "celery", "skip_reason": "not found"})]
)
def test_databases_that_cannot_be_reached_are_not_taken_for_a_pass(
    audit: ModuleType, output: str
) -> None:
    found = audit.read(output)
    assert found.exit_code == 0
    assert "NOTHING WAS AUDITED" in found.sentence


def test_what_was_skipped_is_counted(audit: ModuleType) -> None:
    skipped: dict[str, object] = {"name": "solders", "skip_reason": "not found"}
    assert "1 of 2 packages" in audit.read(printed(package("celery"), skipped)).sentence
