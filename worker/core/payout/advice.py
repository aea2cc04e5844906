"""Advice for a reward that is not paid, by its recorded reason."""

from __future__ import annotations

from worker.core.payout.chain import AccountProblem
from worker.core.payout.hold import (
    CLOSED_ACCOUNT,
    NO_WALLET,
    TOO_MANY_WALLETS,
    UNKNOWN_USER,
    UNRECORDED_WALLET,
    USER_TWICE,
)
from worker.core.payout.single import HOLD_EXPIRED, NOT_MADE_YET, UNREADABLE
from worker.core.plan.entrant import OVER_ACCOUNT_CAP

VOID_BATCH = "its batch was voided; it is paid alone"
BY_OPERATOR = "kept back by an operator: "
NO_REASON = "no reason is recorded"
BATCH_VOIDED = "batch void: paid alone"
SINGLE_VOIDED = "its receipt is void: it can never be paid"

_REDIRECT = (
    "Ask the user for another wallet and enter it in the wiki, or redirect this one reward: "
    "kontrib retry {week} --rewallet USER --wallet ADDRESS"
)
_OPEN_OR_REDIRECT = (
    "The user opens the wallet's token account; it is then paid by itself. At our cost: "
    "kontrib retry {week} --rewallet USER"
)
_CORRECT = (
    "Ask the user to correct the wallet in the wiki; it is then paid by itself. Or redirect this "
    "one reward: kontrib retry {week} --rewallet USER --wallet ADDRESS"
)
_BY_ITSELF = "Nothing: it is tried again by itself. At once: kontrib retry {week}"
_ADVICE = {
    **{problem.value: _REDIRECT for problem in AccountProblem},
    NO_WALLET: "Ask the user to enter a wallet in the wiki; it is then paid by itself.",
    USER_TWICE: "Keep one document of this user in the wiki (kontrib check names them); it is then "
    "paid by itself.",
    CLOSED_ACCOUNT: "The user must open the token account again; we do not pay for a second one.",
    UNRECORDED_WALLET: _OPEN_OR_REDIRECT,
    TOO_MANY_WALLETS: _OPEN_OR_REDIRECT,
    UNKNOWN_USER: "The wallet's owner must open its token account; it is then paid by itself.",
    OVER_ACCOUNT_CAP: "Nothing: it is paid next week. Sooner: raise max_new_accounts_per_week.",
    NOT_MADE_YET: _BY_ITSELF,
    UNREADABLE: "Look at the endpoints: kontrib doctor. Then: kontrib retry {week}",
    VOID_BATCH: _BY_ITSELF,
    BATCH_VOIDED: _BY_ITSELF,
    SINGLE_VOIDED: "kontrib cannot pay it any more. Pay it by hand if it is still owed.",
    HOLD_EXPIRED: "hold_weeks is over, so it stays unpaid. To pay it anyway, raise "
    "hold_weeks, then: kontrib retry {week}",
    AccountProblem.MEMO_REQUIRED.value: "The user must turn off the memo requirement of their "
    "token account; it is then paid by itself.",
    AccountProblem.CONFIDENTIAL_ONLY.value: "The user must allow plain transfers to their token "
    "account, or name another wallet.",
    AccountProblem.FROZEN.value: "The mint's freeze authority must thaw the token account; then: "
    "kontrib retry {week}. Or redirect this one reward: "
    "kontrib retry {week} --rewallet USER --wallet ADDRESS",
}


def advice(reason: str, week_label: str) -> str:
    """The next step of an operator for a reward with this reason, with a command if possible."""
    if reason.startswith(BY_OPERATOR):
        return f"To pay it: kontrib release USER {week_label}"
    if reason.startswith(AccountProblem.NOT_AN_ADDRESS.value):
        return _CORRECT.format(week=week_label)
    found = _ADVICE.get(reason, "Look at it: kontrib status {week}. Then: kontrib retry {week}")
    return found.format(week=week_label)
