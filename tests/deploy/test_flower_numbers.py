"""Flower's settings take plain digits, like all others."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest

CONFIG = Path(__file__).parents[2] / "deploy" / "flower" / "flowerconfig.py"
NAMES = {"FLOWER_PORT": "port", "FLOWER_STATE_SAVE_INTERVAL": "state_save_interval"}


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("text", ["5_555", "+5555", " 5555", "٥٥٥٥", "5e3", "", "-1"])
def test_a_number_is_written_in_plain_digits(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], name: str, text: str
) -> None:
    monkeypatch.setenv(name, text)
    with pytest.raises(SystemExit) as ended:
        runpy.run_path(str(CONFIG))
    assert ended.value.code == 3
    assert f"{name} is not a whole number" in capsys.readouterr().err


@pytest.mark.parametrize("name", NAMES)
def test_plain_digits_are_read(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(name, "5556")
    assert runpy.run_path(str(CONFIG))[NAMES[name]] == 5556
