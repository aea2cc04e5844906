"""Each error of Redis that the libraries know is explained, with a remedy."""

from __future__ import annotations

import logging

import pytest
import redis.exceptions as errors
from kombu.exceptions import OperationalError

from worker.redis_faults import FaultsInWords, explain, host_of

HOST = "redis.example:6379"


def wrapped(cause: Exception) -> Exception:
    """As kombu raises it."""
    try:
        try:
            raise cause
        except Exception as error:
            raise OperationalError(str(error)) from error
    except OperationalError as made:
        return made


@pytest.mark.parametrize(
    ("error", "fault"),
    [
        (errors.AuthenticationError("invalid username-password pair"), "refuses the password"),
        (errors.AuthenticationError("Authentication required."), "requires a password"),
        (errors.ResponseError("NOAUTH Authentication required."), "requires a password"),
        (errors.NoPermissionError("no permissions to run 'set'"), "denies the user"),
        (errors.ReadOnlyError("You can't write against a read only replica."), "is read-only"),
        (errors.ResponseError("script: -READONLY a read only replica."), "is read-only"),
        (errors.ResponseError("UNBLOCKED force unblock, master -> replica?"), "is read-only"),
        (errors.MasterDownError("Link with MASTER is down"), "is read-only"),
        (errors.OutOfMemoryError("command not allowed"), "is full"),
        (
            errors.ResponseError("-OOM not allowed: used memory > 'maxmemory'"),
            "is full",
        ),
        (errors.ResponseError("MISCONF Redis is configured to save RDB snapshots"), "cannot save"),
        (errors.ResponseError("NOREPLICAS Not enough good replicas"), "cannot save"),
        (errors.BusyLoadingError("Redis is loading the dataset"), "is still loading"),
        (errors.ConnectionError("max number of clients reached"), "no more connections"),
        (errors.ConnectionError("[SSL: CERTIFICATE_VERIFY_FAILED] unknown CA"), "certificate"),
        (errors.ConnectionError("Error 111 connecting"), "does not answer (Error 111 connecting)"),
        (errors.TimeoutError("Timeout reading"), "does not answer (Timeout reading)"),
        (OSError(), "does not answer (OSError)"),
        (errors.ResponseError("DB index is out of range"), "does not answer (DB index is out"),
    ],
)
def test_an_error_names_the_fault(error: Exception, fault: str) -> None:
    for each in (error, wrapped(error)):
        found = explain(each, HOST)
        if str(each):
            assert fault in found.fault
        assert found.fault.startswith(f"Redis at {HOST} ")
        assert found.remedy in str(found)
        assert "Nothing is lost" in str(found)


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("redis://user:secret@redis.example:6380/0", "redis.example:6380"),
        ("rediss://:secret@redis.example", "redis.example:6379"),
        ("unix:///run/redis.sock", "/run/redis.sock"),
    ],
)
def test_a_host_is_named_without_the_password(url: str, host: str) -> None:
    assert host_of(url) == host


@pytest.mark.parametrize(
    ("error", "shown"),
    [
        (errors.ConnectionError("Error 111 connecting"), False),
        (wrapped(errors.TimeoutError("Timeout reading")), False),
        (errors.OutOfMemoryError("command not allowed"), False),
        (errors.DataError("Invalid input of type: 'dict'"), True),
        (ValueError("odd"), True),
    ],
)
def test_a_library_that_loses_redis_logs_the_fault_and_no_traceback(
    caplog: pytest.LogCaptureFixture, error: Exception, shown: bool
) -> None:
    with caplog.filtering(FaultsInWords(HOST)):
        try:
            raise error
        except Exception as raised:
            logging.getLogger("celery.worker.loops").exception("Error cleaning up: %r", raised)
    assert ("Traceback" in caplog.text) is shown
    assert (f": Redis at {HOST} " in caplog.text) is not shown


def test_a_message_without_an_error_stays_as_it_is(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.filtering(FaultsInWords(HOST)):
        logging.getLogger("celery.worker.loops").warning("%d %s", 2, "messages")
    assert caplog.messages == ["2 messages"]
