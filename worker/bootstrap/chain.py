"""Opens the Solana cluster: with the configured keys, or without keys for verifiers."""

from __future__ import annotations

from pathlib import Path

from solders.keypair import Keypair

from config.settings import Settings
from worker.adapters.solana.chain import SolanaChain
from worker.adapters.solana.errors import (
    AddressUnusable,
    EndpointUnusable,
    KeyUnusable,
    SettingUnusable,
)
from worker.adapters.solana.public_chain import PublicSolanaChain
from worker.adapters.solana.signing.keys import read_keypair

__all__ = ["PublicSolanaChain", "open_chain"]


def open_chain(settings: Settings) -> SolanaChain:
    """Open the cluster with the configured keys.

    Raises:
        KeyUnusable: a key cannot be read. The message names the variable, never the key.
        SettingUnusable: an endpoint or an address is malformed.
    """
    try:
        return _open_chain(settings)
    except (AddressUnusable, EndpointUnusable) as error:
        raise SettingUnusable(str(error)) from None


def _open_chain(settings: Settings) -> SolanaChain:
    authority = _authority(settings)
    return SolanaChain(
        endpoints=settings.solana_rpc_url,
        mint=settings.token_mint_address,
        authority=authority,
        receipt_key=_key("RECEIPT_KEY_FILE", settings.receipt_key_file) or authority,
        fee_payer=_key("FEE_PAYER_KEY_FILE", settings.fee_payer_key_file) or authority,
        source_token_account=settings.source_token_account,
        timeout_seconds=settings.rpc_timeout_seconds,
        priority_fee_lamports_max=settings.priority_fee_lamports_max,
    )


def _authority(settings: Settings) -> Keypair:
    if settings.solana_private_key is not None:
        return read_keypair("SOLANA_PRIVATE_KEY", settings.solana_private_key.get_secret_value())
    key = _key("SOLANA_PRIVATE_KEY_FILE", settings.solana_private_key_file)
    if key is None:
        raise KeyUnusable("SOLANA_PRIVATE_KEY_FILE", "it is not set")
    return key


def _key(variable: str, path: Path | None) -> Keypair | None:
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
