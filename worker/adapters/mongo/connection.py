"""One client per process, and one error for a database that does not answer."""

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
from pymongo.collection import Collection
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

from worker.core.errors import NotReady, Refused, Unreachable, UsageError

Document = dict[str, Any]
Mongo = Database[Document]

SERVER_SELECTION_TIMEOUT_MS = 10_000
CONNECT_TIMEOUT_MS = 5_000
# Above the sum over a week of a million contributions, below a task's soft time limit.
SOCKET_TIMEOUT_MS = 120_000

_NO_ANSWER = (ConnectionFailure, ExecutionTimeout, WriteConcernError)
"""Among the first are: no server in time, a broken connection, a pool with nothing free."""
_DENIED_CODES = {13, 18}
_REFUSED_BY_VALIDATOR = 121
_INTERRUPTED_CODES = {6, 7, 43, 89, 112, 262}
"""Host unreachable or not found, cursor lost, network timeout, write conflict, out of time."""


class _Decimals(TypeCodec):
    """Decimal128 numbers of the wiki's are read as exact decimals, and written back unchanged."""

    python_type = Decimal
    bson_type = Decimal128

    def transform_python(self, value: Decimal) -> Decimal128:
        return Decimal128(value)

    def transform_bson(self, value: Decimal128) -> Decimal:
        return value.to_decimal()


DECIMALS = TypeRegistry([_Decimals()])

Given = ParamSpec("Given")
Result = TypeVar("Result")


class MongoUnreachable(Unreachable):
    """The database did not answer. Whether it did what was asked is unknown."""

    def __init__(self, hosts: str, why: str) -> None:
        self.hosts = hosts
        super().__init__(
            f"MongoDB at {hosts} does not answer ({why}). Nothing is lost: what was asked is "
            "tried again. Check that it runs and that MONGO_URI is right."
        )


class MongoDenied(NotReady):
    """The database does not let us in, or not do this."""

    def __init__(self, hosts: str) -> None:
        super().__init__(
            f"MongoDB at {hosts} refuses the user of MONGO_URI. It needs readWrite on the "
            "database, and dbAdmin for `kontrib migrate`."
        )


class DocumentRefused(Refused):
    """A validator of the wiki's refuses a document that this system writes."""

    def __init__(self, collection: str) -> None:
        super().__init__(
            f"The validator of {collection}, which is the wiki's own, refuses a document of ours. "
            "Allow our fields in it: docs/schema.md lists them."
        )


class MalformedMongoUri(UsageError):
    """MONGO_URI cannot be read. It is not repeated, since it may hold a password."""

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
    """The wiki's database: `database`, else the one that the URI names.

    Connects when it is first used, and must not be used in a child of the process that made it.

    Raises:
        MalformedMongoUri: it cannot be read, or names no database and none is given.
        MongoUnreachable: a mongodb+srv name cannot be looked up.
    """
    try:
        client: MongoClient[Document] = MongoClient(
            uri,
            appname="kontrib",
            tz_aware=True,
            # One date out of Python's range, in any of the wiki's documents, must not stop a plan.
            datetime_conversion=DatetimeConversion.DATETIME_AUTO,
            type_registry=DECIMALS,
            # Whatever the URI says: what is decided about money is read where it is written.
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


@contextmanager
def under_the_wikis_validator(collection: str) -> Iterator[None]:
    """Where a validator of the wiki's applies, a refusal by it is no bug.

    Raises:
        DocumentRefused: the validator refuses a document.
    """
    try:
        yield
    except OperationFailure as error:
        failed = (error.details or {}).get("writeErrors", [])
        if _REFUSED_BY_VALIDATOR in (error.code, *(each["code"] for each in failed)):
            raise DocumentRefused(collection) from None
        raise


def is_unanswered(error: OperationFailure) -> bool:
    """Whether an error is about the way to the server, and not about what was asked."""
    write_concern = (error.details or {}).get("writeConcernErrors")
    return bool(write_concern) or error.code in _DENIED_CODES | _INTERRUPTED_CODES


def hosts_of(database: Mongo) -> str:
    """Where the database is, for messages: never the credentials."""
    servers = database.client.topology_description.server_descriptions()
    return ", ".join(sorted(f"{host}:{port}" for host, port in servers)) or "an unknown host"


def reaching(method: Callable[Given, Result]) -> Callable[Given, Result]:
    """Decorator of a store's methods: the driver's errors about the way to the server become ours.

    The store keeps its database, or a collection of it, in an attribute.

    Raises:
        MongoUnreachable, MongoDenied: instead of the driver's; all others are bugs and pass.
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
def _translated_errors(store: object) -> Iterator[None]:
    try:
        yield
    except _NO_ANSWER as error:
        raise MongoUnreachable(_hosts_of_store(store), type(error).__name__) from None
    except BulkWriteError as error:
        if (error.details or {}).get("writeConcernErrors"):
            raise MongoUnreachable(_hosts_of_store(store), "WriteConcernError") from None
        raise
    except OperationFailure as error:
        if error.code in _INTERRUPTED_CODES:
            raise MongoUnreachable(_hosts_of_store(store), f"error {error.code}") from None
        if error.code in _DENIED_CODES:
            raise MongoDenied(_hosts_of_store(store)) from None
        raise


def _hosts_of_store(store: object) -> str:
    for value in vars(store).values():
        if isinstance(value, Database):
            return hosts_of(value)
        if isinstance(value, Collection):
            return hosts_of(value.database)
    return "an unknown host"
