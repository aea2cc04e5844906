"""The settings of an operator: environment variables, or a `.env` file beside the process.

The settings never change once read. Secrets have no defaults, are held as `SecretStr`, and appear
in no log, repr or error: the report of a malformed value has only the variable's name and the
expected form.
"""

from __future__ import annotations

import itertools
import os
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import unquote, urlsplit

from dotenv import dotenv_values
from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from config.broker import check_broker_url
from config.errors import ConfigurationUnusable
from config.numbers import Number, Whole

EXPECTED: Mapping[str, str] = {
    "MONGO_URI": "mongodb://host:27017/?replicaSet=rs0 (or mongodb+srv://...)",
    "MONGO_DATABASE": "the wiki's database name, such as kontrib: up to 63 bytes, with none of "
    '/ \\ . " $ * < > : | ? and no blank',
    "REDIS_URL": "redis://host:6379/0 (for TLS rediss://, with ssl_ca_certs=FILE and "
    "ssl_cert_reqs=required, optional or none; in a password, # is %23 and / is %2F)",
    "SOLANA_RPC_URL": "one or several http(s) URLs, separated by commas",
    "TOKEN_MINT_ADDRESS": "the mint's address in base58, 32 to 44 characters",
    "SOLANA_PRIVATE_KEY_FILE": "a path to a Solana CLI key file that only its owner can read",
    "SOLANA_PRIVATE_KEY": "a 64-byte secret key in base58 or as a JSON array",
    "RECEIPT_KEY_FILE": "a path to a Solana CLI key file; default: the payout key",
    "FEE_PAYER_KEY_FILE": "a path to a Solana CLI key file; default: the payout key",
    "SOURCE_TOKEN_ACCOUNT": "a token account's address in base58",
    "STAKING_VAULT": "the vault's wallet, or its token account, in base58",
    "PLAN_ARCHIVE_URL": "a folder or any fsspec URL, such as s3://bucket/plans",
    "WEBHOOK_URL": "an http(s) URL that takes Slack's JSON",
}


DATABASE_BYTES_MAX = 63
DATABASE_FORBIDDEN = set('/\\. "$*<>:|?')

SECRET_CHARACTERS_MIN = 4
"""Shorter texts are not hidden: that would make other texts unreadable."""


class Settings(BaseSettings):
    """All settings. Times are in seconds, amounts in the unit of the name."""

    model_config = SettingsConfigDict(
        env_file=".env",
        env_file_encoding="utf-8",
        # An empty variable counts as missing: templates leave optional ones empty.
        env_ignore_empty=True,
        extra="ignore",
        frozen=True,
    )

    mongo_uri: SecretStr
    mongo_database: str = "kontrib"
    redis_url: SecretStr
    solana_rpc_url: Annotated[tuple[str, ...], NoDecode] = Field(repr=False)
    token_mint_address: str
    solana_private_key_file: Path | None = None
    solana_private_key: SecretStr | None = None
    receipt_key_file: Path | None = None
    fee_payer_key_file: Path | None = None
    source_token_account: str | None = None
    staking_vault: str | None = None
    """Stakes need a transfer to this vault. Without it, stakes are recorded on trust."""
    plan_archive_url: str = "./plans"
    webhook_url: SecretStr | None = None
    """Gets messages about closed weeks, stuck weeks and short funds."""
    watch_only: bool = False
    """For beat, Flower and the exporter. They sign nothing, so any key is refused."""

    plan_grace_seconds: Whole = Field(600, ge=0)
    """Wait after a week's end, while its last contributions may still be written."""
    sweep_seconds: Number = Field(300, gt=0)
    rpc_timeout_seconds: Number = Field(20, gt=0)
    task_soft_limit_seconds: Number = Field(900, gt=0)
    task_hard_limit_seconds: Number = Field(960, gt=0)
    broker_visibility_timeout_seconds: Whole = Field(1200, gt=0)
    broker_timeout_seconds: Number = Field(15, gt=0)
    """Redis connections are renewed after this long without an answer."""
    lease_seconds: Number = Field(120, gt=0)
    backoff_scale: Number = Field(1.0, gt=0)
    """Factor on the pauses between tries; below 1 only in tests."""
    stuck_after_seconds: Number = Field(6 * 3600, gt=0)
    """A week still open this long after its end is reported as stuck."""
    batches_per_task: Whole = Field(1024, ge=1)
    batches_in_flight: Whole = Field(1024, ge=1)
    priority_fee_lamports_max: Whole = Field(10_000, ge=0)
    clock_offset_seconds: Whole = 0
    """Shifts the clock, to run past weeks. Refused on every chain but the local one."""
    local_cluster_genesis: str | None = None
    """The genesis hash of the local chain; `make up` sets it."""
    log_format: str = Field("auto", pattern="^(auto|json|console)$")
    log_level: str = Field("INFO", pattern="^(DEBUG|INFO|WARNING|ERROR)$")

    @field_validator("solana_rpc_url", mode="before")
    @classmethod
    def _split_urls(cls, value: Any) -> Any:
        return (
            tuple(filter(None, map(str.strip, value.split(","))))
            if isinstance(value, str)
            else value
        )

    @field_validator("solana_rpc_url")
    @classmethod
    def _check_urls(cls, urls: tuple[str, ...]) -> tuple[str, ...]:
        if not urls or any(urlsplit(u).scheme not in ("http", "https") for u in urls):
            raise ValueError("not http(s)")
        return urls

    @field_validator("webhook_url")
    @classmethod
    def _check_webhook(cls, value: SecretStr | None) -> SecretStr | None:
        parts = urlsplit(value.get_secret_value()) if value else None
        if parts is not None and not (parts.scheme in ("http", "https") and parts.hostname):
            raise ValueError("not http(s)")
        return value

    @field_validator("mongo_uri", "redis_url")
    @classmethod
    def _check_scheme(cls, value: SecretStr) -> SecretStr:
        schemes = ("mongodb", "mongodb+srv", "redis", "rediss", "unix")
        if urlsplit(value.get_secret_value()).scheme not in schemes:
            raise ValueError("unknown scheme")
        return value

    @field_validator("mongo_database")
    @classmethod
    def _check_database(cls, value: str) -> str:
        is_too_long = len(value.encode(errors="replace")) > DATABASE_BYTES_MAX
        if not value or is_too_long or DATABASE_FORBIDDEN & set(value) or not value.isprintable():
            raise ValueError("no server accepts this name")
        return value

    @field_validator("redis_url")
    @classmethod
    def _check_redis(cls, value: SecretStr) -> SecretStr:
        check_broker_url(value.get_secret_value())
        return value

    @field_validator("token_mint_address", "source_token_account", "staking_vault")
    @classmethod
    def _check_address(cls, value: str | None) -> str | None:
        alphabet = set("123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz")
        if value is not None and not (32 <= len(value) <= 44 and set(value) <= alphabet):
            raise ValueError("not base58")
        return value

    @field_validator("solana_private_key_file", "receipt_key_file", "fee_payer_key_file")
    @classmethod
    def _check_key_file(cls, path: Path | None) -> Path | None:
        if path is not None:
            check_key_file(path)
        return path

    def secrets(self) -> list[str]:
        """Every text that logs hide: passwords, keys, and parts of URLs that may be an API key."""
        texts = [self.solana_private_key, self.webhook_url]
        secrets = [text.get_secret_value() for text in texts if text is not None]
        for uri in (self.mongo_uri, self.redis_url):
            password = urlsplit(uri.get_secret_value()).password or ""
            secrets += [password, unquote(password)]
        for url in self.solana_rpc_url:
            parts = urlsplit(url)
            secrets += [parts.password or "", parts.path.strip("/"), parts.query]
        return [secret for secret in secrets if len(secret) >= SECRET_CHARACTERS_MIN]

    @model_validator(mode="after")
    def _check_together(self) -> Settings:
        if self.watch_only:
            if any((self.solana_private_key_file, self.solana_private_key, self.receipt_key_file)):
                raise ValueError(
                    "WATCH_ONLY is set: remove the keys, since this process signs nothing"
                )
        elif (self.solana_private_key_file is None) == (self.solana_private_key is None):
            raise ValueError("SOLANA_PRIVATE_KEY_FILE or SOLANA_PRIVATE_KEY: set exactly one")
        limits = (
            self.rpc_timeout_seconds,
            self.task_soft_limit_seconds,
            self.task_hard_limit_seconds,
            self.broker_visibility_timeout_seconds,
        )
        if any(a >= b for a, b in itertools.pairwise(limits)):
            raise ValueError(
                "RPC_TIMEOUT_SECONDS < TASK_SOFT_LIMIT_SECONDS < TASK_HARD_LIMIT_SECONDS < "
                "BROKER_VISIBILITY_TIMEOUT_SECONDS must hold"
            )
        return self


def check_key_file(path: Path) -> None:
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


def _is_credential(path: Path) -> bool:
    """Whether systemd passed the file to this service alone (LoadCredential).

    systemd may protect it by an access list, whose mask looks like a group permission.
    """
    folder = os.environ.get("CREDENTIALS_DIRECTORY")
    return folder is not None and path.parent == Path(folder)


def load_settings(env_file: Path | None = None) -> Settings:
    """Read the settings from the environment, and from `KONTRIB_ENV_FILE` or `.env`.

    Raises:
        ConfigurationUnusable: lists every missing or malformed variable.
    """
    chosen = env_file or Path(os.environ.get("KONTRIB_ENV_FILE", ".env"))
    _refuse_empty_database(chosen)
    try:
        return Settings(_env_file=chosen)
    except ValidationError as error:
        raise ConfigurationUnusable([_describe(e) for e in error.errors()]) from None


def _refuse_empty_database(env_file: Path) -> None:
    """An empty name is a mistake: the default would be another database than the wiki's.

    Raises:
        ConfigurationUnusable: MONGO_DATABASE is there, and empty.
    """
    for values in (os.environ, dotenv_values(env_file)):
        given = {name.upper(): value for name, value in values.items()}
        if given.get("MONGO_DATABASE", "set") in (None, ""):
            raise ConfigurationUnusable(
                [f"MONGO_DATABASE is empty. Expected: {EXPECTED['MONGO_DATABASE']}"]
            )


def _describe(error: Mapping[str, Any]) -> str:
    """One problem as a line, without `error['input']`, which may be the secret itself."""
    if not error["loc"]:
        return str(error["msg"]).removeprefix("Value error, ")
    name = str(error["loc"][0]).upper()
    if error["type"] == "missing":
        problem = "is missing"
    elif name.endswith("_FILE") and error["type"] == "value_error":
        problem = f"is not usable: {str(error['msg']).removeprefix('Value error, ')}"
    else:
        problem = "is malformed"
    expected = EXPECTED.get(name)
    if expected is None:
        return f"{name} {problem}: {str(error['msg']).removeprefix('Value error, ')}"
    return f"{name} {problem}. Expected: {expected}"
