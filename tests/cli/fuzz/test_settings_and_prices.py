"""Settings files and prices with any damage: read, or refused with what is wrong, and no secret."""

from __future__ import annotations

from pathlib import Path

import pytest

from config.errors import ConfigurationUnusable
from config.settings import Settings, load_settings
from tests.cli.conftest import Command
from tests.cli.fuzz.damage import Damage, survive

FILES = 200
SECRET = "5JqKCKXYrD8ZTbNMqUxvQRAyrZzDsGYdLVL9zYtAWWM"
SETTINGS = f"""# the wiki
MONGO_URI=mongodb://wiki:{SECRET}@db:27017
MONGO_DATABASE="wiki"
REDIS_URL=redis://:{SECRET}@broker:6379/0
export SOLANA_RPC_URL='https://rpc.example/?api-key={SECRET}, https://other.example'
TOKEN_MINT_ADDRESS=TokenkegQfeZyiNwAJbNbGKPFXCWuBvf9Ss623VQ5DA
SOLANA_PRIVATE_KEY={SECRET}
WEBHOOK_URL=https://hooks.example/{SECRET}
MAIL_URL=smtps://user:{SECRET}@mail.example:465/?from=a@example.org&to=b@example.org
RPC_TIMEOUT_SECONDS=20
STUCK_AFTER_SECONDS=
"""


def test_damaged_settings_are_read_or_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    damage, file, refused = Damage(11), tmp_path / "env", []
    for _ in range(FILES):
        file.write_bytes(damage.bytes(SETTINGS.encode()))
        try:
            load_settings(file)
        except ConfigurationUnusable as error:
            refused.append(str(error))
    assert 0 < len(refused) < FILES
    assert SECRET not in "".join(refused)
    assert all(refused)


def test_damaged_prices_are_read_or_named(kontrib: Command, tmp_path: Path) -> None:
    damage, file, codes = Damage(12), tmp_path / "prices.csv", []
    days = [f"2024-12-{day:02},0.04{day:02}" for day in range(1, 32)]
    for _ in range(FILES):
        file.write_bytes(damage.bytes("\n".join(["date,price", *days, ""]).encode()))
        arguments = ("--year", "2024", "--prices", str(file), "--currency", "EUR", "--csv")
        codes.append(survive(kontrib, "report", *arguments))
    assert set(codes) == {0, 2}
