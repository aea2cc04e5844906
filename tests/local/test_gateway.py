"""The MongoDB that the local stack gives: what kontrib asks of it, seen through pymongo."""

from __future__ import annotations

import contextlib
import os
import random
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import bson
import pymongo
import pytest
from bson import Binary, Decimal128, Int64, ObjectId
from conftest_types import Documents
from pymongo.errors import (
    BulkWriteError,
    CursorNotFound,
    DuplicateKeyError,
    ExecutionTimeout,
    OperationFailure,
    PyMongoError,
    WriteError,
)

from worker.local.mongo_engine import OpenCursors
from worker.local.service import LOOPBACK
from worker.local.stack import LocalStack

pytestmark = pytest.mark.real

MONDAY = datetime(2024, 12, 9, tzinfo=UTC)
