"""Hypothesis profiles, and the real local stack, once for each test session that needs it.

Profiles: HYPOTHESIS_PROFILE chooses the profile: `dev` is quick, and `ci` tries more examples.
`mutants` tries few, and always the same ones.

On a machine without a possible MongoDB engine, the stack's tests are skipped. The report names them
and the ways to get an engine. Under CI=true such a skip is a failure.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, Phase, settings

from deploy.local.chain.service import chain_service
from deploy.local.engine import NoMongoEngine
from deploy.local.stack import LocalStack
from tests.cluster.cluster import MONGO_URI

SLOT_MILLISECONDS = 50
# No deadline: on a shared machine a slow example says nothing about the code.
_COMMON = {"deadline": None, "suppress_health_check": [HealthCheck.too_slow]}

settings.register_profile("dev", max_examples=100, **_COMMON)
settings.register_profile("ci", max_examples=1000, **_COMMON)
settings.register_profile(
    "mutants",
    max_examples=25,
    derandomize=True,
    database=None,
    phases=[Phase.explicit, Phase.generate],
    **_COMMON,
)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "dev"))


@pytest.fixture(scope="session")
def local_stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalStack]:
    """MongoDB engine, Redis and chain for this session alone."""
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
    """The contents of `DIR/env`: addresses and key files of the session's stack."""
    return local_stack.settings()


@pytest.fixture(scope="session")
def mongo_uri(request: pytest.FixtureRequest) -> str:
    """The MongoDB of the session's stack, or the one that the environment names."""
    if named := os.environ.get(MONGO_URI):
        return named
    settings: dict[str, str] = request.getfixturevalue("stack_settings")
    return settings["MONGO_URI"]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the figures that tests recorded, so that everyone can check the README's figures."""
    for report in terminalreporter.getreports("passed"):
        for name, value in report.user_properties:
            terminalreporter.write_line(f"{name}: {value}")
