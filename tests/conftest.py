"""The real local stack, once for each test session, for the tests that need it.

A machine where no MongoDB engine can be had reports these tests as skipped, by name and with the
ways to have one; under CI=true such a skip is a failure.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from worker.local.chain_service import chain_service
from worker.local.engine import NoMongoEngine
from worker.local.stack import LocalStack

SLOT_MILLISECONDS = 50


@pytest.fixture(scope="session")
def local_stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalStack]:
    """MongoDB engine, Redis and chain, all of this session's own."""
    stack = LocalStack(
        tmp_path_factory.mktemp("stack"),
        lambda line: None,
        services=[chain_service(slot_milliseconds=SLOT_MILLISECONDS)],
    )
    try:
        stack.up()
    except NoMongoEngine as error:
        stack.down(purge=True)
        if os.environ.get("CI") == "true":
            pytest.fail(str(error))
        pytest.skip(str(error))
    yield stack
    stack.down(purge=True)


@pytest.fixture(scope="session")
def stack_settings(local_stack: LocalStack) -> dict[str, str]:
    """What `DIR/env` holds: addresses and key files of the session's stack."""
    return local_stack.settings()


@pytest.fixture(scope="session")
def mongo_uri(stack_settings: dict[str, str]) -> str:
    return stack_settings["MONGO_URI"]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the figures that tests recorded: what the README quotes is printed, not written."""
    for report in terminalreporter.getreports("passed"):
        for name, value in report.user_properties:
            terminalreporter.write_line(f"{name}: {value}")
