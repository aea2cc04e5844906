"""Beat with a pulse for a health check.

The canary shows whether tasks run. The pulse shows whether beat itself still works: a publish to a
hanging Redis would stop beat without any log line.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import structlog
from celery.beat import PersistentScheduler, SchedulingError

from worker.redis_faults import explain, host_of

log = structlog.get_logger("kontrib.beat")


class PulsingScheduler(PersistentScheduler):  # type: ignore[misc]
    """Touches `<schedule>.pulse` each time it looks for due tasks: at least every minute."""

    def apply_entry(self, entry: Any, producer: Any = None) -> None:
        """Send a due task. A message that Redis does not take is left to the next sweep."""
        try:
            self.apply_async(entry, producer=producer, advance=False)
        except SchedulingError as error:
            fault = explain(error, host_of(self.app.conf.broker_url)).fault
            log.warning("not sent", task=entry.task, reason=fault)
        else:
            log.info("sent", task=entry.task)

    def tick(self, *args: Any, **kwargs: Any) -> Any:
        seconds_until_next = super().tick(*args, **kwargs)
        Path(f"{self.schedule_filename}.pulse").touch()
        return seconds_until_next
