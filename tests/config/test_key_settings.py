"""Each key has one place, and a PIN appears nowhere."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from config.errors import ConfigurationUnusable
from config.secrets import Hiding
from config.settings import Settings, load_settings

PIN = "hunter2"
URI = "pkcs11:token=kontrib;object=payout"
GOOD = {
    "MONGO_URI": "mongodb://db:27017",
    "REDIS_URL": "redis://broker:6379/0",
    "SOLANA_RPC_URL": "https://rpc.example",
    "TOKEN_MINT_ADDRESS": "TokenkegQfeZyiNwAJbNbGKPFXCWuBvf9Ss623VQ5DA",
    "SOLANA_PRIVATE_KEY_URI": URI,
    "PKCS11_MODULE": "/usr/lib/softhsm/libsofthsm2.so",
    "PKCS11_PIN": PIN,
}


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    monkeypatch.setenv("KONTRIB_ENV_FILE", os.devnull)
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    for name, value in GOOD.items():
        monkeypatch.setenv(name, value)
    return monkeypatch


def pin_file(folder: Path, mode: int = 0o600) -> Path:
    path = folder / "pin"
    path.write_text(PIN)
    path.chmod(mode)
    return path


def refused(why: str) -> str:
    with pytest.raises(ConfigurationUnusable, match=why) as caught:
        load_settings()
    assert PIN not in str(caught.value)
    return str(caught.value)


def test_keys_may_all_be_in_a_module(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("RECEIPT_KEY_URI", "pkcs11:token=kontrib;object=receipts")
    environment.setenv("FEE_PAYER_KEY_URI", "pkcs11:token=kontrib;object=fees")
    settings = load_settings()
    assert settings.solana_private_key_uri == URI


def test_a_pin_that_is_too_short_to_be_hidden_is_refused(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("PKCS11_PIN", "123")
    assert "123" not in refused("PKCS11_PIN is malformed. Expected: at least 4 characters")


def test_the_pin_is_hidden_everywhere(environment: pytest.MonkeyPatch) -> None:
    settings = load_settings()
    assert PIN not in repr(settings) + str(settings) + str(settings.model_dump())
    assert PIN not in Hiding(settings.secrets())(f"C_Login failed with {PIN}")


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("SOLANA_PRIVATE_KEY_URI", "SOLANA_PRIVATE_KEY_FILE"),
        ("SOLANA_PRIVATE_KEY_URI", "SOLANA_PRIVATE_KEY"),
        ("RECEIPT_KEY_URI", "RECEIPT_KEY_FILE"),
        ("FEE_PAYER_KEY_URI", "FEE_PAYER_KEY_FILE"),
        ("PKCS11_PIN", "PKCS11_PIN_FILE"),
    ],
)
def test_two_places_for_one_key_are_refused(
    environment: pytest.MonkeyPatch, tmp_path: Path, one: str, other: str
) -> None:
    environment.setenv(one, PIN if one == "PKCS11_PIN" else URI)
    environment.setenv(other, str(pin_file(tmp_path)))
    said = refused("set (only|exactly) one")
    assert one in said
    assert other in said


def test_a_module_and_a_pin_must_be_named(environment: pytest.MonkeyPatch, tmp_path: Path) -> None:
    environment.delenv("PKCS11_MODULE")
    refused("SOLANA_PRIVATE_KEY_URI names no module")
    environment.setenv("SOLANA_PRIVATE_KEY_URI", f"{URI}?module-path=/usr/lib/x.so")
    assert load_settings()
    environment.delenv("PKCS11_PIN")
    refused("SOLANA_PRIVATE_KEY_URI names no PIN")
    source = f"{URI}?module-path=/usr/lib/x.so&pin-source={pin_file(tmp_path)}"
    environment.setenv("SOLANA_PRIVATE_KEY_URI", source)
    assert load_settings()


def test_a_pin_that_others_can_read_is_refused(
    environment: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    path = pin_file(tmp_path, 0o644)
    environment.setenv("SOLANA_PRIVATE_KEY_URI", f"{URI}?pin-source={path}")
    refused("SOLANA_PRIVATE_KEY_URI is not usable: .*chmod 600")
    environment.setenv("SOLANA_PRIVATE_KEY_URI", URI)
    environment.delenv("PKCS11_PIN")
    environment.setenv("PKCS11_PIN_FILE", str(path))
    refused("PKCS11_PIN_FILE is not usable: .*chmod 600")


@pytest.mark.parametrize("text", [PIN, f"{URI}?pin-value={PIN}", f"pkcs11:token={PIN}"])
def test_an_unusable_uri_says_why_and_is_not_shown(
    environment: pytest.MonkeyPatch, text: str
) -> None:
    environment.setenv("RECEIPT_KEY_URI", text)
    refused("RECEIPT_KEY_URI is not usable: (it|the attribute)")


@pytest.mark.parametrize(
    "name",
    [
        "SOLANA_PRIVATE_KEY_URI",
        "RECEIPT_KEY_URI",
        "FEE_PAYER_KEY_URI",
        "FEE_PAYER_KEY_FILE",
        "PKCS11_PIN",
    ],
)
def test_a_process_that_only_watches_gets_no_key_and_no_pin(
    environment: pytest.MonkeyPatch, tmp_path: Path, name: str
) -> None:
    environment.delenv("SOLANA_PRIVATE_KEY_URI")
    environment.delenv("PKCS11_PIN")
    environment.setenv("WATCH_ONLY", "true")
    assert load_settings()
    environment.setenv(name, str(pin_file(tmp_path)) if name.endswith("FILE") else URI)
    refused("WATCH_ONLY is set: remove the keys")
