"""The Solana cluster: with the configured keys, or as a stranger sees it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from solders.keypair import Keypair

from config.errors import ConfigurationUnusable
from config.settings import Settings
from worker.adapters.solana.chain import SolanaChain
from worker.adapters.solana.public_chain import PublicSolanaChain
from worker.adapters.solana.signing.keys import read_keypair
from worker.ports.payout import PublicAddresses, PublicChain


def open_chain(settings: Settings) -> SolanaChain:
    """The cluster, with the configured keys.

    Raises:
        KeyUnusable: names the variable, never the key.
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


def open_public_chain(urls: Sequence[str], mint: str, addresses: PublicAddresses) -> PublicChain:
    """A cluster as a stranger sees it: without settings, and without any key.

    Raises:
        EndpointUnusable, AddressUnusable: a URL or an address is malformed.
    """
    return PublicSolanaChain(urls, mint, addresses)


def _authority(settings: Settings) -> Keypair:
    if settings.solana_private_key is not None:
        return read_keypair("SOLANA_PRIVATE_KEY", settings.solana_private_key.get_secret_value())
    key = _key("SOLANA_PRIVATE_KEY_FILE", settings.solana_private_key_file)
    if key is None:
        raise ConfigurationUnusable(["SOLANA_PRIVATE_KEY_FILE is missing"])
    return key


def _key(variable: str, path: Path | None) -> Keypair | None:
    return None if path is None else read_keypair(variable, path.read_text())
