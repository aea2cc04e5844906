"""The costs of a plan in lamports, and the payments that the treasury covers."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.core.strategies import a_header
from tests.fakes.world import World, chain_of
from worker.core.money import BaseUnits, Lamports
from worker.core.payout.chain import Costs, Treasury
from worker.services.plan.funds import (
    FundsReport,
    FundsShort,
    Need,
    check_account_funds,
    estimate,
    first_within_funds,
    funds_report,
    payer_reserve,
    payout_cost,
    plan_need,
)

COSTS = Costs(
    receipt_rent=Lamports(1_000),
    void_receipt_rent=Lamports(1_100),
    token_account_rent=Lamports(2_000),
    fee_per_signature=Lamports(5),
    signatures=2,
    transfers_per_transaction=57,
    accounts_per_transaction=9,
    priority_fee_max=7,
)
FEE = 2 * 5 + 7


def test_a_plan_costs_rent_and_fees_of_every_transaction() -> None:
    found = estimate(COSTS, batches=3, held=2, new_accounts=10)

    assert (found.batches, found.singles, found.new_accounts) == (3, 2, 10)
    assert (found.account_creations, found.transactions) == (2, 8)
    assert (found.receipts_rent, found.accounts_rent) == (7 * 1_000, 10 * 2_000)
    assert (found.fees, found.priority_fees_max) == (8 * FEE, 8 * 7)
    assert found.lamports == 7_000 + 20_000 + 8 * FEE


@pytest.mark.parametrize(("accounts", "transactions"), [(0, 0), (1, 1), (9, 1), (10, 2), (18, 2)])
def test_accounts_are_created_nine_at_a_time(accounts: int, transactions: int) -> None:
    found = estimate(COSTS, batches=0, held=0, new_accounts=accounts)
    assert found.account_creations == transactions


def test_the_need_of_a_plan_follows_from_its_header() -> None:
    header = a_header(payable=6, held=2, batch_size=2)
    cost = estimate(COSTS, batches=3, held=2, new_accounts=4)
    assert plan_need(COSTS, header, 4) == Need(header.total_amount, cost.lamports)


def treasury(tokens: int, lamports: int, allowance: int | None = None) -> Treasury:
    limit = None if allowance is None else BaseUnits(allowance)
    return Treasury(BaseUnits(tokens), limit, Lamports(lamports))


PLENTY = 10**9
TWO = payer_reserve(COSTS) + 2 * payout_cost(COSTS)


@pytest.mark.parametrize(
    ("funds", "count"),
    [
        (treasury(10, PLENTY), 3),
        (treasury(9, PLENTY), 2),
        (treasury(3, PLENTY), 2),
        (treasury(2, PLENTY), 1),
        (treasury(0, PLENTY), 0),
        (treasury(10, PLENTY, allowance=10), 3),
        (treasury(10, PLENTY, allowance=9), 2),
        (treasury(9, PLENTY, allowance=10), 2),
        (treasury(10, TWO), 2),
        (treasury(10, TWO - 1), 1),
        (treasury(10, TWO + payout_cost(COSTS)), 3),
    ],
)
def test_the_first_payments_are_made_that_the_treasury_covers(funds: Treasury, count: int) -> None:
    assert (payer_reserve(COSTS), payout_cost(COSTS)) == (1_000, 1_000 + FEE)
    assert first_within_funds(funds, COSTS, [1, 2, 7]) == count
    assert first_within_funds(funds, COSTS, []) == 0


def test_every_kind_of_shortfall_is_exact() -> None:
    need = Need(BaseUnits(10), Lamports(20))
    short = FundsReport(need, treasury(7, 15, allowance=4))
    enough = FundsReport(need, treasury(10, 20, allowance=10))
    owner = FundsReport(need, treasury(10, 20))

    assert (short.tokens_short, short.allowance_short, short.lamports_short) == (3, 6, 5)
    for report in (enough, owner):
        assert (report.tokens_short, report.allowance_short, report.lamports_short) == (0, 0, 0)
        assert report.is_enough
    for less in (treasury(9, 20), treasury(10, 19), treasury(10, 20, allowance=9)):
        assert not FundsReport(need, less).is_enough


@pytest.mark.parametrize("accounts", [1, 9, 10])
def test_accounts_need_rent_fees_and_what_stays_with_the_payer(world: World, accounts: int) -> None:
    chain = chain_of(world.first)
    costs = chain.costs()
    transactions = -(-accounts // costs.accounts_per_transaction)
    fee = costs.fee_per_signature * costs.signatures + costs.priority_fee_max
    needed = accounts * costs.token_account_rent + transactions * fee + costs.receipt_rent
    leave(world, needed)
    check_account_funds(world.first, accounts)

    leave(world, needed - 1)
    with pytest.raises(FundsShort, match=r"0\.000000001 SOL \(1 lamports\) at the fee payer"):
        check_account_funds(world.first, accounts)


def leave(world: World, lamports: int) -> None:
    payer = chain_of(world.first).fee_payer
    account = world.ledger.account(payer)
    assert account is not None
    world.ledger.put_account(payer, replace(account, lamports=lamports))
    world.clock.sleep(60)


def test_debts_of_anchored_weeks_are_added_to_a_need(world: World) -> None:
    costs = chain_of(world.first).costs()
    world.first.store.outstanding = lambda: (BaseUnits(30), 4)  # type: ignore[method-assign]

    report = funds_report(world.first, Need(BaseUnits(5), Lamports(6)))

    debt = 4 * payout_cost(costs) + payer_reserve(costs)
    assert report.needed == Need(BaseUnits(35), Lamports(6 + debt))
    assert report.treasury == chain_of(world.first).treasury()
