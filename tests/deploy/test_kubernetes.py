"""Kubernetes manifests, offline: Kubernetes' own schemas, and its restricted rules."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

MANIFESTS = Path(__file__).resolve().parents[2] / "deploy" / "kubernetes"
VERSIONS = ["1.31", "1.36"]


def documents(kind: str | None = None) -> Iterator[dict[str, Any]]:
    for file in sorted(MANIFESTS.glob("*.yaml")):
        for document in yaml.safe_load_all(file.read_text()):
            if kind in (None, document["kind"]):
                yield document


def pods() -> Iterator[tuple[str, dict[str, Any]]]:
    for document in documents():
        if "template" in (spec := job_of(document)):
            yield document["metadata"]["name"], spec["template"]["spec"]


def job_of(document: dict[str, Any]) -> dict[str, Any]:
    """The part with the pod's template. A CronJob wraps it."""
    spec: dict[str, Any] = document.get("spec", {})
    return dict(spec["jobTemplate"]["spec"]) if "jobTemplate" in spec else spec


def containers() -> Iterator[tuple[str, dict[str, Any]]]:
    for name, pod in pods():
        for container in (*pod.get("initContainers", []), *pod["containers"]):
            yield f"{name}/{container['name']}", container


@pytest.mark.parametrize("version", VERSIONS)
def test_every_manifest_fits_the_schema(version: str) -> None:
    files = [str(file) for file in sorted(MANIFESTS.glob("*.yaml"))]
    command = [sys.executable, "-m", "kubernetes_validate", "-k", version, "--strict", *files]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    assert (done.stdout + done.stderr).count(" passed ") == len(list(documents()))


def test_every_pod_is_restricted() -> None:
    found = list(pods())
    assert len(found) == 6
    for name, pod in found:
        context = pod["securityContext"]
        assert context["runAsNonRoot"] is True, name
        assert context["runAsUser"] == 10001, name
        assert context["seccompProfile"] == {"type": "RuntimeDefault"}, name
        assert pod["automountServiceAccountToken"] is False, name


def test_every_container_is_read_only_and_limited() -> None:
    for name, container in containers():
        context = container["securityContext"]
        assert context["readOnlyRootFilesystem"] is True, name
        assert context["allowPrivilegeEscalation"] is False, name
        assert context["capabilities"] == {"drop": ["ALL"]}, name
        for bound in ("requests", "limits"):
            assert set(container["resources"][bound]) == {"cpu", "memory"}, name


def test_what_runs_for_ever_is_probed() -> None:
    for document in documents("Deployment"):
        for container in document["spec"]["template"]["spec"]["containers"]:
            assert "livenessProbe" in container, document["metadata"]["name"]


def test_there_is_one_beat_and_never_two() -> None:
    (beat,) = [d for d in documents("Deployment") if d["metadata"]["name"] == "kontrib-beat"]
    assert beat["spec"]["replicas"] == 1
    assert beat["spec"]["strategy"] == {"type": "Recreate"}


def test_only_the_worker_is_given_the_key() -> None:
    for name, pod in pods():
        secrets = {v["secret"]["secretName"] for v in pod["volumes"] if "secret" in v}
        assert ("kontrib-keys" in secrets) == (name == "kontrib-worker")
        for container in pod["containers"]:
            given = {each["name"]: each.get("value") for each in container.get("env", [])}
            assert (given.get("WATCH_ONLY") == "true") == (name != "kontrib-worker")


def test_the_worker_has_room_on_disk_to_sort_in() -> None:
    (worker,) = [pod for name, pod in pods() if name == "kontrib-worker"]
    (tmp,) = [volume for volume in worker["volumes"] if volume["name"] == "tmp"]
    assert tmp["emptyDir"] == {"sizeLimit": "1Gi"}  # the only possible medium would be memory
    (container,) = worker["containers"]
    assert {"name": "tmp", "mountPath": "/tmp"} in container["volumeMounts"]  # noqa: S108


def test_selectors_find_their_pods() -> None:
    labels = [
        document["spec"]["template"]["metadata"]["labels"]
        for document in documents()
        if "template" in document.get("spec", {})
    ]
    for document in documents("Service"):
        wanted = document["spec"]["selector"].items()
        assert any(wanted <= found.items() for found in labels), document["metadata"]["name"]


def test_every_volume_and_secret_that_is_used_is_described() -> None:
    known = {(d["kind"], d["metadata"]["name"]) for d in documents()}
    for name, pod in pods():
        volumes = {v["name"]: v for v in pod["volumes"]}
        for volume in volumes.values():
            if "secret" in volume:
                assert ("Secret", volume["secret"]["secretName"]) in known
            if "persistentVolumeClaim" in volume:
                claim = volume["persistentVolumeClaim"]["claimName"]
                assert ("PersistentVolumeClaim", claim) in known
        for container in pod["containers"]:
            assert {m["name"] for m in container["volumeMounts"]} <= set(volumes), name
