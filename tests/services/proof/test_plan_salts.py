"""A week keeps the salt with which it was planned, although the receipt key moves into a module."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from solders.keypair import Keypair

from config.pkcs11_uri import parse_pkcs11_uri
from tests.fakes.world import WEEK, World, chain_of, user_id_of
from tests.softhsm import PIN, RECEIPTS, SoftHsm
from worker.adapters.solana.signing.pkcs11_key import Pkcs11Key
from worker.adapters.solana.signing.signing_key import PlanSalts, salt_secret
from worker.core.identity import SALT_MESSAGE, SaltsUnusable, plan_salt, read_salts, salts_document
from worker.services.proof.contributor_proof import SaltDiffers, make_proof
from worker.services.proof.plan_salts import list_salts

OF_OPENSSL = "32e9ab93b788fc0466618c5c78ecfce4ec9911175732b8d567901b20895ac157"
"""SHA-256 of the signature by `openssl pkeyutl -sign -rawin` with the secret 00 01 .. 1f."""
SALTS = {WEEK.id: bytes(range(32)), WEEK.next().id: bytes(32)}


def test_the_salts_of_all_weeks_are_listed(world: World) -> None:
    world.populate(3)
    world.genesis()
    world.run()
    listed = list_salts(world.first)
    assert listed[WEEK.id] == chain_of(world.first).plan_salt(WEEK)
    assert list(listed) == [week.id for week in WEEK.until(WEEK.next())]


def test_a_file_of_salts_is_read_back() -> None:
    assert read_salts(salts_document("receipts", SALTS), "receipts") == SALTS


@pytest.mark.parametrize(
    "document",
    [
        b"",
        b"[]",
        b"{}",
        b"\xff",
        b'{"receipt_key": "receipts"}',
        b'{"receipt_key": "receipts", "salts": []}',
        b'{"receipt_key": "receipts", "salts": {"2024-12-09": 7}}',
        b'{"receipt_key": "receipts", "salts": {"2024-12-09": "00ff"}}',
        b'{"receipt_key": "receipts", "salts": {"2024-12-10": "' + b"00" * 32 + b'"}}',
    ],
)
def test_another_file_is_refused_and_not_shown(document: bytes) -> None:
    with pytest.raises(SaltsUnusable, match="kontrib salts") as caught:
        read_salts(document, "receipts")
    assert "00ff" not in str(caught.value)
    assert caught.value.__context__ is None


def test_the_salts_of_another_receipt_key_are_refused() -> None:
    with pytest.raises(SaltsUnusable, match="of the receipt key theirs, and ours is receipts"):
        read_salts(salts_document("theirs", SALTS), "receipts")


def test_a_key_that_moves_into_a_module_gives_other_salts_and_a_file_keeps_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    module, keypair = SoftHsm(tmp_path / "softhsm", monkeypatch), Keypair()
    module.load(RECEIPTS, keypair)
    uri = parse_pkcs11_uri(module.uri(RECEIPTS))
    key = Pkcs11Key("RECEIPT_KEY_URI", uri, module.path, lambda: PIN)
    before = plan_salt(bytes(keypair.secret()), WEEK)
    document = salts_document(str(keypair.pubkey()), {WEEK.id: before})

    moved = PlanSalts(key, read_salts(document, str(key.pubkey())))

    assert PlanSalts(key, {}).of(WEEK) != before
    assert moved.of(WEEK) == before
    assert moved.of(WEEK.next()) == PlanSalts(key, {}).of(WEEK.next())


def test_the_secret_of_a_key_in_a_module_is_a_permanent_format() -> None:
    keypair = Keypair.from_seed(bytes(range(32)))

    class InAModule:
        pubkey, sign_message = keypair.pubkey, keypair.sign_message

    assert SALT_MESSAGE == b"\xffkontrib/1/salt-secret"
    signature = bytes(keypair.sign_message(SALT_MESSAGE))
    assert salt_secret(InAModule()) == hashlib.sha256(signature).digest()  # type: ignore[arg-type]
    assert salt_secret(InAModule()).hex() == OF_OPENSSL  # type: ignore[arg-type]


def test_no_proof_is_made_that_nobody_could_verify(world: World) -> None:
    world.populate(3)
    world.genesis()
    world.run()
    assert make_proof(world.first, WEEK, user_id_of("user 0"))
    chain_of(world.first).plan_salt = lambda _: bytes(32)  # type: ignore[method-assign]
    with pytest.raises(SaltDiffers, match="EARLIER_SALTS_FILE"):
        make_proof(world.first, WEEK, user_id_of("user 0"))
