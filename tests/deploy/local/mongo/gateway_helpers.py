"""Helpers of the gateway's tests."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from pymongo.collection import Collection
from pymongo.database import Database
from pymongo.errors import OperationFailure

Documents = Database[dict[str, Any]]
Rows = Collection[dict[str, Any]]
MONDAY = datetime(2024, 12, 9, tzinfo=UTC)


def code_of(call: Callable[[], object]) -> int | None:
    """MongoDB's code of the error that a call raises."""
    with pytest.raises(OperationFailure) as caught:
        call()
    return caught.value.code


def in_parallel(work: Callable[[], None], threads: int = 8) -> None:
    """Run `work` in several threads; a failure in one of them is a failure of the test."""
    failures = list[BaseException]()

    def guarded() -> None:
        try:
            work()
        except BaseException as failure:  # noqa: BLE001 - handed to the test's thread
            failures.append(failure)

    running = [threading.Thread(target=guarded) for _ in range(threads)]
    for thread in running:
        thread.start()
    for thread in running:
        thread.join()
    if failures:
        raise failures[0]
