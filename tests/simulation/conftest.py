"""A small world for the tests of this folder."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Future
from typing import Any

import pytest

from tests.fakes.world import World
from tests.simulation.divergence.histories import BATCH_SIZE, NAMES
from worker.services import ahead


class InTurn:
    """Does the work of a thread at once, so that a history is the same each time."""

    def __init__(self, threads: int) -> None:
        pass

    def __enter__(self) -> InTurn:
        return self

    def __exit__(self, *error: object) -> None:
        pass

    def submit(self, work: Callable[..., Any], *arguments: Any) -> Future[Any]:
        done: Future[Any] = Future()
        try:
            done.set_result(work(*arguments))
        except BaseException as error:  # noqa: BLE001 - `result` raises it
            done.set_exception(error)
        return done


@pytest.fixture(autouse=True, scope="module")
def _one_thread() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(ahead, "ThreadPoolExecutor", InTurn)
        yield


@pytest.fixture
def world() -> World:
    """Genesis, and eight contributors in batches of two. One account is frozen later."""
    world = World(batch_size=BATCH_SIZE)
    world.populate(len(NAMES))
    world.genesis()
    return world
