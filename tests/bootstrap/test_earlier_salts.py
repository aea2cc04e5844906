"""Weeks keep the salts of the file that EARLIER_SALTS_FILE names, and a wrong file is refused."""

from __future__ import annotations

import json
import os
from contextlib import closing
from pathlib import Path

import pytest
from solders.keypair import Keypair

from config.errors import ConfigurationUnusable
from config.settings import Settings, load_settings
from tests.softhsm import RECEIPTS, SoftHsm
from worker.bootstrap.chain import open_chain
from worker.cli.console import write_private
from worker.core.identity import SaltsUnusable, salts_document
from worker.core.week import Week

PAYOUT_KEY, RECEIPT_KEY = (Keypair.from_seed(bytes([number]) * 32) for number in (1, 2))
WEEK = Week.parse("2024-W50")
SALT = bytes(range(32))


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> pytest.MonkeyPatch:
    """Settings with a payout key and a receipt key in files, and no salts."""
    monkeypatch.setenv("KONTRIB_ENV_FILE", os.devnull)
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.setenv("MONGO_URI", "mongodb://127.0.0.1:9")
    monkeypatch.setenv("REDIS_URL", "redis://127.0.0.1:9/0")
    monkeypatch.setenv("SOLANA_RPC_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("TOKEN_MINT_ADDRESS", "TokenkegQfeZyiNwAJbNbGKPFXCWuBvf9Ss623VQ5DA")
    keys = (("SOLANA_PRIVATE_KEY_FILE", PAYOUT_KEY), ("RECEIPT_KEY_FILE", RECEIPT_KEY))
    for variable, key in keys:
        file = tmp_path / f"{variable}.json"
        write_private(file, json.dumps(list(bytes(key))).encode())
        monkeypatch.setenv(variable, str(file))
    return monkeypatch


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SoftHsm:
    return SoftHsm(tmp_path / "softhsm", monkeypatch)


@pytest.fixture
def salts(tmp_path: Path) -> Path:
    return tmp_path / "salts.json"


def salt_of(week: Week) -> bytes:
    """The salt that a chain opened with the settings gives to a week."""
    with closing(open_chain(load_settings())) as chain:
        return chain.plan_salt(week)


def write_salts(file: Path, key: Keypair, salt: bytes = SALT) -> None:
    """A file as `kontrib salts` writes it."""
    write_private(file, salts_document(str(key.pubkey()), {WEEK.id: salt}))


def test_a_week_of_the_file_keeps_its_salt_and_other_weeks_get_those_of_the_key(
    environment: pytest.MonkeyPatch, salts: Path
) -> None:
    own, own_next = salt_of(WEEK), salt_of(WEEK.next())
    write_salts(salts, RECEIPT_KEY)
    environment.setenv("EARLIER_SALTS_FILE", str(salts))

    assert salt_of(WEEK) == SALT != own
    assert salt_of(WEEK.next()) == own_next


def test_a_receipt_key_that_moves_into_a_module_keeps_its_salts(
    environment: pytest.MonkeyPatch, module: SoftHsm, salts: Path
) -> None:
    before = salt_of(WEEK)
    write_salts(salts, RECEIPT_KEY, before)
    module.load(RECEIPTS, RECEIPT_KEY)
    environment.delenv("RECEIPT_KEY_FILE")
    for name, value in module.settings(RECEIPT_KEY_URI=module.uri(RECEIPTS)).items():
        environment.setenv(name, value)
    assert salt_of(WEEK) != before

    environment.setenv("EARLIER_SALTS_FILE", str(salts))
    assert salt_of(WEEK) == before


def test_the_salts_of_another_key_are_refused(environment: pytest.MonkeyPatch, salts: Path) -> None:
    write_salts(salts, PAYOUT_KEY)
    environment.setenv("EARLIER_SALTS_FILE", str(salts))
    settings = load_settings()

    theirs, ours = PAYOUT_KEY.pubkey(), RECEIPT_KEY.pubkey()
    with pytest.raises(SaltsUnusable, match=f"receipt key {theirs}, and ours is {ours}") as caught:
        open_chain(settings)
    assert SALT.hex() not in str(caught.value)


def test_a_file_that_vanished_after_the_settings_were_read_is_named(
    environment: pytest.MonkeyPatch, salts: Path
) -> None:
    write_salts(salts, RECEIPT_KEY)
    environment.setenv("EARLIER_SALTS_FILE", str(salts))
    settings = load_settings()
    salts.unlink()

    with pytest.raises(SaltsUnusable, match=f"{salts}: No such file") as caught:
        open_chain(settings)
    assert caught.value.exit_code == 3


def test_a_missing_file_is_a_wrong_setting(environment: pytest.MonkeyPatch, salts: Path) -> None:
    environment.setenv("EARLIER_SALTS_FILE", str(salts))
    said = f"EARLIER_SALTS_FILE is not usable: {salts} cannot be read: No such file"
    with pytest.raises(ConfigurationUnusable, match=said):
        load_settings()


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644])
def test_a_file_that_others_can_read_is_refused(
    environment: pytest.MonkeyPatch, salts: Path, mode: int
) -> None:
    write_salts(salts, RECEIPT_KEY)
    environment.setenv("EARLIER_SALTS_FILE", str(salts))
    assert load_settings().earlier_salts_file == salts

    salts.chmod(mode)
    with pytest.raises(ConfigurationUnusable, match=r"EARLIER_SALTS_FILE is .*chmod 600"):
        load_settings()


def test_a_process_that_only_watches_gets_no_salts(
    environment: pytest.MonkeyPatch, salts: Path
) -> None:
    environment.delenv("SOLANA_PRIVATE_KEY_FILE")
    environment.delenv("RECEIPT_KEY_FILE")
    environment.setenv("WATCH_ONLY", "true")
    assert load_settings()
    write_salts(salts, RECEIPT_KEY)
    environment.setenv("EARLIER_SALTS_FILE", str(salts))
    with pytest.raises(ConfigurationUnusable, match="WATCH_ONLY is set: remove the keys"):
        load_settings()
