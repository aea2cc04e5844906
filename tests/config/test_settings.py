"""Errors about settings name the wrong variables, and never show a secret."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from config.errors import ConfigurationUnusable
from config.secrets import Hiding
from config.settings import Settings, load_settings

SECRET = "5JqKCKXYrD8ZTbNMqUxvQRAyrZzDsGYdLVL9zYtAWWM"
GOOD = {
    "MONGO_URI": "mongodb://wiki:hunter2@db:27017",
    "REDIS_URL": "redis://:hunter2@broker:6379/0",
    "SOLANA_RPC_URL": "https://rpc.example/?api-key=hunter2, https://other.example",
    "TOKEN_MINT_ADDRESS": "TokenkegQfeZyiNwAJbNbGKPFXCWuBvf9Ss623VQ5DA",
    "SOLANA_PRIVATE_KEY": SECRET,
}


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> pytest.MonkeyPatch:
    monkeypatch.setenv("KONTRIB_ENV_FILE", os.devnull)
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    for name, value in GOOD.items():
        monkeypatch.setenv(name, value)
    return monkeypatch


def test_several_endpoints_are_separated_by_commas(environment: pytest.MonkeyPatch) -> None:
    assert load_settings().solana_rpc_url == (
        "https://rpc.example/?api-key=hunter2",
        "https://other.example",
    )


def test_a_congested_cluster_is_met_with_a_fee_under_a_cap(environment: pytest.MonkeyPatch) -> None:
    assert load_settings().priority_fee_lamports_max == 10_000


@pytest.mark.parametrize("name", ["MONGO_URI", "REDIS_URL", "SOLANA_RPC_URL", "TOKEN_MINT_ADDRESS"])
def test_a_missing_variable_is_named_with_what_is_expected(
    environment: pytest.MonkeyPatch, name: str
) -> None:
    environment.delenv(name)
    with pytest.raises(ConfigurationUnusable, match=f"{name} is missing. Expected: "):
        load_settings()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("MONGO_URI", "postgres://hunter2@db"),
        ("REDIS_URL", "hunter2"),
        ("REDIS_URL", "redis://:hunter2#x@broker:6379/0"),
        ("REDIS_URL", "redis://:hunter2/x@broker:6379/0"),
        ("REDIS_URL", "redis://:hunter2@broker:6379/1_0"),
        ("REDIS_URL", "rediss://:hunter2@broker:6379/٣"),
        ("REDIS_URL", "redis://:hunter2@broker:6_379/0"),
        ("SOLANA_RPC_URL", "ftp://hunter2"),
        ("TOKEN_MINT_ADDRESS", "hunter2-is-no-address"),
        ("SOURCE_TOKEN_ACCOUNT", "hunter2-is-no-address"),
        ("STAKING_VAULT", "hunter2-is-no-address"),
    ],
)
def test_a_malformed_variable_is_named_and_its_value_is_not_shown(
    environment: pytest.MonkeyPatch, name: str, value: str
) -> None:
    environment.setenv(name, value)
    with pytest.raises(ConfigurationUnusable, match=f"{name} is malformed") as caught:
        load_settings()
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644])
def test_a_key_file_that_others_can_read_is_refused(
    environment: pytest.MonkeyPatch, tmp_path: Path, mode: int
) -> None:
    key = tmp_path / "key.json"
    key.write_text(json.dumps([1] * 64))
    key.chmod(mode)
    environment.delenv("SOLANA_PRIVATE_KEY")
    environment.setenv("SOLANA_PRIVATE_KEY_FILE", str(key))
    with pytest.raises(ConfigurationUnusable, match="chmod 600"):
        load_settings()


def test_a_key_file_for_its_owner_alone_is_accepted(
    environment: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    key = tmp_path / "key.json"
    key.write_text(json.dumps([1] * 64))
    key.chmod(0o600)
    environment.delenv("SOLANA_PRIVATE_KEY")
    environment.setenv("SOLANA_PRIVATE_KEY_FILE", str(key))
    assert load_settings().solana_private_key_file == key


def test_exactly_one_private_key_is_configured(environment: pytest.MonkeyPatch) -> None:
    environment.delenv("SOLANA_PRIVATE_KEY")
    with pytest.raises(ConfigurationUnusable, match="set exactly one"):
        load_settings()


def test_settings_show_no_secret_in_their_repr(environment: pytest.MonkeyPatch) -> None:
    shown = repr(load_settings()) + str(load_settings())
    assert "hunter2" not in shown
    assert SECRET not in shown


def test_settings_are_frozen(environment: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValueError, match="frozen"):
        load_settings().mongo_database = "other"


def test_limits_that_contradict_each_other_are_refused(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("TASK_HARD_LIMIT_SECONDS", "10")
    with pytest.raises(ConfigurationUnusable, match="must hold"):
        load_settings()


NUMBERS = [
    name.upper()
    for name, field in Settings.model_fields.items()
    if field.annotation in (int, float)
]


def test_settings_have_numbers() -> None:
    assert len(NUMBERS) >= 14


@pytest.mark.parametrize("name", NUMBERS)
@pytest.mark.parametrize(
    "value",
    ["1_0", "+1000", " 1000", "1000 ", "١٠٠٠", "１０００", "1e3", "0x10", "inf", "nan", "ten"],
)
def test_a_number_is_written_in_plain_digits(
    environment: pytest.MonkeyPatch, name: str, value: str
) -> None:
    environment.setenv(name, value)
    with pytest.raises(ConfigurationUnusable, match=f"{name} is malformed: not a .*number in the"):
        load_settings()


def test_whole_and_decimal_numbers_are_read(
    environment: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    environment.setenv("BATCHES_PER_TASK", "0064")
    file = tmp_path / "env"
    file.write_text("BACKOFF_SCALE=0.5\nCLOCK_OFFSET_SECONDS=-30\nBATCHES_IN_FLIGHT='128'\n")
    found = load_settings(file)
    assert (found.batches_per_task, found.batches_in_flight) == (64, 128)
    assert (found.backoff_scale, found.clock_offset_seconds) == (0.5, -30)


def test_a_fraction_of_a_whole_setting_is_refused(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("BATCHES_PER_TASK", "10.0")
    with pytest.raises(ConfigurationUnusable, match="a whole number in the digits 0 to 9"):
        load_settings()


def test_a_dot_env_file_is_read(environment: pytest.MonkeyPatch, tmp_path: Path) -> None:
    file = tmp_path / "env"
    file.write_text("MONGO_DATABASE=wiki\n")
    assert load_settings(file).mongo_database == "wiki"


@pytest.mark.parametrize(
    "name",
    [*("a/b", "a\\b", "a.b", "a b", 'a"b', "$a", "a*", "a<b", "a>b", "a:b", "a|b", "a?"),
     *("", " ", "a\tb", "w" * 64, "ö" * 32)],
)  # fmt: skip
def test_a_database_name_that_no_server_accepts_is_refused(
    environment: pytest.MonkeyPatch, name: str
) -> None:
    environment.setenv("MONGO_DATABASE", name)
    with pytest.raises(ConfigurationUnusable, match="MONGO_DATABASE is"):
        load_settings()


def test_an_empty_database_name_in_a_file_is_refused(
    environment: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file = tmp_path / "env"
    file.write_text("MONGO_DATABASE=\n")
    with pytest.raises(ConfigurationUnusable, match="MONGO_DATABASE is empty"):
        load_settings(file)


@pytest.mark.parametrize("name", ["w" * 63, "ö" * 31, "wiki-2_x"])
def test_a_database_may_have_every_name_that_a_server_accepts(
    environment: pytest.MonkeyPatch, name: str
) -> None:
    environment.setenv("MONGO_DATABASE", name)
    assert load_settings().mongo_database == name


def test_what_signs_nothing_is_given_no_key(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("WATCH_ONLY", "true")
    with pytest.raises(ConfigurationUnusable, match="remove the keys"):
        load_settings()
    environment.delenv("SOLANA_PRIVATE_KEY")
    assert load_settings().watch_only


def test_a_webhook_that_is_no_url_is_refused_and_not_shown(
    environment: pytest.MonkeyPatch,
) -> None:
    environment.setenv("WEBHOOK_URL", "hunter2")
    with pytest.raises(ConfigurationUnusable, match="WEBHOOK_URL is malformed") as caught:
        load_settings()
    assert "hunter2" not in str(caught.value)


def test_an_empty_variable_is_not_set(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("WEBHOOK_URL", "")
    assert load_settings().webhook_url is None


def test_the_secrets_to_hide_are_passwords_keys_and_what_a_url_may_carry(
    environment: pytest.MonkeyPatch,
) -> None:
    environment.setenv("WEBHOOK_URL", "https://hooks.example/services/T/B/x")
    environment.setenv("MONGO_URI", "mongodb://wiki:p%40ssword@db:27017")
    assert set(load_settings().secrets()) == {
        SECRET,
        "hunter2",
        "p%40ssword",
        "p@ssword",
        "api-key=hunter2",
        "services/T/B/x",
        "https://hooks.example/services/T/B/x",
    }


@pytest.mark.parametrize(("mode", "is_usable"), [(0o400, True), (0o440, True), (0o444, False)])
def test_a_key_from_systemd_may_be_guarded_by_an_access_list(
    environment: pytest.MonkeyPatch, tmp_path: Path, mode: int, is_usable: bool
) -> None:
    key = tmp_path / "payout.json"
    key.write_text(json.dumps([1] * 64))
    key.chmod(mode)
    environment.delenv("SOLANA_PRIVATE_KEY")
    environment.setenv("SOLANA_PRIVATE_KEY_FILE", str(key))
    environment.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    if is_usable:
        assert load_settings().solana_private_key_file == key
    else:
        with pytest.raises(ConfigurationUnusable, match="chmod 600"):
            load_settings()


@pytest.mark.parametrize(
    ("content", "why"),
    [(None, "No such file"), ("folder", "Is a directory"), (b"\xff\xfe", "not text in UTF-8")],
)
def test_a_settings_file_that_cannot_be_read_is_named(
    environment: pytest.MonkeyPatch, tmp_path: Path, content: str | bytes | None, why: str
) -> None:
    file = tmp_path / "kontrib.env"
    if isinstance(content, bytes):
        file.write_bytes(content)
    elif content:
        file.mkdir()

    with pytest.raises(ConfigurationUnusable, match=f"kontrib.env cannot be read: .*{why}"):
        load_settings(file)
    environment.setenv("KONTRIB_ENV_FILE", str(file))
    with pytest.raises(ConfigurationUnusable, match=f"kontrib.env cannot be read: .*{why}"):
        load_settings()


def test_a_line_of_the_settings_file_that_says_nothing_is_named(
    environment: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file = tmp_path / "env"
    file.write_text("MONGO_DATABASE=wiki\nMONGO_URI mongodb://hunter2@db\n")
    with pytest.raises(ConfigurationUnusable, match="line 2 is not NAME=value") as refused:
        load_settings(file)
    assert "hunter2" not in str(refused.value)


def test_a_word_in_an_endpoints_path_hides_no_word_of_a_message(
    environment: pytest.MonkeyPatch,
) -> None:
    environment.setenv("SOLANA_RPC_URL", "https://rpc.example/event/0123456789abcdef")
    hiding = Hiding(load_settings().secrets())
    assert hiding('{"event": "0123456789abcdef"}') == '{"event": "(hidden)"}'
