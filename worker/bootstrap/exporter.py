"""The HTTP server for Prometheus."""

from __future__ import annotations

from worker.adapters.exporter import serve

__all__ = ["serve"]
