"""An Ed25519 key in a PKCS#11 module. The module signs, and its secret never leaves it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from solders.pubkey import Pubkey
from solders.signature import Signature

from config.pkcs11_uri import Pkcs11Uri
from worker.adapters.solana.errors import KeyUnusable
from worker.adapters.solana.signing import key_errors
from worker.adapters.solana.signing.pkcs11_library import library
from worker.adapters.solana.signing.signing_key import TEST_MESSAGE

if TYPE_CHECKING:
    from pkcs11 import PrivateKey, Session

PUBLIC_KEY_BYTES = 32
_OCTET_STRING = bytes([0x04, PUBLIC_KEY_BYTES])
"""How the standard writes a public key: as a DER octet string of 32 bytes."""


class Pkcs11Key:
    """Signs in the module, and checks every signature before anyone sees it.

    Usable on both sides of a fork. Sessions are opened at the first use in a process, and anew
    after a failure.
    """

    def __init__(self, variable: str, uri: Pkcs11Uri, module: Path, pin: Callable[[], str]) -> None:
        """
        Raises:
            KeyUnusable: the key cannot be used now. The message names the variable.
        """
        self._variable, self._uri, self._pin = variable, uri, pin
        self._library = library(module)
        self._place = f"{uri.key_text} of {uri.token_text}"
        self._epoch = -1
        self._private: PrivateKey | None = None
        self._address: Pubkey | None = None
        self.sign_message(TEST_MESSAGE)

    def __repr__(self) -> str:
        return f"Pkcs11Key({self._address}, {self._place})"

    def pubkey(self) -> Pubkey:
        assert self._address is not None  # noqa: S101 - set by the first signature
        return self._address

    def sign_message(self, message: bytes) -> Signature:
        """A signature that is verified.

        Raises:
            KeyUnusable: the module does not sign now, or not rightly.
            MessageTooLong: the module signs only shorter messages.
        """
        with self._library.lock:
            was_open = self._library.is_open
            try:
                made = self._sign(message)
            except key_errors.SigningUnavailable:
                if not was_open:
                    raise
                # Modules end sessions that were idle. A fresh one shows whether it is more.
                made = self._sign(message)
            if len(made) != Signature.LENGTH:
                raise key_errors.SignatureWrong(self._variable, self._place)
            signature = Signature(made)
            if not signature.verify(self.pubkey(), message):
                raise key_errors.SignatureWrong(self._variable, self._place)
            return signature

    def _sign(self, message: bytes) -> bytes:
        try:
            import pkcs11
        except ImportError:
            raise key_errors.LibraryMissing(self._variable) from None
        try:
            made: bytes = self._key().sign(message, mechanism=pkcs11.Mechanism.EDDSA)
        except (pkcs11.DataLenRange, pkcs11.DataInvalid):
            raise key_errors.MessageTooLong(self._place, len(message)) from None
        except pkcs11.PKCS11Error as error:
            why = f"{type(error).__name__} {error}".strip()
        except KeyUnusable:
            self._library.close()
            raise
        else:
            return made
        self._library.close()
        raise key_errors.SigningUnavailable(self._variable, self._place, why)

    def _key(self) -> Any:
        """The handle of the private key, looked up once in each session."""
        if self._private is None or not self._library.is_open or self._epoch != self._library.epoch:
            session = self._library.session(self._variable, self._uri, self._pin)
            private = self._private_key(session)
            address = self._public_key(session, private)
            if self._address not in (None, address):
                raise key_errors.KeyChanged(self._variable, str(self._address), str(address))
            self._private, self._address, self._epoch = private, address, self._library.epoch
        return self._private

    def _private_key(self, session: Session) -> PrivateKey:
        import pkcs11

        wanted = {
            pkcs11.Attribute.CLASS: pkcs11.ObjectClass.PRIVATE_KEY,
            pkcs11.Attribute.LABEL: self._uri.object,
            pkcs11.Attribute.ID: self._uri.id,
        }
        private: PrivateKey = self._only(session, "private", wanted)
        if private.key_type is not pkcs11.KeyType.EC_EDWARDS:
            raise key_errors.NotEd25519(self._variable, getattr(private.key_type, "name", "other"))
        return private

    def _public_key(self, session: Session, private: PrivateKey) -> Pubkey:
        """The address of the public key with the private key's id, or else with its label."""
        import pkcs11

        wanted = {
            pkcs11.Attribute.CLASS: pkcs11.ObjectClass.PUBLIC_KEY,
            pkcs11.Attribute.LABEL: None if private.id else self._uri.object,
            pkcs11.Attribute.ID: private.id or None,
        }
        point = bytes(self._only(session, "public", wanted)[pkcs11.Attribute.EC_POINT])
        point = point.removeprefix(_OCTET_STRING) if len(point) > PUBLIC_KEY_BYTES else point
        if len(point) != PUBLIC_KEY_BYTES:
            raise key_errors.NotEd25519(self._variable, f"on a curve of {len(point)} bytes")
        return Pubkey(point)

    def _only(self, session: Session, half: str, wanted: dict[Any, Any]) -> Any:
        template = {name: value for name, value in wanted.items() if value is not None}
        found = list(session.get_objects(template))
        if not found:
            raise key_errors.KeyMissing(self._variable, half, self._uri.key_text)
        if len(found) > 1:
            raise key_errors.KeyAmbiguous(self._variable, half, self._uri.key_text, len(found))
        return found[0]
