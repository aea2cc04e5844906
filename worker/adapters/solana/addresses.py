"""Addresses that are derived without the chain: receipts and associated token accounts."""

from __future__ import annotations

from functools import lru_cache

from solders.pubkey import Pubkey
from solders.system_program import ID as SYSTEM_PROGRAM
from solders.token.associated import get_associated_token_address

from worker.core.plan.receipts import receipt_seed

TOKEN_PROGRAM = Pubkey.from_string("TokenkegQfeZyiNwAJbNbGKPFXCWuBvf9Ss623VQ5DA")
TOKEN_2022_PROGRAM = Pubkey.from_string("TokenzQdBNbLqP5VEhdkAS6EPFLC1PHnBqCXEpPxuEb")
ASSOCIATED_TOKEN_PROGRAM = Pubkey.from_string("ATokenGPvbdGVxr1b2hvZbsiqW5xWH25efTNsLJA8knL")
MEMO_PROGRAM = Pubkey.from_string("MemoSq4gqABAXKb96qnH8TysNcWxMyWCqXgDLGmfcHr")
COMPUTE_BUDGET_PROGRAM = Pubkey.from_string("ComputeBudget111111111111111111111111111111")
V1_FEATURE_GATE = Pubkey.from_string("txv1aq4pp281K9um3tnPgkfX8UqtFT6wcVW3hNezGLL")

ASSOCIATED_CACHE_MAX = 10_000


def receipt_address(base: Pubkey, receipt_id: str) -> Pubkey:
    """The address whose data length shows the resolution of an id. Cheap: needs no cache."""
    return Pubkey.create_with_seed(base, receipt_seed(receipt_id), SYSTEM_PROGRAM)


@lru_cache(maxsize=ASSOCIATED_CACHE_MAX)
def associated_account(wallet: str, mint: Pubkey, token_program: Pubkey) -> Pubkey:
    """A wallet's associated token account.

    Cached, since planning, account creation and payment derive it for the same wallet.

    Raises:
        ValueError: the wallet is not an address.
    """
    return get_associated_token_address(Pubkey.from_string(wallet), mint, token_program)
