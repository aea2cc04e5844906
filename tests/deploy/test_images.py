"""Dockerfile and compose file, checked without an engine: by linter, schema and our own rules."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from config.settings import Settings
from tests.tools import need

ROOT = Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "deploy"
STORES = ("mongo", "redis")
KEY_VARIABLES = (
    *("SOLANA_PRIVATE_KEY", "SOLANA_PRIVATE_KEY_FILE", "RECEIPT_KEY_FILE", "FEE_PAYER_KEY_FILE"),
    *("SOLANA_PRIVATE_KEY_URI", "RECEIPT_KEY_URI", "FEE_PAYER_KEY_URI", "PKCS11_PIN_FILE"),
)


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    return dict(yaml.safe_load((DEPLOY / "compose.yaml").read_text()))


def test_the_dockerfile_passes_its_linter() -> None:
    hadolint = Path(sys.executable).with_name("hadolint")
    program = str(hadolint) if hadolint.exists() else need("hadolint", "hadolint")
    done = subprocess.run(
        [program, str(DEPLOY / "Dockerfile")], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stdout


def test_the_image_runs_as_nobody_and_checks_its_health() -> None:
    stages = re.split(r"^FROM ", (DEPLOY / "Dockerfile").read_text(), flags=re.MULTILINE)
    final = stages[-1]
    assert "USER 10001:10001" in final
    assert "HEALTHCHECK" in final
    assert "pip" not in final  # it stays in the earlier build stage
    assert "--require-hashes" in stages[-2]


def test_what_the_image_copies_is_there_and_holds_no_secret() -> None:
    text = (DEPLOY / "Dockerfile").read_text()
    copied = re.findall(r"^COPY (?:--chmod=\S+ )?(?!--from)(\S+) ", text, re.MULTILINE)
    allowed = (DEPLOY / "Dockerfile.dockerignore").read_text().splitlines()
    for path in copied:
        assert (ROOT / path).exists(), path
        assert f"!{path}" in allowed, path
    assert "*" in allowed


def test_the_compose_file_fits_its_schema() -> None:
    check = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec"]
    done = subprocess.run(
        [*check, str(DEPLOY / "compose.yaml")], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_service_is_hardened_limited_and_healthy(compose: dict[str, Any]) -> None:
    assert set(compose["services"]) == {
        *STORES,
        *("migrate", "worker", "beat", "flower", "exporter", "backup"),
    }
    for name, service in compose["services"].items():
        assert service["read_only"] is True, name
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert not str(service["user"]).startswith(("0", "root")), name
        assert set(service["deploy"]["resources"]["limits"]) == {"cpus", "memory"}, name
        assert "test" in service["healthcheck"] or name == "migrate", name


def test_only_flower_and_the_exporter_are_published_and_only_here(compose: dict[str, Any]) -> None:
    published = {n: s["ports"] for n, s in compose["services"].items() if "ports" in s}
    assert set(published) == {"flower", "exporter"}
    assert all(port.startswith("127.0.0.1:") for ports in published.values() for port in ports)
    assert compose["networks"]["stores"]["internal"] is True
    for name in STORES:
        assert compose["services"][name]["networks"] == ["stores"]


def test_only_the_worker_is_given_the_key(compose: dict[str, Any]) -> None:
    for name, service in compose["services"].items():
        environment = service.get("environment", {})
        has_keys = "./keys:/run/keys:ro" in service.get("volumes", [])
        assert has_keys == (name == "worker"), name
        if name == "worker":
            continue
        assert not set(KEY_VARIABLES) & set(environment), name
        assert name in STORES or environment["WATCH_ONLY"] == "true"


def test_the_worker_sorts_on_disk_and_nothing_else_needs_to(compose: dict[str, Any]) -> None:
    for name, service in compose["services"].items():
        in_memory = any(each.startswith("/tmp") for each in service["tmpfs"])  # noqa: S108
        on_disk = "/tmp" in service.get("volumes", [])  # noqa: S108
        assert (in_memory, on_disk) == (name not in ("worker", "redis"), name == "worker"), name


def test_services_wait_for_what_they_need(compose: dict[str, Any]) -> None:
    for service in compose["services"].values():
        for needed, condition in service.get("depends_on", {}).items():
            assert needed in compose["services"]
            assert condition["condition"] in ("service_healthy", "service_completed_successfully")


def test_every_variable_is_one_of_ours(compose: dict[str, Any]) -> None:
    known = {name.upper() for name in Settings.model_fields}
    for name, service in compose["services"].items():
        for variable in service.get("environment", {}):
            assert variable in known or variable.startswith("FLOWER_"), (name, variable)


def test_what_must_be_filled_in_is_in_the_example() -> None:
    required = re.findall(r"\$\{(\w+):\?", (DEPLOY / "compose.yaml").read_text())
    example = (DEPLOY / "env.example").read_text()
    assert {"SOLANA_RPC_URL", "TOKEN_MINT_ADDRESS", "FLOWER_PASSWORD"} == set(required)
    assert all(f"\n{name}=" in example for name in required)
