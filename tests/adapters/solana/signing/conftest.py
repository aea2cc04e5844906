"""A token of SoftHSM 2 for each test."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.softhsm import SoftHsm


@pytest.fixture
def softhsm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SoftHsm:
    return SoftHsm(tmp_path / "softhsm", monkeypatch)
