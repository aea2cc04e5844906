"""One PKCS#11 library in this process: initialised after a fork, logged in once to each token.

A library must not be used on both sides of a fork, so its state belongs to one process id. All
tokens of a library are closed together: it is initialised anew, which also finds a token that was
away.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from config.pkcs11_uri import Pkcs11Uri
from worker.adapters.solana.signing import key_errors

if TYPE_CHECKING:
    from pkcs11 import Session, Token, TokenFlag
    from pkcs11._pkcs11 import lib as Library  # noqa: N812 - the package names a class in lower case


class Logins:
    """Lets the processes of a worker log in one after the other, and remembers refused PINs.

    They share a file from before the fork. Several wrong tries at once could lock a token, and
    SoftHSM hides a token from a process that starts while another one logs in. A record lock ends
    with its process, so a killed one stops nobody.
    """

    def __init__(self) -> None:
        self._file = _unnamed_file()

    @contextlib.contextmanager
    def turn(self) -> Iterator[None]:
        """Wait until no other process logs in, and keep the others waiting during the block."""
        fcntl.lockf(self._file, fcntl.LOCK_EX)
        try:
            yield
        finally:
            fcntl.lockf(self._file, fcntl.LOCK_UN)

    def is_refused(self, token: str, pin: str) -> bool:
        """Whether a token refused this PIN before."""
        known, size = _digest(token, pin), self._size()
        refused = os.pread(self._file, size, 0)
        return known in [refused[i : i + len(known)] for i in range(0, size, len(known))]

    def add_refused(self, token: str, pin: str) -> None:
        """Remember a refusal, during one's turn."""
        os.pwrite(self._file, _digest(token, pin), self._size())

    def _size(self) -> int:
        return os.fstat(self._file).st_size


def _unnamed_file() -> int:
    """A file in memory, since a full or read-only disk must stop nothing."""
    if sys.platform == "linux":
        return os.memfd_create("kontrib-logins")
    descriptor, path = tempfile.mkstemp()
    Path(path).unlink()
    return descriptor


def _digest(token: str, pin: str) -> bytes:
    return hashlib.sha256(f"{token}\0{pin}".encode()).digest()


_logins = Logins()


def library(path: Path) -> Pkcs11Library:
    """The library at a path, also through a link. One for all keys, as PKCS#11 requires."""
    return _library(path.resolve())


@cache
def _library(path: Path) -> Pkcs11Library:
    return Pkcs11Library(path)


class Pkcs11Library:
    """Sessions with the tokens of one library. Usable by several threads, one at a time."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._library: Library | None = None
        self._process_id = 0
        self._sessions: dict[int, Session] = {}
        self.lock = threading.RLock()
        self.epoch = 0
        """Changes whenever all sessions and handles of keys became invalid."""

    def session(self, variable: str, uri: Pkcs11Uri, pin: Callable[[], str]) -> Session:
        """A session with the token of a URI, logged in. The caller holds the lock.

        Raises:
            KeyUnusable: the library, the token or its PIN cannot be used.
            PKCS11Error: the library fails.
        """
        with _logins.turn():
            token = self._token(variable, uri, self._begin(variable))
            slot = token.slot.slot_id
            if slot not in self._sessions:
                self._sessions[slot] = _log_in(variable, token, pin)
            return self._sessions[slot]

    def close(self) -> None:
        """Forget all sessions. The next use initialises the library anew."""
        self._sessions.clear()
        self._process_id = 0
        self.epoch += 1

    @property
    def is_open(self) -> bool:
        """Whether this process has initialised the library."""
        return self._process_id == os.getpid()

    def _begin(self, variable: str) -> Library:
        if self._library is not None and self.is_open:
            return self._library
        self.close()
        if self._library is None:
            self._library = self._load(variable)
        else:
            import pkcs11

            # A process that has just been forked has nothing to finalize.
            with contextlib.suppress(pkcs11.PKCS11Error):
                self._library.finalize()
            self._library.initialize()
        self._process_id = os.getpid()
        return self._library

    def _load(self, variable: str) -> Library:
        try:
            import pkcs11
        except ImportError:
            raise key_errors.LibraryMissing(variable) from None
        if not self._path.is_file():
            raise key_errors.ModuleUnusable(variable, f"{self._path} is not a file")
        try:
            return pkcs11.lib(str(self._path))
        except pkcs11.PKCS11Error as error:
            if type(error) is not pkcs11.PKCS11Error:  # the library's own answer
                raise
            raise key_errors.ModuleUnusable(variable, str(error)) from None

    def _token(self, variable: str, uri: Pkcs11Uri, loaded: Library) -> Token:
        import pkcs11

        present: list[Token] = []
        for slot in loaded.get_slots(token_present=True):
            with contextlib.suppress(pkcs11.TokenNotPresent, pkcs11.TokenNotRecognised):
                token = slot.get_token()
                if token.flags & pkcs11.TokenFlag.TOKEN_INITIALIZED:
                    present.append(token)
        found = [token for token in present if _matches(uri, token)]
        if not found:
            labels = ", ".join(sorted(token.label for token in present)) or "none"
            raise key_errors.TokenMissing(variable, uri.token_text, labels)
        if len(found) > 1:
            raise key_errors.TokenAmbiguous(variable, uri.token_text, len(found))
        return found[0]


def _matches(uri: Pkcs11Uri, token: Token) -> bool:
    pairs = (
        (uri.token, token.label),
        (uri.serial, token.serial.decode(errors="replace")),
        (uri.manufacturer, token.manufacturer_id),
        (uri.model, token.model),
        (uri.slot_id, token.slot.slot_id),
    )
    return all(wanted in (None, found) for wanted, found in pairs)


def _log_in(variable: str, token: Token, pin: Callable[[], str]) -> Session:
    """One login, and none with a PIN that was refused before, nor the last one before a lock."""
    import pkcs11

    refusals = (pkcs11.PinIncorrect, pkcs11.PinInvalid, pkcs11.PinLenRange, pkcs11.PinExpired)
    flags, name, text = _flags(token), f"{token.label}/{token.serial!r}", pin()
    if _logins.is_refused(name, text):
        raise key_errors.PinRefused(variable, "it was wrong before")
    if flags & pkcs11.TokenFlag.USER_PIN_LOCKED:
        raise key_errors.PinRefused(variable, "the token is locked")
    if flags & pkcs11.TokenFlag.USER_PIN_FINAL_TRY:
        raise key_errors.PinRefused(variable, "only one try is left, and a person takes it")
    try:
        return _open(token, text)
    except pkcs11.PinLocked:
        why = "the token is locked"
    except refusals as error:
        _logins.add_refused(name, text)
        why = type(error).__name__
    raise key_errors.PinRefused(variable, why)


def _flags(token: Token) -> TokenFlag:
    """What the token says about itself, and about tries that failed."""
    return token.flags


def _open(token: Token, pin: str) -> Session:
    return token.open(user_pin=pin)
