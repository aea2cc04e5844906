"""SoftHSM 2: a PKCS#11 module in software, with a token of its own for a test."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pkcs11
import pytest
from pkcs11 import Attribute, KeyType, ObjectClass
from solders.keypair import Keypair
from solders.pubkey import Pubkey

from tests.tools import need
from worker.adapters.solana.signing.pkcs11_library import library

LIBRARIES = (
    Path("/usr/lib/softhsm/libsofthsm2.so"),
    Path("/usr/lib64/pkcs11/libsofthsm2.so"),
    Path("/opt/homebrew/lib/softhsm/libsofthsm2.so"),
)
LABEL, PIN, SO_PIN = "kontrib", "pin-of-the-payout-token", "pin-of-the-officer"
PAYOUT, RECEIPTS, FEES = "payout", "receipts", "fees"
ED25519 = bytes.fromhex("06032b6570")


def softhsm_library() -> Path:
    """The module's file. Under CI=true it is installed, or the test fails."""
    need("softhsm2-util", "softhsm2")
    found = next((path for path in LIBRARIES if path.exists()), None)
    assert found is not None, f"softhsm2-util is there, and its library at none of {LIBRARIES}"
    return found.resolve()  # another name would be another library to the package


def _common(key: str) -> dict[Attribute, Any]:
    return {
        Attribute.KEY_TYPE: KeyType.EC_EDWARDS,
        Attribute.EC_PARAMS: ED25519,
        Attribute.TOKEN: True,
        Attribute.LABEL: key,
        Attribute.ID: key.encode(),
    }


class SoftHsm:
    """One folder of tokens. This process, and those that it starts, see these tokens alone."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.path = softhsm_library()
        self.folder, self._tokens, self._away = folder, folder / "tokens", folder / "away"
        self._tokens.mkdir(parents=True)
        configuration = folder / "softhsm2.conf"
        configuration.write_text(
            f"directories.tokendir = {self._tokens}\n"
            "objectstore.backend = file\nlog.level = ERROR\n"
        )
        monkeypatch.setenv("SOFTHSM2_CONF", str(configuration))
        self.pin_file = folder / "pin"
        self.write_pin(PIN)
        self.add_token(LABEL)

    def write_pin(self, pin: str) -> None:
        self.pin_file.write_text(f"{pin}\n")
        self.pin_file.chmod(0o600)

    def add_token(self, label: str) -> None:
        """A new token with our PINs."""
        init = ["softhsm2-util", "--init-token", "--free", "--label", label]
        subprocess.run(
            [*init, "--so-pin", SO_PIN, "--pin", PIN], check=True, capture_output=True, timeout=60
        )
        library(self.path).close()

    def uri(self, key: str, token: str = LABEL) -> str:
        return f"pkcs11:token={token};object={key}"

    def settings(self, **uris: str) -> dict[str, str]:
        """The settings of keys in this module; the PIN comes from a file."""
        return {**uris, "PKCS11_MODULE": str(self.path), "PKCS11_PIN_FILE": str(self.pin_file)}

    def generate(self, key: str, token: str = LABEL, *, number: bytes | None = None) -> Pubkey:
        """A new key pair, made inside of the token."""
        with self.session(token) as session:
            curve = session.create_domain_parameters(
                KeyType.EC_EDWARDS, {Attribute.EC_PARAMS: ED25519}, local=True
            )
            public, _ = curve.generate_keypair(
                mechanism=pkcs11.Mechanism.EC_EDWARDS_KEY_PAIR_GEN,
                store=True,
                label=key,
                id=key.encode() if number is None else number,
            )
            return Pubkey(public[Attribute.EC_POINT][-32:])

    def load(self, key: str, keypair: Keypair, *, public: bool = True) -> None:
        """Import a key, as an operator does who moves one from a file."""
        secret = {
            **_common(key),
            Attribute.CLASS: ObjectClass.PRIVATE_KEY,
            Attribute.VALUE: bytes(keypair.secret()),
            Attribute.PRIVATE: True,
            Attribute.SENSITIVE: True,
            Attribute.EXTRACTABLE: False,
            Attribute.SIGN: True,
        }
        with self.session() as session:
            session.create_object(secret)
            if public:
                session.create_object(self.public_half(key, keypair.pubkey()))

    def public_half(self, key: str, address: Pubkey) -> dict[Attribute, Any]:
        return {
            **_common(key),
            Attribute.CLASS: ObjectClass.PUBLIC_KEY,
            Attribute.EC_POINT: b"\x04\x20" + bytes(address),
            Attribute.VERIFY: True,
        }

    def remove(self, *, with_folder: bool = False) -> None:
        """Take the token away, as if somebody pulled it out."""
        self._tokens.rename(self._away)
        if not with_folder:
            self._tokens.mkdir()

    def put_back(self) -> None:
        if self._tokens.exists():
            self._tokens.rmdir()
        self._away.rename(self._tokens)

    def session(self, token: str = LABEL) -> Any:
        """A session of our own that may write. It invalidates all others of this process."""
        library(self.path).close()
        loaded = pkcs11.lib(str(self.path))
        loaded.reinitialize()
        return loaded.get_token(token_label=token).open(rw=True, user_pin=PIN)
