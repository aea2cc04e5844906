"""Opens the Solana cluster: with the configured keys, or without keys for verifiers."""

from __future__ import annotations

from pathlib import Path

from solders.keypair import Keypair

from config.errors import ConfigurationUnusable
from config.settings import Settings
from worker.adapters.solana.chain import SolanaChain
from worker.adapters.solana.public_chain import PublicSolanaChain
from worker.adapters.solana.signing.keys import read_keypair

__all__ = ["PublicSolanaChain", "open_chain"]


def open_chain(settings: Settings) -> SolanaChain:
    """Open the cluster with the configured keys.

    Raises:
        KeyUnusable: a key cannot be read. The message names the variable, never the key.
        ConfigurationUnusable: no key of the authority is configured.
    """
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
        raise ConfigurationUnusable(["SOLANA_PRIVATE_KEY_FILE is missing"])
    return key


def _key(variable: str, path: Path | None) -> Keypair | None:
    return None if path is None else read_keypair(variable, path.read_text())
