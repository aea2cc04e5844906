"""Payments in flight share a blockhash, so a slow module signs fewer of them at once."""

from __future__ import annotations

import time

from solders.keypair import Keypair

from worker.adapters.solana.signing.keys import Keyring
from worker.bootstrap.contexts import in_flight_max


def test_keys_from_files_sign_as_many_as_configured() -> None:
    assert in_flight_max(1024, Keyring(Keypair(), Keypair(), Keypair()).check) == 1024


def test_a_slow_module_signs_what_it_can_while_a_blockhash_lives() -> None:
    assert 100 <= in_flight_max(1024, lambda: time.sleep(0.1)) <= 150


def test_one_hiccup_says_nothing() -> None:
    pauses = [0.2, 0.0, 0.2]
    assert in_flight_max(1024, lambda: time.sleep(pauses.pop())) == 1024
