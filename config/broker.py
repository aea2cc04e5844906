"""TLS to Redis for `rediss://` URLs.

By default, kombu does not check the server's certificate. This module requires the check, unless
the URL has `?ssl_cert_reqs=none`.
"""

from __future__ import annotations

import re
import ssl
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qs, urlsplit

REQUIREMENTS: Mapping[str, ssl.VerifyMode] = {
    "none": ssl.CERT_NONE,
    "optional": ssl.CERT_OPTIONAL,
    "required": ssl.CERT_REQUIRED,
}
FILES = ("ssl_ca_certs", "ssl_certfile", "ssl_keyfile")


class MalformedTls(ValueError):
    """`ssl_cert_reqs` of REDIS_URL has an unknown value."""

    def __init__(self) -> None:
        super().__init__(f"ssl_cert_reqs of REDIS_URL must be one of: {', '.join(REQUIREMENTS)}")


def check_broker_url(url: str) -> None:
    """
    Raises:
        ValueError: a part of the URL is unusable. After a bare # or / in a password, the port is a
            piece of the password.
    """
    parts = urlsplit(url)
    _ = parts.port
    # The driver would read the database's number by `int`, which takes 1_0 for 10.
    if parts.scheme in ("redis", "rediss") and not re.fullmatch("/?[0-9]*", parts.path):
        raise ValueError("the database is not a number")
    broker_tls(url)


def broker_tls(url: str) -> dict[str, Any] | None:
    """The value of Celery's `broker_use_ssl` for this URL; None without TLS.

    Raises:
        MalformedTls: `ssl_cert_reqs` has an unknown value.
    """
    parts = urlsplit(url)
    if parts.scheme != "rediss":
        return None
    query = {name: values[-1] for name, values in parse_qs(parts.query).items()}
    wanted = query.get("ssl_cert_reqs", "required").lower().removeprefix("cert_")
    if wanted not in REQUIREMENTS:
        raise MalformedTls
    tls: dict[str, Any] = {name: query[name] for name in FILES if name in query}
    return {
        **tls,
        "ssl_cert_reqs": REQUIREMENTS[wanted],
        "ssl_check_hostname": wanted == "required",
    }


def without_tls_options(url: str) -> str:
    """The URL without TLS options: kombu would read them again and weaken the check."""
    parts = urlsplit(url)
    kept = [each for each in parts.query.split("&") if each and not each.startswith("ssl_")]
    return parts._replace(query="&".join(kept)).geturl()
