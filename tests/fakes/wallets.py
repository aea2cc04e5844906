"""Wallets of the fake cluster: real addresses, some of them unpayable."""

from __future__ import annotations

import hashlib
from functools import lru_cache

from solders.keypair import Keypair
from solders.pubkey import Pubkey

from tests.fakes.chain.transactions import SYSTEM, Account, TokenAccount
from worker.core.payout.chain import AccountProblem, Recipient
from worker.core.payout.wallet_text import has_lost_case


@lru_cache(maxsize=100_000)
def wallet_named(name: str) -> str:
    """A valid wallet address, always the same for a name."""
    return str(Keypair.from_seed(hashlib.sha256(name.encode()).digest()).pubkey())


@lru_cache(maxsize=100_000)
def _address_problem(wallet: str) -> AccountProblem | None:
    try:
        address = Pubkey.from_string(wallet)
    except ValueError:
        return AccountProblem.NOT_AN_ADDRESS
    if has_lost_case(wallet):
        return AccountProblem.NOT_AN_ADDRESS
    return None if address.is_on_curve() else AccountProblem.OFF_CURVE


def recipient_of(
    wallet: str, account: Account | None, token_account: TokenAccount | None
) -> Recipient:
    """The chain's view of a wallet outside our control."""
    problem = _address_problem(wallet)
    if problem is not None:
        return Recipient(wallet, problem, account_exists=False)
    if account is not None and account.owner != SYSTEM:
        problem = AccountProblem.NOT_A_WALLET
    elif token_account is not None:
        problem = _token_account_problem(token_account, wallet)
    return Recipient(wallet, problem, account_exists=token_account is not None)


def _token_account_problem(account: TokenAccount, wallet: str) -> AccountProblem | None:
    if account.owner != wallet:
        return AccountProblem.FOREIGN_OWNER
    if account.frozen:
        return AccountProblem.FROZEN
    if account.confidential_only:
        return AccountProblem.CONFIDENTIAL_ONLY
    return AccountProblem.MEMO_REQUIRED if account.memo_required else None
