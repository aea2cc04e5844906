"""Separate keys for each test, so that each has its own genesis on the session's chain."""

from __future__ import annotations

from pathlib import Path

import pytest

from deploy.local.chain.setup import prepare


@pytest.fixture
def own_keys(tmp_path: Path, stack_settings: dict[str, str]) -> dict[str, str]:
    """A payout authority with a mint and a treasury for this test alone."""
    return dict(prepare(tmp_path / "chain", stack_settings["SOLANA_RPC_URL"]))
