"""The settings of keys fit together: one place for each key, and all that the place needs."""

from __future__ import annotations

from collections.abc import Mapping

from config.pkcs11_uri import parse_pkcs11_uri

_PAYOUT = ("SOLANA_PRIVATE_KEY_FILE", "SOLANA_PRIVATE_KEY", "SOLANA_PRIVATE_KEY_URI")
_ONE_AT_MOST = (
    ("RECEIPT_KEY_FILE", "RECEIPT_KEY_URI"),
    ("FEE_PAYER_KEY_FILE", "FEE_PAYER_KEY_URI"),
    ("PKCS11_PIN_FILE", "PKCS11_PIN"),
)
KEY_SETTINGS = (
    *_PAYOUT,
    *(name for names in _ONE_AT_MOST for name in names),
    "EARLIER_SALTS_FILE",
)


def check_keys(given: Mapping[str, object], *, module: bool, watch_only: bool) -> None:
    """Check the `KEY_SETTINGS` that are set. `module`: whether PKCS11_MODULE is.

    Raises:
        ValueError: names the settings, never a value.
    """
    if watch_only:
        if given:
            raise ValueError("WATCH_ONLY is set: remove the keys, since this process signs nothing")
        return
    if sum(name in given for name in _PAYOUT) != 1:
        raise ValueError(f"{_PAYOUT[0]}, {_PAYOUT[1]} or {_PAYOUT[2]}: set exactly one")
    for one, other in _ONE_AT_MOST:
        if one in given and other in given:
            raise ValueError(f"{one} or {other}: set only one, since both mean the same")
    has_pin = "PKCS11_PIN" in given or "PKCS11_PIN_FILE" in given
    for name, text in given.items():
        if not name.endswith("_URI"):
            continue
        uri = parse_pkcs11_uri(str(text))
        if uri.module_path is None and not module:
            raise ValueError(f"{name} names no module: add ?module-path=FILE or set PKCS11_MODULE")
        if uri.pin_source is None and not has_pin:
            raise ValueError(f"{name} names no PIN: add ?pin-source=FILE or set PKCS11_PIN_FILE")
