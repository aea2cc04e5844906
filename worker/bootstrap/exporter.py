"""The HTTP server that Prometheus asks."""

from __future__ import annotations

from worker.adapters.exporter import serve

__all__ = ["serve"]
