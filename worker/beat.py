"""Beat with a pulse that a health check can feel.

Whether tasks run is the canary's to tell. This tells whether beat itself still turns: a publish
to a Redis that hangs would stop it, and no log line would say so.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from celery.beat import PersistentScheduler


class PulsingScheduler(PersistentScheduler):  # type: ignore[misc]
    """Touches `<schedule>.pulse` each time it looks for what is due: every minute at least."""

    def tick(self, *args: Any, **kwargs: Any) -> Any:
        seconds_until_next = super().tick(*args, **kwargs)
        Path(f"{self.schedule_filename}.pulse").touch()
        return seconds_until_next
