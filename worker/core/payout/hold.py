"""Why a reward is held at planning: it has no recipient that can be paid now."""

from __future__ import annotations

from worker.core.payout.chain import Recipient
from worker.core.payout.records import Account
from worker.core.payout.wallet_text import describe_wallet, is_address, problem_text

ACCOUNTS_PER_USER_MAX = 3
"""A user who changes the wallet each week and closes the old token account keeps its rent."""
HELD_BY_OPERATOR = "held by an operator"
NO_WALLET = "no wallet address"
USER_TWICE = "several user documents have this id"
CLOSED_ACCOUNT = "token account was closed after we created it"
UNRECORDED_WALLET = (
    "wallet has no token account, and we created one for this user before wallets were recorded"
)
TOO_MANY_WALLETS = (
    "wallet has no token account, and we created one for each of "
    f"{ACCOUNTS_PER_USER_MAX} other wallets of this user"
)
UNKNOWN_USER = "wallet has no token account, and the wiki has no such user any more"


def hold_reason(account: Account, recipient: Recipient | None) -> str:
    """Why a reward cannot be paid to an account now; empty if it can."""
    if account.is_twice:
        return USER_TWICE
    if recipient is None:
        return wallet_missing(account)
    if problem := problem_text(recipient):
        return problem
    return "" if recipient.account_exists else why_no_account(account, recipient.wallet)


def hold_without_chain(account: Account) -> str:
    """The part of `hold_reason` that needs no chain: user and wallet as they are stored."""
    if account.is_twice:
        return USER_TWICE
    wallet = account.wallet
    if not isinstance(wallet, str) or not wallet:
        return wallet_missing(account)
    return "" if is_address(wallet) else describe_wallet(wallet)


def wallet_missing(account: Account | None) -> str:
    """Why a user has no wallet that could be looked up."""
    if account is None or account.wallet in (None, ""):
        return NO_WALLET
    return describe_wallet(account.wallet)


def why_no_account(account: Account | None, wallet: str, *, is_redirect: bool = False) -> str:
    """Why no token account is created for a wallet at our cost; empty if one is.

    Each wallet gets one once, so that nobody earns rent by closing it. An operator who redirects
    a reward has decided about the user; the wallet must still be one that had none.
    """
    if account is None:
        return UNKNOWN_USER
    if wallet in account.account_wallets:
        return CLOSED_ACCOUNT
    if is_redirect:
        return ""
    if account.had_token_account and not account.account_wallets:
        return UNRECORDED_WALLET
    return TOO_MANY_WALLETS if len(account.account_wallets) >= ACCOUNTS_PER_USER_MAX else ""
