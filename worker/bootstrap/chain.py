"""Opens the Solana cluster: with the configured keys, or without keys for verifiers."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pydantic import SecretStr

from config.pkcs11_uri import Pkcs11Uri, parse_pkcs11_uri
from config.settings import Settings
from worker.adapters.solana.chain import SolanaChain
from worker.adapters.solana.errors import (
    AddressUnusable,
    EndpointUnusable,
    KeyUnusable,
    SettingUnusable,
)
from worker.adapters.solana.public_chain import PublicSolanaChain
from worker.adapters.solana.signing.key_errors import ModuleUnusable, PinUnreadable
from worker.adapters.solana.signing.keys import read_keypair
from worker.adapters.solana.signing.pkcs11_key import Pkcs11Key
from worker.adapters.solana.signing.signing_key import SigningKey
from worker.core.identity import SaltsUnusable, read_salts

__all__ = ["PublicSolanaChain", "key_places", "open_chain"]


def open_chain(settings: Settings) -> SolanaChain:
    """Open the cluster with the configured keys.

    Raises:
        KeyUnusable: a key cannot be used. The message names the variable, never the key.
        SettingUnusable: an endpoint or an address is malformed.
        SaltsUnusable: the file of earlier salts cannot be used.
    """
    try:
        return _open_chain(settings)
    except (AddressUnusable, EndpointUnusable) as error:
        raise SettingUnusable(str(error)) from None


def _open_chain(settings: Settings) -> SolanaChain:
    payout, receipt, fees = _roles(settings)
    authority = _key(settings, payout)
    if authority is None:
        raise KeyUnusable("SOLANA_PRIVATE_KEY_FILE", "it is not set")
    receipt_key = _key(settings, receipt) or authority
    return SolanaChain(
        endpoints=settings.solana_rpc_url,
        mint=settings.token_mint_address,
        authority=authority,
        receipt_key=receipt_key,
        fee_payer=_key(settings, fees) or authority,
        source_token_account=settings.source_token_account,
        timeout_seconds=settings.rpc_timeout_seconds,
        priority_fee_lamports_max=settings.priority_fee_lamports_max,
        earlier_salts=_earlier_salts(settings.earlier_salts_file, str(receipt_key.pubkey())),
    )


def key_places(settings: Settings) -> str:
    """Where each key lives, for people. Opens no key."""
    return "; ".join(f"{role.name}: {_place(role)}" for role in _roles(settings))


@dataclass(frozen=True, slots=True)
class _Role:
    """One of the three keys, and the settings that may name it."""

    name: str
    variable: str
    file: Path | None
    uri: str | None
    text: SecretStr | None = None


def _roles(settings: Settings) -> tuple[_Role, _Role, _Role]:
    payout = _Role(
        "payout key",
        "SOLANA_PRIVATE_KEY",
        settings.solana_private_key_file,
        settings.solana_private_key_uri,
        settings.solana_private_key,
    )
    receipt = _Role(
        "receipt key", "RECEIPT_KEY", settings.receipt_key_file, settings.receipt_key_uri
    )
    fees = _Role(
        "fee payer", "FEE_PAYER_KEY", settings.fee_payer_key_file, settings.fee_payer_key_uri
    )
    return payout, receipt, fees


def _place(role: _Role) -> str:
    if role.uri is not None:
        uri = parse_pkcs11_uri(role.uri)
        return f"{uri.key_text} of the module's token {uri.token_text}"
    if role.file is not None:
        return str(role.file)
    return "the payout key" if role.text is None else f"the variable {role.variable}"


def _key(settings: Settings, role: _Role) -> SigningKey | None:
    """The key of a role; None if the settings name none."""
    if role.uri is not None:
        return _module_key(settings, f"{role.variable}_URI", parse_pkcs11_uri(role.uri))
    if role.text is not None:
        return read_keypair(role.variable, role.text.get_secret_value())
    variable, path = f"{role.variable}_FILE", role.file
    if path is None:
        return None
    try:
        text = path.read_text()
    except OSError as error:
        why = f"{path} cannot be read: {error.strerror}"
    except UnicodeDecodeError:
        why = f"{path} is not text"
    else:
        return read_keypair(variable, text)
    # Raised outside of any handler, since an error of the decoder keeps the bytes.
    raise KeyUnusable(variable, why)


def _earlier_salts(path: Path | None, receipt_key: str) -> dict[str, bytes]:
    if path is None:
        return {}
    try:
        document = path.read_bytes()
    except OSError as error:
        raise SaltsUnusable(f"{path}: {error.strerror}") from None
    return read_salts(document, receipt_key)


def _module_key(settings: Settings, variable: str, uri: Pkcs11Uri) -> Pkcs11Key:
    module = uri.module_path or settings.pkcs11_module
    if module is None:
        raise ModuleUnusable(variable, "PKCS11_MODULE is not set")
    text = settings.pkcs11_pin if uri.pin_source is None else None
    path = uri.pin_source or settings.pkcs11_pin_file

    def pin() -> str:
        return _read_pin(variable, path) if text is None else text.get_secret_value()

    return Pkcs11Key(variable, uri, module, pin)


def _read_pin(variable: str, path: Path | None) -> str:
    if path is None:
        raise PinUnreadable(variable, "PKCS11_PIN_FILE is not set")
    try:
        pin = path.read_text().rstrip("\r\n")
    except OSError as error:
        why = f"{path}: {error.strerror}"
    except UnicodeDecodeError:
        why = f"{path} is not text"
    else:
        if pin:
            return pin
        why = f"{path} is empty"
    # Raised outside of any handler, since an error of the decoder keeps the bytes.
    raise PinUnreadable(variable, why)
