"""P2 and P4: the only decision to sign, over all of its inputs."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import product

import pytest

from tests.core.strategies import A_WEEK
from worker.core.money import BaseUnits
from worker.core.payout.chain import Landing, SignatureStatus
from worker.core.payout.decision import (
    YOUNG,
    Step,
    may_be_resolved,
    needs_height,
    next_step,
    pauses_after_refusal,
)
from worker.core.payout.records import Attempt, Payout, PayoutKind
from worker.core.plan.receipts import ReceiptState, Resolution

LAST_VALID = 1000
ATTEMPTS = [
    Attempt("sig", resolution, "hash", LAST_VALID, b"wire", datetime(2024, 12, 16, tzinfo=UTC))
    for resolution in Resolution
]
STATUSES = [None, *(SignatureStatus(landing) for landing in Landing)]
STATUSES.append(SignatureStatus(Landing.FAILED, "account is frozen"))
HEIGHTS = [0, LAST_VALID - 1, LAST_VALID, LAST_VALID + 1, 10**12]
FACTS = list(product([None, *ATTEMPTS], STATUSES, HEIGHTS))


def has_failed(status: SignatureStatus | None) -> bool:
    return status is not None and status.landing is Landing.FAILED


def may_land(attempt: Attempt | None, status: SignatureStatus | None, height: int) -> bool:
    """Whether an attempt on a free receipt could still move tokens."""
    if attempt is None:
        return False
    return height <= attempt.last_valid_block_height and not has_failed(status)


@pytest.mark.parametrize("receipt", ReceiptState)
def test_it_signs_only_when_nothing_signed_before_can_still_land(receipt: ReceiptState) -> None:
    free = receipt is ReceiptState.FREE
    for attempt, status, height in FACTS:
        step = next_step(receipt, attempt, status, height)

        assert (step is Step.SIGN) == (free and not may_land(attempt, status, height))


@pytest.mark.parametrize("receipt", ReceiptState)
def test_it_resends_only_what_may_land_and_was_not_seen(receipt: ReceiptState) -> None:
    free = receipt is ReceiptState.FREE
    for attempt, status, height in FACTS:
        step = next_step(receipt, attempt, status, height)

        unseen = status is None or status.landing is Landing.UNSEEN
        assert (step is Step.RESEND) == (free and may_land(attempt, status, height) and unseen)


@pytest.mark.parametrize(
    ("receipt", "step"),
    [
        (ReceiptState.PAID, Step.SETTLE_PAID),
        (ReceiptState.VOID, Step.SETTLE_VOID),
        (ReceiptState.UNKNOWN, Step.WAIT),
    ],
)
def test_a_receipt_that_is_not_free_decides_alone(receipt: ReceiptState, step: Step) -> None:
    assert {next_step(receipt, *facts) for facts in FACTS} == {step}


def test_a_receipt_that_was_not_read_neither_settles_nor_signs_anew() -> None:
    for attempt, status, height in FACTS:
        step = next_step(None, attempt, status, height)

        assert step in (Step.RESEND, Step.WAIT) or attempt is None


@pytest.mark.parametrize(
    ("landing", "needed"),
    [
        (None, True),
        (Landing.UNSEEN, True),
        (Landing.FAILED, True),
        (Landing.PENDING, False),
        (Landing.CONFIRMED, False),
        (Landing.FINALIZED, False),
    ],
)
def test_a_young_attempt_that_has_landed_needs_no_height(
    landing: Landing | None, needed: bool
) -> None:
    status = None if landing is None else SignatureStatus(landing)
    sent = ATTEMPTS[0].created_at

    assert needs_height(ATTEMPTS[0], status, sent) is needed
    assert needs_height(ATTEMPTS[0], status, sent + YOUNG - timedelta(seconds=1)) is needed
    assert needs_height(ATTEMPTS[0], status, sent + YOUNG)
    assert needs_height(ATTEMPTS[0], status, sent - timedelta(seconds=1)), "of another clock"


def test_a_receipt_without_an_attempt_is_read_at_the_height() -> None:
    assert needs_height(None, None, ATTEMPTS[0].created_at)


@pytest.mark.parametrize("landing", [Landing.PENDING, Landing.FINALIZED])
def test_an_attempt_on_its_way_is_waited_for(landing: Landing) -> None:
    step = next_step(ReceiptState.FREE, ATTEMPTS[0], SignatureStatus(landing), LAST_VALID)

    assert step is Step.WAIT


@pytest.mark.parametrize("status", [None, SignatureStatus(Landing.UNSEEN)])
def test_a_missing_status_is_never_a_failure(status: SignatureStatus | None) -> None:
    """P4: the last block in which the attempt may land still counts."""
    assert next_step(ReceiptState.FREE, ATTEMPTS[0], status, LAST_VALID) is Step.RESEND
    assert next_step(ReceiptState.FREE, ATTEMPTS[0], status, LAST_VALID + 1) is Step.SIGN


def test_every_step_is_taken_by_some_input() -> None:
    taken = {next_step(receipt, *facts) for receipt in ReceiptState for facts in FACTS}

    assert taken == set(Step)


def test_a_receipt_that_is_not_read_leads_to_no_signature() -> None:
    """A payout whose receipt is not worth reading counts as free."""
    unread = [facts for facts in FACTS if not may_be_resolved(*facts)]

    steps = {next_step(ReceiptState.FREE, *facts) for facts in unread}
    assert steps == {Step.RESEND, Step.WAIT}


@pytest.mark.parametrize(
    ("tried_again", "pauses"), [(None, True), (-1, False), (0, False), (1, False)]
)
def test_a_refused_payment_pauses_once_before_it_is_signed_anew(
    tried_again: int | None, pauses: bool
) -> None:
    attempt = ATTEMPTS[0]
    again = None if tried_again is None else attempt.created_at + timedelta(seconds=tried_again)
    payout = Payout(
        id=f"{A_WEEK.id}/00007",
        plan_id="plan",
        week=A_WEEK,
        kind=PayoutKind.BATCH,
        index=7,
        rewards=1,
        amount=BaseUnits(1),
        attempt=attempt,
        next_attempt_at=again,
    )

    assert pauses_after_refusal(payout) is pauses


def test_a_receipt_is_read_once_the_last_valid_block_is_over() -> None:
    heights = {LAST_VALID - 1: False, LAST_VALID: False, LAST_VALID + 1: True}
    assert {height: may_be_resolved(ATTEMPTS[0], None, height) for height in heights} == heights
