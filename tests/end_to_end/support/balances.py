"""Token balances on chain, read with plain JSON-RPC."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Mapping, Sequence
from typing import Any

from solders.pubkey import Pubkey
from spl.token.instructions import get_associated_token_address

ACCOUNTS_MAX = 100


def call(url: str, method: str, *parameters: Any) -> Any:
    body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": parameters})
    request = urllib.request.Request(  # noqa: S310  # the session's own chain
        url, body.encode(), {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310
        return json.load(answer)["result"]


def associated_balances(settings: Mapping[str, str], wallets: Sequence[str]) -> dict[str, int]:
    """Base units in the associated account of each wallet, at finalized; 0 without an account."""
    url, mint = settings["SOLANA_RPC_URL"], Pubkey.from_string(settings["TOKEN_MINT_ADDRESS"])
    options = {"encoding": "jsonParsed", "commitment": "finalized"}
    balances = {}
    for start in range(0, len(wallets), ACCOUNTS_MAX):
        chunk = wallets[start : start + ACCOUNTS_MAX]
        addresses = [
            str(get_associated_token_address(Pubkey.from_string(wallet), mint)) for wallet in chunk
        ]
        found = call(url, "getMultipleAccounts", addresses, options)["value"]
        for wallet, account in zip(chunk, found, strict=True):
            parsed: Any = account["data"]["parsed"]["info"] if account else {"owner": wallet}
            assert parsed["owner"] == wallet
            balances[wallet] = int(parsed["tokenAmount"]["amount"]) if account else 0
    return balances


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
