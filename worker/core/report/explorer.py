"""Makes links to transactions in a block explorer."""

from __future__ import annotations

from urllib.parse import quote

MAINNET = "mainnet-beta"
PUBLIC_CLUSTERS = {
    "5eykt4UsFv8P8NJdTREpY1vzqKqZKvdpKuc147dw2N9d": MAINNET,
    "EtWTRABZaYq6iMfeYKouRu166VU2xqa1wcaWoxPkrZBG": "devnet",
    "4uhcVJyU9pJkvQyS88uRDiswHXSCkY3zQawwpjk2NsNY": "testnet",
}
"""Names of the public clusters, by their genesis hash."""
CUSTOM = "custom"
"""A private cluster. The explorer then connects to the reader's own machine."""


def transaction_url(signature: str | None, cluster: str | None) -> str | None:
    """The page of a transaction; None without a signature or a known cluster.

    A link to the wrong cluster would claim that the payment does not exist.
    """
    if not signature or cluster is None:
        return None
    page = f"https://explorer.solana.com/tx/{quote(signature, safe='')}"
    return page if cluster == MAINNET else f"{page}?cluster={quote(cluster, safe='')}"
