"""Adapters for commands that need neither settings nor a database."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from worker.adapters.bundle_folder import BundleFolder, BundleFolderWriter, bundles_in

__all__ = [
    "BundleFolder",
    "BundleFolderWriter",
    "bundles_in",
    "first_system_config",
    "render_report",
]


def first_system_config() -> Mapping[str, Any]:
    """The configuration document of a new database."""
    from worker.adapters.mongo.schema.seeds import CONFIG

    return CONFIG


def render_report(template: str, **values: object) -> str:
    """Fill in a template of `worker.adapters.report`."""
    from worker.adapters.report.render import render

    return render(template, **values)
