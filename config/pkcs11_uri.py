"""PKCS#11 URIs (RFC 7512): the place of a key in a hardware module. Strict, and without secrets.

A URI names a token by `token`, `serial` or `slot-id`, which `manufacturer` and `model` may narrow
down, and a private key in it by `object` or `id`. Every attribute that we do not compare is
refused, since kontrib might then use another key.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote_to_bytes

SCHEME = "pkcs11:"
_TEXTS = ("token", "serial", "manufacturer", "model", "object")
_NAMES = (*_TEXTS, "id", "slot-id", "type")
_OPTIONS = ("module-path", "pin-source")
_PERCENT = "%[0-9A-Fa-f]{2}"
_SHARED = r"A-Za-z0-9\-._~:\[\]@!$'()*+,="
_PATH_VALUE = re.compile(f"(?:[{_SHARED}&]|{_PERCENT})*")
_QUERY_VALUE = re.compile(f"(?:[{_SHARED}/?|]|{_PERCENT})*")
_SLOT_ID = re.compile("[0-9]{1,19}")
_ADVICE = {
    "pin-value": "a PIN does not belong into a URI, which people print; put it into a file and "
    "name that as pin-source or PKCS11_PIN_FILE",
    "module-name": "name the module's file as module-path or PKCS11_MODULE",
}


@dataclass(frozen=True, slots=True)
class Pkcs11Uri:
    """A key's place. None matches everything."""

    token: str | None = None
    serial: str | None = None
    manufacturer: str | None = None
    model: str | None = None
    slot_id: int | None = None
    object: str | None = None
    id: bytes | None = None
    module_path: Path | None = None
    pin_source: Path | None = None

    @property
    def token_text(self) -> str:
        """The token's attributes, for people: `token=kontrib, serial=1234`."""
        named = {name: getattr(self, name) for name in _TEXTS if name != "object"}
        return _listed({**named, "slot-id": self.slot_id})

    @property
    def key_text(self) -> str:
        """The key's attributes, for people: `object=payout, id=01`."""
        return _listed({"object": self.object, "id": None if self.id is None else self.id.hex()})


def parse_pkcs11_uri(text: str) -> Pkcs11Uri:
    """
    Raises:
        ValueError: the URI is malformed, ambiguous, or has an attribute that is not supported. The
            message repeats no value.
    """
    if not text.lower().startswith(SCHEME):
        raise ValueError(f"it does not begin with {SCHEME}")
    path, _, query = text[len(SCHEME) :].partition("?")
    found = dict(_attributes(path, ";", _NAMES, _PATH_VALUE))
    options = dict(_attributes(query, "&", _OPTIONS, _QUERY_VALUE))
    if found.get("type", b"private") != b"private":
        raise ValueError("its type is not private")
    if not found.keys() & {"token", "serial", "slot-id"}:
        raise ValueError("it names no token: add token=LABEL, serial= or slot-id=")
    if not found.keys() & {"object", "id"}:
        raise ValueError("it names no key: add object=LABEL or id=%01")
    slot = found.get("slot-id")
    if slot is not None and not _SLOT_ID.fullmatch(slot.decode("ascii", "replace")):
        raise ValueError("its slot-id is not a number")
    texts = {name: _text(name, found[name]) for name in _TEXTS if name in found}
    return Pkcs11Uri(
        **texts,
        slot_id=None if slot is None else int(slot),
        id=found.get("id"),
        module_path=_path("module-path", options),
        pin_source=_path("pin-source", options),
    )


def _attributes(
    text: str, separator: str, known: tuple[str, ...], form: re.Pattern[str]
) -> Iterator[tuple[str, bytes]]:
    """Names and decoded values."""
    seen: set[str] = set()
    for part in text.split(separator) if text else ():
        name, equals, value = part.partition("=")
        if not re.fullmatch(r"[A-Za-z0-9_\-]+", name) or not equals:
            raise ValueError(f"it is not a list of name=value, separated by {separator}")
        if name not in known:
            why = _ADVICE.get(name, f"known are {', '.join(known)}")
            raise ValueError(f"the attribute {name} is not supported: {why}")
        if name in seen:
            raise ValueError(f"it has {name} twice")
        if not value or not form.fullmatch(value):
            raise ValueError(f"its {name} is empty, or has a character that needs percent-encoding")
        seen.add(name)
        yield name, unquote_to_bytes(value)


def _text(name: str, value: bytes) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError:
        pass
    # Raised outside of the handler, since the decoder's error keeps the bytes.
    raise ValueError(f"its {name} is not UTF-8")


def _path(name: str, options: dict[str, bytes]) -> Path | None:
    """An absolute path, also as a `file:` URI."""
    if name not in options:
        return None
    text = _text(name, options[name])
    text = re.sub("^file:(//)?(?=/)", "", text)
    if not text.startswith("/") or text.startswith("//") or "\0" in text:
        raise ValueError(f"its {name} is not an absolute path")
    return Path(text)


def _listed(values: dict[str, object]) -> str:
    return ", ".join(f"{name}={value}" for name, value in values.items() if value is not None)
