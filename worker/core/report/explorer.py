"""Links to transactions in a block explorer. Nothing is requested here."""

from __future__ import annotations

from urllib.parse import quote

EXPLORER = "https://explorer.solana.com/tx/"
MAINNET = "mainnet-beta"
PUBLIC_CLUSTERS = {
    "5eykt4UsFv8P8NJdTREpY1vzqKqZKvdpKuc147dw2N9d": MAINNET,
    "EtWTRABZaYq6iMfeYKouRu166VU2xqa1wcaWoxPkrZBG": "devnet",
    "4uhcVJyU9pJkvQyS88uRDiswHXSCkY3zQawwpjk2NsNY": "testnet",
}
"""Names of the public clusters, by their genesis hash."""
CUSTOM = "custom"
"""A private cluster; the explorer then asks the reader's own machine."""


def transaction_url(signature: str | None, cluster: str | None) -> str | None:
    """The page of a transaction; None without a signature or a known cluster.

    A link to another cluster would show that a payment does not exist, so none is guessed.
    """
    if not signature or cluster is None:
        return None
    page = EXPLORER + quote(signature, safe="")
    return page if cluster == MAINNET else f"{page}?cluster={quote(cluster, safe='')}"
