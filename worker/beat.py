"""Beat with a pulse for a health check.

The canary shows whether tasks run. The pulse shows whether beat itself still works: a publish to a
hanging Redis would stop beat without any log line.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from celery.beat import PersistentScheduler


class PulsingScheduler(PersistentScheduler):  # type: ignore[misc]
    """Touches `<schedule>.pulse` each time it looks for due tasks: at least every minute."""

    def tick(self, *args: Any, **kwargs: Any) -> Any:
        seconds_until_next = super().tick(*args, **kwargs)
        Path(f"{self.schedule_filename}.pulse").touch()
        return seconds_until_next
