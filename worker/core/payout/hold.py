"""Why a reward is held at planning: it has no recipient that can be paid now."""

from __future__ import annotations

from worker.core.payout.chain import AccountProblem, Recipient
from worker.core.payout.records import Account

NO_WALLET = "no wallet address"
CLOSED_ACCOUNT = "token account was closed after we created it"


def hold_reason(account: Account, recipient: Recipient | None) -> str:
    """Why a reward cannot be paid to an account now; empty if it can."""
    if recipient is None:
        missing = account.wallet in (None, "")
        return NO_WALLET if missing else AccountProblem.NOT_AN_ADDRESS.value
    if recipient.problem is not None:
        return recipient.problem.value
    if not recipient.account_exists and account.had_token_account:
        return CLOSED_ACCOUNT
    return ""
