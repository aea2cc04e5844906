"""Opens the database, and replaces the driver's connection errors with ours."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from decimal import Decimal
from typing import Any, ParamSpec, TypeVar, cast

from bson import Decimal128
from bson.codec_options import DatetimeConversion, TypeCodec, TypeRegistry
from pymongo import MongoClient, ReadPreference
from pymongo.database import Database
from pymongo.errors import (
    BulkWriteError,
    ConfigurationError,
    ConnectionFailure,
    ExecutionTimeout,
    InvalidURI,
    OperationFailure,
    WriteConcernError,
)

from worker.core.errors import NotReady, Unreachable

Document = dict[str, Any]
Mongo = Database[Document]

SERVER_SELECTION_TIMEOUT_MS = 10_000
COMMAND_SELECTION_TIMEOUT_MS = 2_500
"""A person waits for a command. A worker may wait longer, as for the election of a primary."""
CONNECT_TIMEOUT_MS = 5_000
# Long enough to sum a week of a million contributions, and shorter than a task's soft limit.
SOCKET_TIMEOUT_MS = 120_000

_NO_ANSWER = (ConnectionFailure, ExecutionTimeout, WriteConcernError)
"""`ConnectionFailure` covers a missing server, a broken connection and an exhausted pool."""
_DENIED_CODES = {13, 18}
_INTERRUPTED_CODES = {6, 7, 43, 89, 112, 262}
"""Host unreachable, host not found, cursor lost, network timeout, write conflict, time limit."""


class _Decimals(TypeCodec):
    """Decimal128 numbers of the wiki's are read as exact decimals, and written back unchanged."""

    python_type = Decimal
    bson_type = Decimal128

    def transform_python(self, value: Decimal) -> Decimal128:
        return Decimal128(value)

    def transform_bson(self, value: Decimal128) -> Decimal:
        number = value.to_decimal()
        # A signalling NaN raises wherever it is compared.
        return Decimal("NaN") if number.is_snan() else number


DECIMALS = TypeRegistry([_Decimals()])

Given = ParamSpec("Given")
Result = TypeVar("Result")


class MongoUnreachable(Unreachable):
    """The database did not answer, but may have performed the request."""

    def __init__(self, hosts: str, why: str) -> None:
        self.hosts = hosts
        super().__init__(
            f"MongoDB at {hosts} does not answer ({why}). Nothing is lost: the request is "
            "tried again. Check that MongoDB runs and that MONGO_URI is right."
        )


class MongoDenied(NotReady):
    """The database refuses the login or the operation."""

    def __init__(self, hosts: str) -> None:
        super().__init__(
            f"MongoDB at {hosts} refuses the user of MONGO_URI. It needs readWrite on the "
            "database, and dbAdmin for `kontrib migrate`."
        )


class MalformedMongoUri(NotReady):
    """MONGO_URI cannot be read. The message leaves it out, since it may hold a password."""

    def __init__(self) -> None:
        super().__init__(
            "MONGO_URI is not a connection string. Write it as "
            "mongodb://user:password@host:27017/database."
        )


def connect(
    uri: str,
    database: str | None = None,
    *,
    server_selection_timeout_ms: int = SERVER_SELECTION_TIMEOUT_MS,
) -> Mongo:
    """Open the wiki's database: `database`, or else the database that the URI names.

    The client connects on first use. A forked child process must open its own client.

    Raises:
        MalformedMongoUri: the URI cannot be read, or no database is named.
        MongoUnreachable: a mongodb+srv name cannot be looked up.
    """
    try:
        client: MongoClient[Document] = MongoClient(
            uri,
            appname="kontrib",
            tz_aware=True,
            # A date outside Python's range in one document must not stop a plan.
            datetime_conversion=DatetimeConversion.DATETIME_AUTO,
            type_registry=DECIMALS,
            # Decisions about money need reads from the primary, whatever the URI says.
            read_preference=ReadPreference.PRIMARY,
            w="majority",
            retryWrites=True,
            retryReads=True,
            serverSelectionTimeoutMS=server_selection_timeout_ms,
            connectTimeoutMS=CONNECT_TIMEOUT_MS,
            socketTimeoutMS=SOCKET_TIMEOUT_MS,
            waitQueueTimeoutMS=server_selection_timeout_ms,
        )
        return client[database] if database else client.get_default_database()
    except (InvalidURI, ConfigurationError, ValueError) as error:
        if type(error.__cause__).__module__.startswith("dns."):
            host = uri.rpartition("@")[2].removeprefix("mongodb+srv://").split("/")[0]
            raise MongoUnreachable(host, "its name cannot be looked up") from None
        raise MalformedMongoUri from None


def is_unanswered(error: OperationFailure) -> bool:
    """Whether an error is about the way to the server, and not about what was asked."""
    write_concern = (error.details or {}).get("writeConcernErrors")
    return bool(write_concern) or error.code in _DENIED_CODES | _INTERRUPTED_CODES


def hosts_of(database: Mongo) -> str:
    """The hosts of the database, without credentials, for messages."""
    servers = database.client.topology_description.server_descriptions()
    return ", ".join(sorted(f"{host}:{port}" for host, port in servers)) or "an unknown host"


def reaching(method: Callable[Given, Result]) -> Callable[Given, Result]:
    """Decorate a store's method: replace the driver's errors about the connection with ours.

    The store has its database in the attribute `database`.

    Raises:
        MongoUnreachable, MongoDenied: instead of the driver's errors. Other errors are bugs and
            pass.
    """
    if inspect.isgeneratorfunction(method):

        @functools.wraps(method)
        def generate(*args: Given.args, **kwargs: Given.kwargs) -> Iterator[Any]:
            with _translated_errors(args[0]):
                yield from cast(Iterator[Any], method(*args, **kwargs))

        return cast(Callable[Given, Result], generate)

    @functools.wraps(method)
    def call(*args: Given.args, **kwargs: Given.kwargs) -> Result:
        with _translated_errors(args[0]):
            return method(*args, **kwargs)

    return call


@contextmanager
def _translated_errors(store: Any) -> Iterator[None]:
    try:
        yield
    except _NO_ANSWER as error:
        raise MongoUnreachable(hosts_of(store.database), type(error).__name__) from None
    except BulkWriteError as error:
        if (error.details or {}).get("writeConcernErrors"):
            raise MongoUnreachable(hosts_of(store.database), "WriteConcernError") from None
        raise
    except OperationFailure as error:
        if error.code in _INTERRUPTED_CODES:
            raise MongoUnreachable(hosts_of(store.database), f"error {error.code}") from None
        if error.code in _DENIED_CODES:
            raise MongoDenied(hosts_of(store.database)) from None
        raise
