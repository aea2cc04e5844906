"""TLS to Redis for `rediss://` URLs.

kombu connects to a plain `rediss://` without checking the server's certificate. This module asks
for the check, unless the URL says `?ssl_cert_reqs=none`.
"""

from __future__ import annotations

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
    """REDIS_URL names a certificate check that does not exist."""

    def __init__(self) -> None:
        super().__init__(f"ssl_cert_reqs of REDIS_URL must be one of: {', '.join(REQUIREMENTS)}")


def broker_tls(url: str) -> dict[str, Any] | None:
    """The value of Celery's `broker_use_ssl` for this URL; None without TLS.

    Raises:
        MalformedTls: the URL's options have no meaning.
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
    """The URL without its TLS options, which kombu would read a second time as weaker ones."""
    parts = urlsplit(url)
    kept = [each for each in parts.query.split("&") if each and not each.startswith("ssl_")]
    return parts._replace(query="&".join(kept)).geturl()
