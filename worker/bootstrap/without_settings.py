"""Adapters for commands that need neither settings nor a database."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from worker.adapters.bundle_folder import BundleFolder, BundleFolderWriter

__all__ = ["BundleFolder", "BundleFolderWriter", "first_system_config"]


def first_system_config() -> Mapping[str, Any]:
    """The rules of a new database."""
    from worker.adapters.mongo.schema.seeds import CONFIG

    return CONFIG
