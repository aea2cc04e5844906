"""Decides that a batch is void: it can never be paid as it was planned."""

from __future__ import annotations

from collections.abc import Sequence

from worker.core.payout.chain import Recipient


def must_be_void(recipients: Sequence[Recipient], *, refused: bool) -> bool:
    """Whether a batch of these recipients is voided, so that its rewards can be paid alone.

    `refused`: the chain executed and refused the batch's payment. A missing account counts only
    then, because an endpoint that lags does not show a new account. A problem with an account
    that exists counts at once, because the chain would pay an account that has a new owner.
    """
    if any(recipient.problem is not None for recipient in recipients):
        return True
    return refused and any(not recipient.account_exists for recipient in recipients)
