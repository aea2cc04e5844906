"""Makes links to transactions and accounts in a block explorer."""

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
    return _page("tx", signature, cluster) if signature and cluster else None


def address_url(address: str, cluster: str) -> str:
    """The page of an account."""
    return _page("address", address, cluster)


def _page(kind: str, name: str, cluster: str) -> str:
    page = f"https://explorer.solana.com/{kind}/{quote(name, safe='')}"
    return page if cluster == MAINNET else f"{page}?cluster={quote(cluster, safe='')}"
