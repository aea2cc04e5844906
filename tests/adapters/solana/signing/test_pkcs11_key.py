"""A key in a real PKCS#11 module signs as one from a file does, and fails closed."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import traceback
from collections.abc import Callable
from pathlib import Path

import pkcs11
import pytest
from pkcs11 import Attribute, KeyType
from solders.keypair import Keypair
from solders.message import to_bytes_versioned
from solders.pubkey import Pubkey

from config.pkcs11_uri import parse_pkcs11_uri
from tests.softhsm import FEES, LABEL, PAYOUT, PIN, RECEIPTS, SoftHsm
from worker.adapters.solana.addresses import TOKEN_PROGRAM
from worker.adapters.solana.errors import KeyUnusable
from worker.adapters.solana.signing import key_errors, pkcs11_library
from worker.adapters.solana.signing.keys import Keyring
from worker.adapters.solana.signing.pkcs11_key import Pkcs11Key
from worker.adapters.solana.signing.signing_key import salt_secret, signs
from worker.adapters.solana.signing.transactions import TransactionMaker

VARIABLE = "SOLANA_PRIVATE_KEY_URI"
MINT = Pubkey.new_unique()
WRONG_PIN = "pin-of-somebody-else"


def open_key(softhsm: SoftHsm, uri: str | None = None, pin: str = PIN) -> Pkcs11Key:
    parsed = parse_pkcs11_uri(uri or softhsm.uri(PAYOUT))
    return Pkcs11Key(VARIABLE, parsed, softhsm.path, lambda: pin)


def refusal(error: type[KeyUnusable], act: Callable[[], object]) -> str:
    """The message of an expected failure, which holds no PIN, nor do its causes."""
    with pytest.raises(error) as caught:
        act()
    shown = "".join(traceback.format_exception(caught.value))
    assert PIN not in shown
    assert WRONG_PIN not in shown
    assert VARIABLE in str(caught.value)
    assert caught.value.exit_code == 3
    return str(caught.value)


def test_it_signs_as_the_same_key_in_a_file_does(softhsm: SoftHsm) -> None:
    keypair = Keypair()
    softhsm.load(PAYOUT, keypair)

    key = open_key(softhsm)

    assert key.pubkey() == keypair.pubkey()
    assert key.sign_message(b"a week") == keypair.sign_message(b"a week")
    assert PIN not in repr(key)


def test_a_key_made_in_the_module_signs_and_cannot_be_read(softhsm: SoftHsm) -> None:
    address = softhsm.generate(PAYOUT)

    key = open_key(softhsm)

    assert key.pubkey() == address
    assert key.sign_message(b"a week").verify(address, b"a week")
    private = key._key()
    assert not private[Attribute.EXTRACTABLE]
    with pytest.raises(pkcs11.AttributeSensitive):
        private[Attribute.VALUE]


def test_a_key_is_found_by_its_id_serial_and_slot(softhsm: SoftHsm) -> None:
    softhsm.add_token("another")
    address = softhsm.generate(PAYOUT, number=b"\x01\xff")
    softhsm.generate(PAYOUT, "another")
    token = pkcs11.lib(str(softhsm.path)).get_token(token_label=LABEL)
    serial, slot = token.serial.decode(), token.slot.slot_id

    for named in (f"serial={serial}", f"slot-id={slot}", f"token={LABEL};model=SoftHSM%20v2"):
        assert open_key(softhsm, f"pkcs11:{named};id=%01%ff").pubkey() == address


def test_a_library_behind_a_link_is_the_same_one(softhsm: SoftHsm, tmp_path: Path) -> None:
    softhsm.generate(PAYOUT)
    link = tmp_path / "module.so"
    link.symlink_to(softhsm.path)
    first = open_key(softhsm)
    second = Pkcs11Key(VARIABLE, parse_pkcs11_uri(softhsm.uri(PAYOUT)), link, lambda: PIN)
    assert first.sign_message(b"a week") == second.sign_message(b"a week")


def test_the_secret_of_salts_comes_from_a_signature_and_stays(softhsm: SoftHsm) -> None:
    keypair = Keypair()
    softhsm.load(PAYOUT, keypair)

    secret = salt_secret(open_key(softhsm))

    assert len(secret) == 32
    assert secret == salt_secret(open_key(softhsm))
    assert secret != salt_secret(keypair) == bytes(keypair.secret())


def test_a_message_of_every_length_of_a_transaction_is_signed(softhsm: SoftHsm) -> None:
    softhsm.generate(PAYOUT)
    assert signs(open_key(softhsm), 4_096)


# --- what cannot be used says why ---------------------------------------------------------------


def test_a_library_that_is_not_there_is_named(softhsm: SoftHsm, tmp_path: Path) -> None:
    uri = parse_pkcs11_uri(softhsm.uri(PAYOUT))
    for path in (tmp_path / "none.so", Path(__file__)):
        said = refusal(
            key_errors.ModuleUnusable, lambda path=path: Pkcs11Key(VARIABLE, uri, path, lambda: PIN)
        )
        assert str(path) in said
        assert "PKCS11_MODULE" in said


def test_a_missing_token_is_named_with_those_that_are_there(softhsm: SoftHsm) -> None:
    softhsm.generate(PAYOUT)
    uri = softhsm.uri(PAYOUT, token="kontribution")
    said = refusal(key_errors.TokenMissing, lambda: open_key(softhsm, uri))
    assert "token=kontribution" in said
    assert "present: kontrib" in said


def test_two_tokens_of_one_name_are_refused(softhsm: SoftHsm) -> None:
    softhsm.add_token(LABEL)
    said = refusal(key_errors.TokenAmbiguous, lambda: open_key(softhsm))
    assert "2 tokens" in said
    assert "serial=" in said


def test_a_missing_key_and_a_missing_public_half_are_named(softhsm: SoftHsm) -> None:
    assert "no private key with object=payout" in refusal(
        key_errors.KeyMissing, lambda: open_key(softhsm)
    )
    softhsm.load(PAYOUT, Keypair(), public=False)
    assert "no public key" in refusal(key_errors.KeyMissing, lambda: open_key(softhsm))


def test_two_keys_of_one_name_are_refused(softhsm: SoftHsm) -> None:
    softhsm.generate(PAYOUT, number=b"\x01")
    softhsm.generate(PAYOUT, number=b"\x02")
    said = refusal(key_errors.KeyAmbiguous, lambda: open_key(softhsm))
    assert "2 private keys" in said
    assert open_key(softhsm, f"{softhsm.uri(PAYOUT)};id=%02")


def test_a_key_of_another_kind_is_refused(softhsm: SoftHsm) -> None:
    with softhsm.session() as session:
        session.generate_keypair(KeyType.RSA, 2048, store=True, label=PAYOUT)
    said = refusal(key_errors.NotEd25519, lambda: open_key(softhsm))
    assert "RSA" in said
    assert "EC:edwards25519" in said


def test_two_halves_that_do_not_belong_together_are_refused(softhsm: SoftHsm) -> None:
    softhsm.load(PAYOUT, Keypair(), public=False)
    with softhsm.session() as session:
        session.create_object(softhsm.public_half(PAYOUT, Keypair().pubkey()))
    said = refusal(key_errors.SignatureWrong, lambda: open_key(softhsm))
    assert "belong together" in said


def test_a_missing_package_is_named_with_the_command_that_installs_it(
    softhsm: SoftHsm, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pkcs11", None)
    said = refusal(key_errors.LibraryMissing, lambda: open_key(softhsm))
    assert "pip install 'kontrib[pkcs11]'" in said


# --- the PIN ------------------------------------------------------------------------------------


@pytest.fixture
def logins(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The PINs that reach the token."""
    tried: list[str] = []
    original = pkcs11_library._open

    def counted(token: object, pin: str) -> object:
        tried.append(pin)
        return original(token, pin)

    monkeypatch.setattr(pkcs11_library, "_open", counted)
    return tried


def test_three_roles_of_one_token_share_its_login(softhsm: SoftHsm, logins: list[str]) -> None:
    for name in (PAYOUT, RECEIPTS, FEES):
        softhsm.generate(name)
    authority, receipts, fees = (
        open_key(softhsm, softhsm.uri(name)) for name in (PAYOUT, RECEIPTS, FEES)
    )
    Keyring(authority, receipts, fees).check()
    assert len({key.pubkey() for key in (authority, receipts, fees)}) == 3
    assert logins == [PIN]


def test_a_wrong_pin_is_tried_once_by_a_worker(softhsm: SoftHsm, logins: list[str]) -> None:
    softhsm.generate(PAYOUT)

    for _ in range(5):
        said = refusal(key_errors.PinRefused, lambda: open_key(softhsm, pin=WRONG_PIN))
    assert "is not tried again" in said
    assert logins == [WRONG_PIN]

    # A process that is forked later knows it, too.
    if (child := os.fork()) == 0:
        try:
            open_key(softhsm, pin=WRONG_PIN)
        except key_errors.PinRefused:
            os._exit(len(logins))
        finally:
            os._exit(99)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 1

    assert open_key(softhsm, pin=PIN).pubkey()


def test_the_last_try_before_a_lock_is_left_to_a_person(
    softhsm: SoftHsm, logins: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    softhsm.generate(PAYOUT)
    for flag, word in (("USER_PIN_FINAL_TRY", "one try"), ("USER_PIN_LOCKED", "locked")):
        monkeypatch.setattr(pkcs11_library, "_flags", lambda _, f=flag: pkcs11.TokenFlag[f])
        assert word in refusal(key_errors.PinRefused, lambda: open_key(softhsm))
    assert logins == []


# --- a token that goes and comes ----------------------------------------------------------------


def test_a_token_that_is_away_signs_nothing_and_goes_on_when_it_is_back(softhsm: SoftHsm) -> None:
    softhsm.generate(PAYOUT)
    key = open_key(softhsm)

    softhsm.remove()
    for _ in range(3):
        said = refusal(key_errors.TokenMissing, lambda: key.sign_message(b"a week"))
    assert "Plug the token in" in said

    softhsm.put_back()
    assert key.sign_message(b"a week").verify(key.pubkey(), b"a week")


def test_a_module_that_cannot_start_is_tried_again(softhsm: SoftHsm) -> None:
    softhsm.generate(PAYOUT)
    key = open_key(softhsm)

    softhsm.remove(with_folder=True)  # SoftHSM does not start without its folder
    said = refusal(key_errors.SigningUnavailable, lambda: key.sign_message(b"a week"))
    assert "does not sign with object=payout" in said

    softhsm.put_back()
    assert key.sign_message(b"a week").verify(key.pubkey(), b"a week")


def test_a_session_that_the_module_ended_is_opened_anew_at_once(softhsm: SoftHsm) -> None:
    softhsm.generate(PAYOUT)
    key = open_key(softhsm)
    pkcs11.lib(str(softhsm.path)).reinitialize()
    assert key.sign_message(b"a week").verify(key.pubkey(), b"a week")


def test_another_key_in_the_place_of_the_first_one_is_refused(softhsm: SoftHsm) -> None:
    softhsm.generate(PAYOUT)
    key = open_key(softhsm)
    with softhsm.session() as session:
        for each in session.get_objects({Attribute.LABEL: PAYOUT}):
            each.destroy()
    other = softhsm.generate(PAYOUT)

    said = refusal(key_errors.KeyChanged, lambda: key.sign_message(b"a week"))

    assert str(key.pubkey()) in said
    assert str(other) in said


def test_bytes_that_are_no_signature_are_never_handed_out(softhsm: SoftHsm) -> None:
    softhsm.generate(PAYOUT)
    key = open_key(softhsm)
    for made in (bytes(64), b"", bytes(63), bytes(65)):
        key._sign = lambda _, made=made: made  # type: ignore[method-assign]
        refusal(key_errors.SignatureWrong, lambda: key.sign_message(b"a week"))


def test_a_module_that_signs_in_two_ways_gives_no_salts(softhsm: SoftHsm) -> None:
    keys = (Keypair(), Keypair())

    class Hedged:
        def pubkey(self) -> object:
            return keys[0].pubkey()

        def sign_message(self, message: bytes) -> object:
            return keys[len(made) % 2].sign_message(made.append(1) or message)

    made: list[int] = []
    with pytest.raises(key_errors.SaltsNotRepeatable, match="RFC 8032"):
        salt_secret(Hedged())


@pytest.mark.parametrize("error", [pkcs11.DataLenRange, pkcs11.ArgumentsBad, pkcs11.PKCS11Error])
def test_a_message_that_is_too_long_for_a_module_is_known_by_any_error(
    softhsm: SoftHsm, error: type[Exception]
) -> None:
    softhsm.generate(PAYOUT)
    key = open_key(softhsm)

    handle = key._key()

    class Short:
        """A handle with the limit of a YubiHSM."""

        def sign(self, message: bytes, **how: object) -> bytes:
            if len(message) > 2_047:
                raise error
            made: bytes = handle.sign(message, **how)
            return made

    key._key = lambda: Short()  # type: ignore[method-assign]
    assert not signs(key, 4_096)
    assert Keyring(key, key, Keypair()).message_bytes_max() == 2_040
    assert Keyring(Keypair(), Keypair(), Keypair()).message_bytes_max() == 4_096
    maker = TransactionMaker(
        Keyring(key, key, key), mint=MINT, token_program=TOKEN_PROGRAM, source=MINT, v1=True
    )
    assert maker.transfers_max == 32
    largest, _ = maker.samples()
    assert 1_900 < len(to_bytes_versioned(largest.message)) <= 2_040


# --- processes and threads ----------------------------------------------------------------------


def test_a_forked_process_signs_and_so_does_its_parent(softhsm: SoftHsm) -> None:
    softhsm.generate(PAYOUT)
    key = open_key(softhsm)
    children = []
    for number in range(4):
        if (child := os.fork()) == 0:
            try:  # an error would go on into pytest
                message = bytes([number]) * 100
                signed = [key.sign_message(message) for _ in range(50)]
                os._exit(not all(each.verify(key.pubkey(), message) for each in signed))
            finally:
                os._exit(2)
        children.append(child)
    assert key.sign_message(b"meanwhile").verify(key.pubkey(), b"meanwhile")
    assert {os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children} == {0}
    assert key.sign_message(b"after").verify(key.pubkey(), b"after")


def test_several_threads_sign_at_once(softhsm: SoftHsm) -> None:
    softhsm.generate(PAYOUT)
    key = open_key(softhsm)
    wrong: list[BaseException] = []

    def sign(number: int) -> None:
        try:
            for _ in range(50):
                key.sign_message(bytes([number]))
        except BaseException as error:  # noqa: BLE001 - the thread's failure is the test's
            wrong.append(error)

    threads = [threading.Thread(target=sign, args=[number]) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_the_key_tools_of_opensc_make_a_key_that_signs(softhsm: SoftHsm) -> None:
    from tests.tools import need

    tool = [need("pkcs11-tool", "opensc"), "--module", str(softhsm.path), "--token-label", LABEL]
    make = ["--keypairgen", "--key-type", "EC:edwards25519", "--label", PAYOUT, "--id", "01"]
    subprocess.run([*tool, "--login", "--pin", PIN, *make], check=True, capture_output=True)
    key = open_key(softhsm)
    assert key.sign_message(b"a week").verify(key.pubkey(), b"a week")
