"""TLS to Redis and MongoDB: connections are encrypted, and wrong certificates are refused."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from kombu import Connection
from kombu.exceptions import OperationalError

from config.broker import MalformedTls, broker_tls, without_tls_options
from tests.end_to_end.support.cluster import Cluster
from tests.tls import Authority, TlsProxy
from worker.adapters.mongo.connection import connect
from worker.core.week import Week

pytestmark = pytest.mark.real

WEEK = Week.parse("2024-W50")


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def stranger(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("stranger"))


@pytest.fixture(scope="module")
def redis_proxy(authority: Authority, stack_settings: dict[str, str]) -> Iterator[TlsProxy]:
    proxy = TlsProxy(authority, urlsplit(stack_settings["REDIS_URL"]).port or 0)
    yield proxy
    proxy.stop()


@pytest.fixture(scope="module")
def mongo_proxy(authority: Authority, mongo_uri: str) -> Iterator[TlsProxy]:
    proxy = TlsProxy(authority, urlsplit(mongo_uri).port or 0)
    yield proxy
    proxy.stop()


def ping(url: str) -> bool:
    """Ping the broker, as our Celery application does."""
    options = {"socket_timeout": 3, "max_retries": 1, "interval_start": 0}
    with Connection(
        without_tls_options(url), ssl=broker_tls(url) or False, transport_options=options
    ) as broker:
        return broker.default_channel.client.ping() is True


def refused() -> AbstractContextManager[object]:
    return pytest.raises(OperationalError, match="CERTIFICATE_VERIFY_FAILED")


def test_redis_is_reached_with_its_own_authority(
    redis_proxy: TlsProxy, authority: Authority
) -> None:
    before = redis_proxy.handshakes
    assert ping(f"rediss://127.0.0.1:{redis_proxy.port}/0?ssl_ca_certs={authority.certificate}")
    assert redis_proxy.handshakes > before


def test_redis_with_an_unknown_certificate_is_refused(
    redis_proxy: TlsProxy, stranger: Authority
) -> None:
    url = f"rediss://127.0.0.1:{redis_proxy.port}/0"
    with refused():  # a plain rediss:// URL also checks the certificate
        ping(url)
    with refused():
        ping(f"{url}?ssl_ca_certs={stranger.certificate}")


def test_redis_under_another_name_is_refused(tmp_path: Path, redis_proxy: TlsProxy) -> None:
    other = Authority(tmp_path, name="DNS:redis.example")
    proxy = TlsProxy(other, redis_proxy.target_port)
    with refused():
        ping(f"rediss://127.0.0.1:{proxy.port}/0?ssl_ca_certs={other.certificate}")
    proxy.stop()


def test_the_check_is_left_out_only_on_demand(redis_proxy: TlsProxy) -> None:
    assert ping(f"rediss://127.0.0.1:{redis_proxy.port}/0?ssl_cert_reqs=none")


def test_options_of_tls_are_read_from_the_url() -> None:
    assert broker_tls("redis://host/0") is None
    assert without_tls_options("rediss://u:p@host/0?ssl_cert_reqs=none&x=1") == (
        "rediss://u:p@host/0?x=1"
    )
    with pytest.raises(MalformedTls, match="required"):
        broker_tls("rediss://host/0?ssl_cert_reqs=perhaps")


def test_a_worker_takes_its_messages_through_tls(
    tmp_path: Path,
    stack_settings: dict[str, str],
    own_keys: dict[str, str],
    redis_proxy: TlsProxy,
    authority: Authority,
) -> None:
    url = f"rediss://127.0.0.1:{redis_proxy.port}/0?ssl_ca_certs={authority.certificate}"
    cluster = Cluster(tmp_path, {**stack_settings, **own_keys}, WEEK, through={"REDIS_URL": url})
    before = redis_proxy.handshakes
    try:
        cluster.start_worker(concurrency=1)
        cluster.send("tasks.canary")
        store = cluster.context.store
        cluster.wait(lambda: store.last_beat("canary") is not None, 60, "no canary")
    finally:
        cluster.stop()
    assert redis_proxy.handshakes > before
    assert "CERT_NONE" not in cluster.log()


def test_mongodb_is_reached_with_its_own_authority_only(
    mongo_proxy: TlsProxy,
    authority: Authority,
    stranger: Authority,
) -> None:
    uri = f"mongodb://127.0.0.1:{mongo_proxy.port}/?directConnection=true&tls=true"
    good = connect(f"{uri}&tlsCAFile={authority.certificate}", "kontrib")
    assert good.client.admin.command("ping")["ok"] == 1
    for bad in (uri, f"{uri}&tlsCAFile={stranger.certificate}"):
        with pytest.raises(Exception, match="CERTIFICATE_VERIFY_FAILED"):
            connect(bad, "kontrib", server_selection_timeout_ms=10_000).client.admin.command("ping")
