"""Why a key in a PKCS#11 module cannot sign. No message contains a PIN."""

from __future__ import annotations

from worker.adapters.solana.errors import KeyUnusable
from worker.core.errors import Refused


class LibraryMissing(KeyUnusable):
    """The optional package is not installed."""

    def __init__(self, variable: str) -> None:
        super().__init__(
            variable,
            "the package python-pkcs11 is not installed",
            "Install it: pip install 'kontrib[pkcs11]'.",
        )


class ModuleUnusable(KeyUnusable):
    """The module's library cannot be loaded."""

    def __init__(self, variable: str, why: str) -> None:
        super().__init__(
            variable,
            f"its module cannot be loaded: {why}",
            "Correct PKCS11_MODULE or module-path: it is the path of a PKCS#11 library, such as "
            "/usr/lib/softhsm/libsofthsm2.so.",
        )


class TokenMissing(KeyUnusable):
    """No token has the attributes of the URI, as when somebody removed it."""

    def __init__(self, variable: str, wanted: str, present: str) -> None:
        super().__init__(
            variable,
            f"no token with {wanted} is there; present: {present}",
            "Plug the token in, or correct the URI. Nothing is signed until then, and work goes on "
            "by itself.",
        )


class TokenAmbiguous(KeyUnusable):
    """Several tokens have the attributes of the URI."""

    def __init__(self, variable: str, wanted: str, count: int) -> None:
        super().__init__(
            variable,
            f"{count} tokens have {wanted}",
            "Add serial= to the URI; `pkcs11-tool --list-token-slots` shows it.",
        )


class KeyMissing(KeyUnusable):
    """The token holds no such key."""

    def __init__(self, variable: str, half: str, wanted: str) -> None:
        super().__init__(
            variable,
            f"the token holds no {half} key with {wanted}",
            "Correct object= or id= in the URI; `pkcs11-tool --login --list-objects` shows both "
            "halves of each key.",
        )


class KeyAmbiguous(KeyUnusable):
    """Several keys of the token have the attributes of the URI."""

    def __init__(self, variable: str, half: str, wanted: str, count: int) -> None:
        super().__init__(
            variable,
            f"the token holds {count} {half} keys with {wanted}",
            "Add id= to the URI; `pkcs11-tool --login --list-objects` shows it.",
        )


class NotEd25519(KeyUnusable):
    """The key is of a kind that Solana does not know."""

    def __init__(self, variable: str, found: str) -> None:
        super().__init__(
            variable,
            f"the key is {found}, and not Ed25519",
            "Make one: pkcs11-tool --login --keypairgen --key-type EC:edwards25519 --label LABEL.",
        )


class PinRefused(KeyUnusable):
    """The token refused the PIN. Many tokens lock themselves after three wrong ones."""

    def __init__(self, variable: str, why: str) -> None:
        super().__init__(
            variable,
            f"the token refuses the PIN: {why}",
            "Correct PKCS11_PIN_FILE or pin-source. A refused PIN is not tried again.",
        )


class PinUnreadable(KeyUnusable):
    """The file of the PIN is empty or cannot be read."""

    def __init__(self, variable: str, why: str) -> None:
        super().__init__(
            variable, f"its PIN cannot be read: {why}", "Correct PKCS11_PIN_FILE or pin-source."
        )


class KeyChanged(KeyUnusable):
    """The token holds another key than when this process began."""

    def __init__(self, variable: str, before: str, now: str) -> None:
        super().__init__(
            variable,
            f"it was {before} when this process began, and the token now holds {now}",
            "Put the right token back, or restart every process to use the other key.",
        )


class SigningUnavailable(KeyUnusable):
    """The module does not sign now."""

    def __init__(self, variable: str, place: str, why: str) -> None:
        super().__init__(
            variable,
            f"the module does not sign with {place} now: {why}",
            "Look at the token and its connection. Nothing is signed until then, and work goes on "
            "by itself.",
        )


class SignatureWrong(KeyUnusable):
    """The module returned bytes that are no signature of the message by the key."""

    def __init__(self, variable: str, place: str) -> None:
        super().__init__(
            variable,
            f"the module returned a wrong signature for {place}, which was discarded",
            "Check that the private and the public key of this name belong together, and the "
            "module's health.",
        )


class SaltsNotRepeatable(KeyUnusable):
    """The module signs the same message in two ways, so that salts could not be derived again."""

    def __init__(self, variable: str) -> None:
        super().__init__(
            variable,
            "the module's Ed25519 signatures differ from one time to the next",
            "The receipt key needs a module with deterministic signatures (RFC 8032): plan salts "
            "are derived from one.",
        )


class MessageTooLong(Refused):
    """The module signs only shorter messages. Nothing was signed."""

    def __init__(self, place: str, length_bytes: int) -> None:
        super().__init__(f"The module of {place} does not sign {length_bytes} bytes at once.")
