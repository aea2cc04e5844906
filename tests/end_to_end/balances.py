"""Token balances as the chain tells them, asked for in plain JSON-RPC."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Mapping, Sequence
from typing import Any


def call(url: str, method: str, *parameters: Any) -> Any:
    body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": parameters})
    request = urllib.request.Request(  # noqa: S310  # the session's own chain
        url, body.encode(), {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310
        return json.load(answer)["result"]


def token_balances(settings: Mapping[str, str], wallets: Sequence[str]) -> dict[str, int]:
    """Base units of our mint in all token accounts of each wallet, at finalized."""
    url, mint = settings["SOLANA_RPC_URL"], settings["TOKEN_MINT_ADDRESS"]
    balances = {}
    for wallet in wallets:
        options = {"encoding": "jsonParsed", "commitment": "finalized"}
        found = call(url, "getTokenAccountsByOwner", wallet, {"mint": mint}, options)["value"]
        amounts = [a["account"]["data"]["parsed"]["info"]["tokenAmount"]["amount"] for a in found]
        balances[wallet] = sum(map(int, amounts))
    return balances
