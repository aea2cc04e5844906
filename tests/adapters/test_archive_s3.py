"""Published plans in object storage, over s3fs against a real S3 server on this machine."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import boto3
import pytest
from moto.server import ThreadedMotoServer

from worker.adapters.archive import ArchiveUnusable, PlanArchive
from worker.core.week import Week

WEEK = Week.parse("2024-W50")
ROOT, OTHER_ROOT = bytes(range(32)), bytes(32)
LINES = [b'{"header": 1}', *(b'{"row": %d}' % number for number in range(1000))]


@pytest.fixture(scope="module")
def bucket() -> Iterator[str]:
    """One server for all tests: s3fs keeps its connection for as long as the process lives."""
    server = ThreadedMotoServer(port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ENDPOINT_URL", f"http://{host}:{port}")
        patch.setenv("AWS_ACCESS_KEY_ID", "of-a-test")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "of-a-test")
        patch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        boto3.client("s3").create_bucket(Bucket="plans")
        yield "s3://plans/kontrib"
        server.stop()


def read(archive: PlanArchive, root: bytes) -> list[bytes] | None:
    opened = archive.fetch(WEEK, root)
    if opened is None:
        return None
    with opened as lines:
        return list(lines)


def test_a_published_plan_is_read_back_by_another_process(bucket: str) -> None:
    PlanArchive(bucket).publish(WEEK, ROOT, LINES)
    assert read(PlanArchive(bucket), ROOT) == LINES


def test_a_crash_while_publishing_leaves_no_plan(bucket: str) -> None:
    def crash() -> Iterator[bytes]:
        yield from itertools.islice(LINES, 10)
        raise RuntimeError("the worker dies")

    with pytest.raises(RuntimeError, match="dies"):
        PlanArchive(bucket).publish(WEEK, OTHER_ROOT, crash())
    assert read(PlanArchive(bucket), OTHER_ROOT) is None


def test_a_bucket_that_is_not_there_is_named(bucket: str) -> None:
    with pytest.raises(ArchiveUnusable, match="PLAN_ARCHIVE_URL"):
        PlanArchive("s3://other/plans").publish(WEEK, ROOT, LINES)
