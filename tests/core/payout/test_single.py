"""Rewards that are held or paid alone: reasons and wallets."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.core.strategies import A_WEEK, a_header, a_row, rows
from worker.adapters.mongo.schema.seeds import CONFIG
from worker.core.lifecycle import Stage, Status
from worker.core.payout.chain import AccountProblem, Recipient
from worker.core.payout.hold import (
    CLOSED_ACCOUNT,
    NO_WALLET,
    TOO_MANY_WALLETS,
    UNKNOWN_USER,
    UNRECORDED_WALLET,
    USER_TWICE,
    hold_reason,
    why_no_account,
)
from worker.core.payout.records import Account, PayoutKind, Reward
from worker.core.payout.single import (
    can_receive,
    is_hold_expired,
    obstacle,
    single_payout,
    wallet_of,
)
from worker.core.plan.commitment import Row
from worker.core.plan.entrant import OVER_ACCOUNT_CAP
from worker.core.plan.planned_week import PlannedWeek
from worker.core.plan.receipts import single_id
from worker.core.plan.rules import rules_from

NO_ADDRESS = AccountProblem.NOT_AN_ADDRESS.value
RULES = rules_from(CONFIG)
BATCH = f"{A_WEEK.id}/00000"
stored_wallets = st.one_of(st.none(), st.text(max_size=4), st.integers(), st.binary(max_size=4))
accounts = st.builds(Account, st.just("user"), stored_wallets, st.just({}), st.booleans())
problems = st.one_of(st.none(), st.sampled_from(AccountProblem))
recipients = st.none() | st.builds(Recipient, st.just("wallet"), problems, st.booleans())


def a_reward(row: Row, *, redirected_to: str | None = None) -> Reward:
    return Reward(
        plan_id="plan",
        position=7,
        user_id="user",
        row=row,
        late_points=0,
        multiplier=10**6,
        status=Status.PENDING,
        redirected_to=redirected_to,
    )


def an_account(
    *made_for: str, wallet: object = "wallet", is_old: bool = False, is_twice: bool = False
) -> Account:
    """`made_for`: wallets we created an account for. `is_old`: for a wallet that is unknown."""
    return Account("user", wallet, {}, bool(made_for) or is_old, is_twice, made_for)


# --- held at planning --------------------------------------------------------------------------


@given(accounts, recipients)
def test_a_reward_is_batched_only_if_its_recipient_can_be_paid(
    account: Account, recipient: Recipient | None
) -> None:
    payable = recipient is not None and recipient.problem is None
    creatable = recipient is not None and (
        recipient.account_exists or not why_no_account(account, recipient.wallet)
    )

    assert (hold_reason(account, recipient) == "") == (payable and creatable)


@pytest.mark.parametrize(
    ("account", "recipient", "reason"),
    [
        (an_account(wallet=None), None, NO_WALLET),
        (an_account(wallet=""), None, NO_WALLET),
        (an_account(wallet=5), None, "wallet is not an address: it is a number, not text"),
        (an_account(wallet={"solana": "w"}), None, f"{NO_ADDRESS}: it is a document, not text"),
        (an_account(is_twice=True), None, USER_TWICE),
        (an_account(is_twice=True), Recipient("w", None, True), USER_TWICE),
        (an_account(), Recipient("w", AccountProblem.FROZEN, True), "token account is frozen"),
        (an_account("w"), Recipient("w", None, False), CLOSED_ACCOUNT),
        (an_account("w"), Recipient("w", None, True), ""),
        (an_account("v"), Recipient("w", None, False), ""),
        (an_account("v", "u", "t"), Recipient("w", None, False), TOO_MANY_WALLETS),
        (an_account("v", "u", "t"), Recipient("w", None, True), ""),
        (an_account(is_old=True), Recipient("w", None, False), UNRECORDED_WALLET),
        (an_account(is_old=True), Recipient("w", None, True), ""),
        (an_account(), Recipient("w", None, False), ""),
    ],
)
def test_why_a_reward_is_held(account: Account, recipient: Recipient | None, reason: str) -> None:
    assert hold_reason(account, recipient) == reason


# --- paid alone --------------------------------------------------------------------------------


@given(recipients, st.none() | accounts)
def test_a_reward_gets_a_payout_only_if_the_payout_can_be_signed(
    recipient: Recipient | None, account: Account | None
) -> None:
    assert (obstacle(recipient, account) is None) == can_receive(recipient)


@pytest.mark.parametrize(
    ("recipient", "account", "reason"),
    [
        (None, an_account(wallet=None), NO_WALLET),
        (None, an_account(is_twice=True), USER_TWICE),
        (Recipient("w", AccountProblem.OURS, True), an_account(), "wallet is one of our own"),
        (None, an_account(wallet=[1]), f"{NO_ADDRESS}: it is a list, not text"),
        (Recipient("w", None, False), an_account("w"), CLOSED_ACCOUNT),
        (Recipient("w", None, False), None, UNKNOWN_USER),
        (Recipient("w", None, False), an_account("v", "u", "t"), TOO_MANY_WALLETS),
        (Recipient("w", None, False), an_account("v"), OVER_ACCOUNT_CAP),
        (Recipient("w", None, False), an_account(), OVER_ACCOUNT_CAP),
        (Recipient("w", None, True), None, None),
    ],
)
def test_why_a_reward_waits(
    recipient: Recipient | None, account: Account | None, reason: str | None
) -> None:
    assert obstacle(recipient, account) == reason


@pytest.mark.parametrize(
    ("account", "reason"),
    [
        (an_account(), OVER_ACCOUNT_CAP),
        (an_account(is_old=True), OVER_ACCOUNT_CAP),
        (an_account("v", "u", "t"), OVER_ACCOUNT_CAP),
        (an_account("w"), CLOSED_ACCOUNT),
        (None, UNKNOWN_USER),
    ],
)
def test_a_redirect_gets_an_account_unless_this_wallet_had_one(
    account: Account | None, reason: str
) -> None:
    assert obstacle(Recipient("w", None, False), account, is_redirect=True) == reason


@given(rows, st.none() | st.text(max_size=4), st.none() | accounts)
def test_todays_wallet_counts_only_where_the_plan_and_operators_name_none(
    row: Row, redirected_to: str | None, account: Account | None
) -> None:
    wallet = wallet_of(a_reward(row, redirected_to=redirected_to), account)

    if redirected_to:
        assert wallet == redirected_to
    elif row.wallet:
        assert wallet == row.wallet
    else:
        stored = account.wallet if account else None
        assert wallet == (stored if isinstance(stored, str) else "")


@given(rows, st.text(max_size=4))
def test_a_reward_has_one_payout_wherever_it_goes(row: Row, wallet: str) -> None:
    payout = single_payout(A_WEEK, a_reward(row), wallet)

    assert payout.id == single_id(A_WEEK, row.user)
    assert (payout.plan_id, payout.kind, payout.index) == ("plan", PayoutKind.SINGLE, 7)
    assert (payout.amount, payout.rewards, payout.wallet) == (row.amount, 1, wallet)


# --- holds that end ----------------------------------------------------------------------------


def planned(hold_weeks: str) -> PlannedWeek:
    header = a_header(held=1, rules={"hold_weeks": hold_weeks})
    return PlannedWeek(A_WEEK, "plan", header, b"r" * 32, b"h" * 32, Stage.PREPARED)


@given(st.integers(1, 60), st.integers(1, 60), st.integers(-(10**9), 10**9))
def test_a_hold_ends_after_the_longer_of_both_deadlines(
    as_planned: int, today: int, seconds: int
) -> None:
    deadline = A_WEEK.end + timedelta(weeks=max(as_planned, today))
    now, rules = deadline + timedelta(seconds=seconds), replace(RULES, hold_weeks=today)

    expired = is_hold_expired(planned(str(as_planned)), a_reward(a_row(1)), rules, now)

    assert expired == (seconds > 0)


@pytest.mark.parametrize(
    ("as_planned", "today", "batch"), [("", 4, ""), ("4", None, ""), ("4", 4, BATCH)]
)
def test_a_hold_without_deadline_and_a_reward_of_a_void_batch_never_expire(
    as_planned: str, today: int | None, batch: str
) -> None:
    reward, rules = a_reward(a_row(1, batch=batch)), replace(RULES, hold_weeks=today)

    later = A_WEEK.end + timedelta(weeks=5000)

    assert not is_hold_expired(planned(as_planned), reward, rules, later)
