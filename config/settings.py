"""The settings of an operator: environment variables, or a `.env` file beside the process.

The settings never change once read. Secrets have no defaults, are held as `SecretStr`, and appear
in no log, repr or error: the report of a malformed value has only the variable's name and the
expected form.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Mapping
from io import StringIO
from pathlib import Path
from typing import Any

from dotenv import dotenv_values
from dotenv.parser import parse_stream
from pydantic import Field, SecretStr, ValidationError, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from config.errors import ConfigurationUnusable
from config.forms import (
    Address,
    DatabaseName,
    Endpoints,
    KeyFile,
    KeyUri,
    MailUrl,
    MongoUri,
    RedisUrl,
    WebhookUrl,
)
from config.key_settings import KEY_SETTINGS, check_keys
from config.numbers import Number, Whole
from config.secrets import SECRET_CHARACTERS_MIN, passwords_in_url, secrets_in_url

_URI_FORM = "pkcs11:token=LABEL;object=LABEL (RFC 7512)"
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
    "SOLANA_PRIVATE_KEY_URI": _URI_FORM,
    "RECEIPT_KEY_URI": f"{_URI_FORM}; default: the payout key",
    "FEE_PAYER_KEY_URI": f"{_URI_FORM}; default: the payout key",
    "PKCS11_MODULE": "the path of a PKCS#11 library, such as /usr/lib/softhsm/libsofthsm2.so",
    "PKCS11_PIN": f"at least {SECRET_CHARACTERS_MIN} characters",
    "PKCS11_PIN_FILE": "a path to a file that only its owner can read",
    "EARLIER_SALTS_FILE": "a path to a file of `kontrib salts`",
    "SOURCE_TOKEN_ACCOUNT": "a token account's address in base58",
    "STAKING_VAULT": "the vault's wallet, or its token account, in base58",
    "PLAN_ARCHIVE_URL": "a folder or any fsspec URL, such as s3://bucket/plans",
    "WEBHOOK_URL": "the incoming webhook of Slack, Mattermost or Discord: https://...",
    "MAIL_URL": "smtps://USER:PASSWORD@mail.example:465/?from=kontrib@example.org&to=ops@example.org"
    " (or smtp:// with STARTTLS; in a password, @ is %40 and / is %2F)",
}


class Settings(BaseSettings):
    """All settings. Times are in seconds, amounts in the unit of the name."""

    model_config = SettingsConfigDict(
        env_file=".env",
        env_file_encoding="utf-8",
        # An empty variable counts as missing: templates leave optional ones empty.
        env_ignore_empty=True,
        extra="ignore",
        frozen=True,
        use_attribute_docstrings=True,  # docs/settings.md shows them
    )

    mongo_uri: MongoUri
    """The wiki's MongoDB, a replica set."""
    mongo_database: DatabaseName = "kontrib"
    """The wiki's database."""
    redis_url: RedisUrl
    """Celery's broker."""
    solana_rpc_url: Endpoints = Field(repr=False)
    """The RPC endpoints, best of different providers."""
    token_mint_address: Address
    """The mint of the token that is paid, with 9 decimals."""
    solana_private_key_file: KeyFile | None = None
    """The payout authority: the owner of the source account, or its delegate."""
    solana_private_key: SecretStr | None = None
    """The same key as text, where a file is impossible."""
    receipt_key_file: KeyFile | None = None
    """The key of the receipts, which holds no tokens. Default: the payout key."""
    fee_payer_key_file: KeyFile | None = None
    """The key that pays fees and rent. Default: the payout key."""
    solana_private_key_uri: KeyUri | None = None
    """The payout authority in a PKCS#11 module, instead of a file."""
    receipt_key_uri: KeyUri | None = None
    """The key of the receipts in a module."""
    fee_payer_key_uri: KeyUri | None = None
    """The key that pays fees and rent in a module."""
    pkcs11_module: Path | None = None
    """The module's library, for URIs without `module-path`."""
    pkcs11_pin_file: KeyFile | None = None
    """The user PIN of the token, for URIs without `pin-source`."""
    pkcs11_pin: SecretStr | None = Field(None, min_length=SECRET_CHARACTERS_MIN)
    """The same PIN as text, where a file is impossible."""
    earlier_salts_file: KeyFile | None = None
    """The salts of the weeks that this receipt key planned while it was a file."""
    source_token_account: Address | None = None
    """The treasury. Default: the authority's associated token account."""
    staking_vault: Address | None = None
    """Stakes need a transfer to this vault. Without it, stakes are recorded on trust."""
    plan_archive_url: str = "./plans"
    """The place for published plans. All workers need the same place."""
    webhook_url: WebhookUrl | None = None
    """Gets messages about closed and stuck weeks, short funds, approvals and wrong books."""
    mail_url: MailUrl | None = None
    """Gets the same messages by email."""
    username_field: str = "username"
    """The field of user documents that reports show as the name, such as `profile.name`."""
    watch_only: bool = False
    """For beat, Flower and the exporter. They sign nothing, so any key is refused."""

    plan_grace_seconds: Whole = Field(600, ge=0)
    """Wait after a week's end, while its last contributions may still be written."""
    clock_difference_seconds_max: Number = Field(300, gt=0)
    """The largest difference from the cluster's time at which weeks are planned."""
    sweep_seconds: Number = Field(300, gt=0)
    """The interval at which beat looks for due work."""
    rpc_timeout_seconds: Number = Field(20, gt=0)
    """An RPC endpoint that takes longer counts as silent."""
    task_soft_limit_seconds: Number = Field(900, gt=0)
    """A task that takes longer stops after its current step."""
    task_hard_limit_seconds: Number = Field(960, gt=0)
    """Celery kills a task that takes longer."""
    broker_visibility_timeout_seconds: Whole = Field(1200, gt=0)
    """Redis delivers an unanswered message again after this time."""
    broker_timeout_seconds: Number = Field(15, gt=0)
    """Redis connections are renewed after this long without an answer."""
    lease_seconds: Number = Field(120, gt=0)
    """The time after which another worker takes over the work of a dead one."""
    backoff_scale: Number = Field(1.0, gt=0)
    """Factor on the pauses between tries; below 1 only in tests."""
    stuck_after_seconds: Number = Field(6 * 3600, gt=0)
    """A week still open this long after its end is reported as stuck."""
    batches_per_task: Whole = Field(1024, ge=1)
    """The number of batches that one task begins with. It goes on with those behind them."""
    batches_in_flight: Whole = Field(2048, ge=1)
    """The number of batches that one task sends before it waits for them."""
    priority_fee_lamports_max: Whole = Field(10_000, ge=0)
    """The highest priority fee of a transaction, in lamports."""
    clock_offset_seconds: Whole = 0
    """Shifts the clock, to run past weeks. Refused on every chain but the local one."""
    local_cluster_genesis: str | None = None
    """The genesis hash of the local chain; `make up` sets it."""
    log_format: str = Field("auto", pattern="^(auto|json|console)$")
    """`auto`, `json` or `console`. `auto` writes JSON unless a terminal reads it."""
    log_level: str = Field("INFO", pattern="^(DEBUG|INFO|WARNING|ERROR)$")
    """`DEBUG`, `INFO`, `WARNING` or `ERROR`."""

    def secrets(self) -> list[str]:
        """Every text that is hidden in logs, errors and messages: passwords, keys, and parts of
        URLs that may be an API key."""
        texts = [self.solana_private_key, self.pkcs11_pin, self.webhook_url, self.mail_url]
        secrets = [text.get_secret_value() for text in texts if text is not None]
        uris = filter(None, (self.mongo_uri, self.redis_url, self.mail_url))
        for url in (*(uri.get_secret_value() for uri in uris), self.plan_archive_url):
            secrets += passwords_in_url(url)
        hooks = [self.webhook_url.get_secret_value()] if self.webhook_url else []
        for url in (*self.solana_rpc_url, *hooks):
            secrets += secrets_in_url(url)
        return list(dict.fromkeys(secrets))

    @model_validator(mode="after")
    def _check_together(self) -> Settings:
        keys = {name: getattr(self, name.lower()) for name in KEY_SETTINGS}
        given = {name: value for name, value in keys.items() if value is not None}
        check_keys(given, module=self.pkcs11_module is not None, watch_only=self.watch_only)
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


def load_settings(env_file: Path | None = None) -> Settings:
    """Read the settings from the environment, and from `KONTRIB_ENV_FILE` or `.env`.

    Raises:
        ConfigurationUnusable: lists every missing or malformed variable, or names a settings file
            that cannot be read.
    """
    named = env_file or os.environ.get("KONTRIB_ENV_FILE")
    chosen = Path(named or ".env")
    if named or chosen.exists():
        _require_readable(chosen)
    _refuse_empty_database(chosen)
    try:
        return Settings(_env_file=chosen)
    except ValidationError as error:
        raise ConfigurationUnusable([_describe(e) for e in error.errors()]) from None


def _require_readable(env_file: Path) -> None:
    """The library would pass over a missing file or a malformed line, and take other settings.

    Raises:
        ConfigurationUnusable: the file is missing, or a part of it unreadable.
    """
    try:
        lines = parse_stream(StringIO(env_file.read_text(encoding="utf-8")))
        wrong = next((each.original.line for each in lines if each.error), None)
        if wrong is None:
            return
        why = f"line {wrong} is not NAME=value, a comment or blank"
    except OSError as error:
        why = error.strerror or "unreadable"
    except UnicodeDecodeError:
        why = "it is not text in UTF-8"
    raise ConfigurationUnusable([f"The settings file {env_file} cannot be read: {why}"])


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
    elif name.endswith(("_FILE", "KEY_URI")) and error["type"] == "value_error":
        problem = f"is not usable: {str(error['msg']).removeprefix('Value error, ')}"
    else:
        problem = "is malformed"
    expected = EXPECTED.get(name)
    if expected is None:
        return f"{name} {problem}: {str(error['msg']).removeprefix('Value error, ')}"
    return f"{name} {problem}. Expected: {expected}"
