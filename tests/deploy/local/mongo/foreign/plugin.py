"""A pytest plugin inside the run of pymongo's tests: expected failures, and nothing else.

A test that fails and is not listed fails the run. So does a listed test that passes, and a listed
test that does not exist.
"""

from __future__ import annotations

import os

import pymongo
import pytest

from tests.deploy.local.mongo.foreign.expected import expected_failures

# Some tests open a client without an address.
pymongo.MongoClient.HOST = os.environ["DB_IP"]
pymongo.MongoClient.PORT = int(os.environ["DB_PORT"])


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    expected = expected_failures()
    found = {item.nodeid: item for item in items}
    if unknown := sorted(expected.keys() - found.keys()):
        raise pytest.UsageError(f"expected to fail, but not there: {unknown}")
    for nodeid, reason in expected.items():
        found[nodeid].add_marker(pytest.mark.xfail(reason=reason, strict=True))
