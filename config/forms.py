"""The forms of settings: each refuses a value that cannot work, without repeating it."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import SplitResult, parse_qs, urlsplit

from pydantic import AfterValidator, BeforeValidator, SecretStr
from pydantic_settings import NoDecode

from config.broker import check_broker_url
from config.pkcs11_uri import parse_pkcs11_uri

DATABASE_BYTES_MAX = 63
DATABASE_FORBIDDEN = set('/\\. "$*<>:|?')
BASE58 = set("123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz")


def _split(value: Any) -> Any:
    if isinstance(value, str):
        return tuple(filter(None, map(str.strip, value.split(","))))
    return value


def _check_endpoints(urls: tuple[str, ...]) -> tuple[str, ...]:
    if not urls or any(urlsplit(url).scheme not in ("http", "https") for url in urls):
        raise ValueError("not http(s)")
    return urls


def _parts(value: SecretStr, *schemes: str) -> SplitResult:
    parts = urlsplit(value.get_secret_value())
    if parts.scheme not in schemes:
        raise ValueError("unknown scheme")
    return parts


def _check_mongo(value: SecretStr) -> SecretStr:
    _parts(value, "mongodb", "mongodb+srv")
    return value


def _check_redis(value: SecretStr) -> SecretStr:
    _parts(value, "redis", "rediss", "unix")
    check_broker_url(value.get_secret_value())
    return value


def _check_webhook(value: SecretStr) -> SecretStr:
    if not _parts(value, "http", "https").hostname:
        raise ValueError("no host")
    return value


def _check_mail(value: SecretStr) -> SecretStr:
    parts = _parts(value, "smtp", "smtps")
    query = parse_qs(parts.query)
    if not (parts.hostname and parts.port) or set(query) - {"tls"} != {"from", "to"}:
        raise ValueError("no host, port, sender or recipient")
    if query.get("tls", ["no"]) != ["no"] or ("tls" in query and parts.username):
        raise ValueError("a login needs TLS")
    return value


def _check_database(name: str) -> str:
    is_too_long = len(name.encode(errors="replace")) > DATABASE_BYTES_MAX
    if not name or is_too_long or DATABASE_FORBIDDEN & set(name) or not name.isprintable():
        raise ValueError("no server accepts this name")
    return name


def _check_address(text: str) -> str:
    if not (32 <= len(text) <= 44 and set(text) <= BASE58):
        raise ValueError("not base58")
    return text


def check_key_file(path: Path) -> Path:
    """Refuse a key file that others can read.

    Raises:
        ValueError: the file is missing, not a file, or readable by group or world.
    """
    try:
        mode = path.stat().st_mode
    except OSError as error:
        raise ValueError(f"{path} cannot be read: {error.strerror}") from None
    if not stat.S_ISREG(mode):
        raise ValueError(f"{path} is not a file")
    forbidden = stat.S_IRWXO if _is_credential(path) else stat.S_IRWXG | stat.S_IRWXO
    if mode & forbidden:
        raise ValueError(f"{path} can be read by others; run: chmod 600 {path}")
    return path


def _check_key_uri(text: str) -> str:
    uri = parse_pkcs11_uri(text)
    if uri.pin_source is not None:
        check_key_file(uri.pin_source)
    return text


def _is_credential(path: Path) -> bool:
    """Whether systemd passed the file to this service alone (LoadCredential).

    systemd may protect it by an access list, whose mask looks like a group permission.
    """
    folder = os.environ.get("CREDENTIALS_DIRECTORY")
    return folder is not None and path.parent == Path(folder)


MongoUri = Annotated[SecretStr, AfterValidator(_check_mongo)]
RedisUrl = Annotated[SecretStr, AfterValidator(_check_redis)]
Endpoints = Annotated[
    tuple[str, ...], NoDecode, BeforeValidator(_split), AfterValidator(_check_endpoints)
]
WebhookUrl = Annotated[SecretStr, AfterValidator(_check_webhook)]
MailUrl = Annotated[SecretStr, AfterValidator(_check_mail)]
DatabaseName = Annotated[str, AfterValidator(_check_database)]
Address = Annotated[str, AfterValidator(_check_address)]
KeyFile = Annotated[Path, AfterValidator(check_key_file)]
KeyUri = Annotated[str, AfterValidator(_check_key_uri)]
