"""Each way to deploy knows every setting that an operator may need."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from config.settings import Settings

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"
NOT_DEPLOYED = {
    "SOLANA_PRIVATE_KEY",  # deployments mount key files
    "PKCS11_PIN",  # and a file of the PIN
    "CLOCK_OFFSET_SECONDS",  # refused on every chain but the local one
    "LOCAL_CLUSTER_GENESIS",  # of the local chain
    "BACKOFF_SCALE",  # for tests
}
NEEDED = {name.upper() for name in Settings.model_fields} - NOT_DEPLOYED
FILES = {
    "compose": ["compose.yaml", "Dockerfile"],
    "kubernetes": [
        f"kubernetes/{name}.yaml" for name in ("settings", "secrets.example", "worker", "beat")
    ],
    "systemd": [
        f"systemd/{name}" for name in ("worker.env", "kontrib-worker.service", "watching.env")
    ]
    + ["systemd/kontrib-beat.service"],
}


@pytest.mark.parametrize("way", FILES)
def test_a_deployment_knows_every_setting(way: str) -> None:
    text = "\n".join((DEPLOY / name).read_text() for name in FILES[way])
    code = re.sub(r"^#.*$", "", text, flags=re.MULTILINE)
    known = set(re.findall(r"\b([A-Z][A-Z0-9_]+)\b", code if way != "systemd" else text))
    assert NEEDED - known == set()
    assert len(NEEDED) > 25


@pytest.mark.parametrize("name", ["worker.env", "watching.env"])
def test_the_templates_of_systemd_name_only_settings(name: str) -> None:
    named = re.findall(r"^([A-Z0-9_]+)=", (DEPLOY / "systemd" / name).read_text(), re.MULTILINE)
    assert set(named) <= NEEDED
    assert len(named) == len(set(named)) > 10


def test_no_process_writes_a_core_file() -> None:
    for unit in (DEPLOY / "systemd").glob("*.service"):
        assert "\nLimitCORE=0\n" in unit.read_text(), unit.name
    assert "ulimits: {core: 0}" in (DEPLOY / "compose.yaml").read_text()
