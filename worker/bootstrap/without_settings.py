"""Adapters for commands that need neither settings nor a database."""

from __future__ import annotations

from worker.adapters.bundle_folder import BundleFolder, BundleFolderWriter
from worker.adapters.mongo.schema.seeds import CONFIG as FIRST_SYSTEM_CONFIG

__all__ = ["FIRST_SYSTEM_CONFIG", "BundleFolder", "BundleFolderWriter"]
