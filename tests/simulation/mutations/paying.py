"""Safeguards of batches: what is signed, how often, and what counts as paid."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from tests.fakes.chain.chain import FakeChain, wallet_named
from tests.fakes.chain.transactions import token_address
from tests.fakes.store.state import StoredPayout
from tests.fakes.world import WEEK, World, chain_of, store_of
from tests.simulation.faults import traps
from tests.simulation.faults.sweeping import sweep_until_closed
from tests.simulation.faults.traps import do
from tests.simulation.happenings import mark_after_settling
from tests.simulation.mutations.happen import creations, hide_receipts
from tests.simulation.mutations.safeguard import Safeguard, Scenario, both, edit, promise
from worker.core.lifecycle import PayoutStatus, Stage, Status
from worker.core.money import BaseUnits
from worker.core.payout import backoff, comparison, decision, intent
from worker.core.payout.chain import Execution, Recipient
from worker.services.payout import (
    anchored_rows,
    close,
    in_flight,
    pay,
    prepare,
    settle,
    token_accounts,
)
from worker.services.plan import anchor, seal
from worker.services.plan.cluster import look
from worker.services.week.story import Job

BEFORE_PAYMENT = (Job.PLAN, Job.ANCHOR, Job.ACCOUNTS)
AN_HOUR = 3600


def batch(index: int) -> str:
    return f"{WEEK.id}/{index:05}"


def payouts(world: World) -> dict[str, StoredPayout]:
    return store_of(world.first).state.payouts[world.distribution().plan_id or ""]


def paid_nothing(world: World) -> bool:
    return not world.ledger.payments()


def prepared(world: World) -> World:
    do(world.first, *BEFORE_PAYMENT)
    return world


def first_wallet(world: World) -> str:
    (row,) = world.first.store.rows(world.distribution().plan_id or "", range(1))
    return row.wallet


def double_the_first_amount(world: World) -> None:
    state = store_of(world.first).state
    stored = state.rewards[world.distribution().plan_id or ""][0]
    row = replace(stored.reward.row, amount=BaseUnits(stored.reward.row.amount * 2))
    state.put_reward(stored, row=row)


# --- before anything is signed -------------------------------------------------------------------


def nobody_answers_about_the_root(world: World) -> None:
    show = hide_receipts(prepared(world).first, lambda each: "/root/" in each)
    do(world.first, Job.PAY)
    promise(paid_nothing(world), "paid with an unknown root")
    show()


def nobody_answers_about_the_batches(world: World) -> None:
    show = hide_receipts(prepared(world).first, lambda each: each[-5:].isdigit())
    do(world.first, Job.PAY, seconds=20)
    promise(paid_nothing(world), "signed with unknown receipts")
    show()


def the_database_calls_a_plan_anchored(world: World) -> None:
    do(world.first, Job.PLAN)
    plan_id = world.distribution().plan_id or ""
    world.first.store.advance(WEEK, plan_id, Stage.PLANNED, Stage.ANCHORED)
    do(world.first, Job.ACCOUNTS, Job.PAY)


def during_a_pause(*jobs: Job, after: Sequence[Job]) -> Scenario:
    def scenario(world: World) -> None:
        wallet = token_address(wallet_named("user 0"))
        world.ledger.put_token_account(wallet, None)
        world.clock.sleep(20)
        do(world.first, *after)
        world.first.store.pause("the auditor calls")
        before = len(world.ledger.landed)
        do(world.first, *jobs)
        promise(len(world.ledger.landed) == before, "signed during a pause")

    return scenario


def the_mint_has_a_problem(world: World) -> None:
    prepared(world).ledger.mint_problem = "it takes a fee"
    do(world.first, Job.PAY)
    promise(paid_nothing(world), "paid a mint with a problem")


def an_account_gets_a_new_owner(world: World) -> None:
    address = token_address(first_wallet(prepared(world)))
    world.ledger.change_token_account(address, owner="a thief")
    world.clock.sleep(20)
    do(world.first, Job.PAY)
    account = world.ledger.token_account(address)
    promise(account is not None and account.amount == 0, "paid to a new owner")


def an_endpoint_shows_no_account(world: World) -> None:
    """An endpoint that lags does not show an account that is there."""
    chain, hidden = chain_of(prepared(world).first), first_wallet(world)

    def recipients(wallets: Sequence[str]) -> list[Recipient]:
        found = FakeChain.recipients(chain, wallets)
        return [replace(r, account_exists=r.wallet != hidden) for r in found]

    chain.recipients = recipients  # type: ignore[method-assign]
    do(world.first, Job.PAY)
    counts = world.first.store.batch_counts(world.distribution().plan_id or "")
    promise(counts[PayoutStatus.VOID] == 0, "void because of an endpoint that lags")


def an_owner_closes_the_account_each_time(world: World) -> None:
    address = token_address(wallet_named("user 0"))
    world.ledger.put_token_account(address, None)
    world.clock.sleep(20)
    prepared(world)
    for _ in range(4):
        world.ledger.put_token_account(address, None)
        world.clock.sleep(60)
        do(world.first, Job.PAY, seconds=3)
    promise(creations(world) <= 2, "an account at our cost each time")


def a_payout_is_renamed(world: World) -> None:
    """The stored payout of the first batch has an id that is free."""
    _rename_first(prepared(world))
    do(world.first, Job.PAY)
    promise(world.ledger.balance(first_wallet(world)) == 0, "paid under a changed id")


def a_paid_payout_is_renamed(world: World) -> None:
    do(prepared(world).first, Job.PAY)
    _rename_first(world)
    do(world.first, Job.PAY)


def _rename_first(world: World) -> None:
    stored = payouts(world).pop(batch(0))
    unpaid = {"status": PayoutStatus.PENDING, "attempt": None, "signature": None}
    payout = replace(stored.payout, id=batch(9), **unpaid)  # type: ignore[arg-type]
    payouts(world)[batch(9)] = replace(stored, payout=payout)


# --- one attempt at a time -----------------------------------------------------------------------


def transactions_are_under_way(world: World) -> None:
    prepared(world).ledger.holds_sends = True
    chain_of(world.first).before = lambda _: world.clock.sleep(0.5)
    do(world.first, Job.PAY, seconds=20)
    promise(len(world.ledger.in_flight) == 3, "several transactions of a batch")


def an_endpoint_falls_back_while_it_is_read(world: World) -> None:
    """Payments are final, and their blockhashes expired, before we look again."""
    prepared(world).clock.sleep(120)
    world.ledger.holds_sends = True
    do(world.first, Job.PAY, seconds=2)
    world.ledger.holds_sends = False
    world.ledger.deliver()
    world.clock.sleep(80)
    chain = chain_of(world.first)

    def fall_back(method: str) -> None:
        world.clock.sleep(0.5)
        chain.endpoints[0].lag_slots = 200 if method == "receipts" else 0

    chain.before = fall_back
    do(world.first, Job.PAY, seconds=20)
    chain.before = lambda _: None
    chain.endpoints[0].lag_slots = 0
    promise(_refused(world) == 0, "signed although an older state was read")


def the_source_is_frozen(world: World) -> None:
    source = chain_of(prepared(world).first).source
    world.ledger.change_token_account(source, frozen=True)
    do(world.first, Job.PAY)
    promise(_refused(world) <= 3, "signed again at once after a refusal")


def _refused(world: World) -> int:
    return sum(landed.error is not None for landed in world.ledger.landed.values())


def nodes_refuse_for_days(world: World) -> None:
    chain_of(prepared(world).first).refuses_sends = "node is behind"
    for _ in range(14):
        do(world.first, Job.PAY)
        world.clock.sleep(9 * AN_HOUR)
    promise(world.distribution().stopped, "tries for ever")


def a_row_is_changed(world: World) -> None:
    double_the_first_amount(prepared(world))
    do(world.first, Job.PAY)
    promise(world.distribution().stopped, "waits for a person in silence")


# --- what counts as paid -------------------------------------------------------------------------


def no_transaction_can_be_read(world: World) -> None:
    chain_of(world.first).has_history = False
    do(world.first, *BEFORE_PAYMENT, Job.PAY)
    verified = [each for each in payouts(world).values() if each.verified]
    promise(not verified, "verified and never read")


def a_row_changes_while_its_payment_is_under_way(world: World) -> None:
    prepared(world).ledger.holds_sends = True
    do(world.first, Job.PAY, seconds=2)
    world.ledger.holds_sends = False
    world.ledger.deliver()
    double_the_first_amount(world)
    world.clock.sleep(60)
    do(world.first, Job.PAY)
    promise(not payouts(world)[batch(0)].verified, "verified against a changed row")


def the_source_loses(world: World, more: Mapping[str, int]) -> None:
    """Some transactions take another amount from the source than their transfers say."""
    chain = chain_of(world.first)

    def changed(found: dict[str, Execution]) -> dict[str, Execution]:
        return {
            each: replace(it, source_decrease=BaseUnits(it.source_decrease + more.get(each, 0)))
            for each, it in found.items()
        }

    def executions(ids: Sequence[str]) -> dict[str, Execution]:
        return changed(FakeChain.executions(chain, ids))

    def executions_of(signatures: Mapping[str, str]) -> dict[str, Execution]:
        return changed(FakeChain.executions_of(chain, signatures))

    chain.executions = executions  # type: ignore[method-assign]
    chain.executions_of = executions_of  # type: ignore[method-assign]


def a_payment_takes_more_from_the_source(world: World) -> None:
    the_source_loses(prepared(world), {batch(0): 1})
    do(world.first, Job.PAY)
    promise(not payouts(world)[batch(0)].verified, "verified though the source lost more")
    reason = world.distribution().reason or ""
    promise("PaidOtherThanPlanned" in reason, "no word about a wrong payment")


def two_payments_take_more_and_less(world: World) -> None:
    do(prepared(world).first, Job.PAY)
    the_source_loses(world, {batch(0): 1, batch(1): -1})
    do(world.first, Job.CLOSE)
    promise(world.distribution().stage is not Stage.COMPLETED, "closed in spite of a difference")


def a_week_is_closed_early(world: World) -> None:
    do(prepared(world).first, Job.CLOSE)


def an_amount_is_changed_after_payment(world: World) -> None:
    do(prepared(world).first, Job.PAY)
    kept = dict(store_of(world.first).state.rewards[_plan(world)])
    double_the_first_amount(world)
    do(world.first, Job.CLOSE)
    promise(world.distribution().stage is not Stage.COMPLETED, "closed in spite of a difference")
    store_of(world.first).state.rewards[_plan(world)].update(kept)


def _plan(world: World) -> str:
    return world.distribution().plan_id or ""


def the_books_are_ahead_of_the_chain(world: World) -> None:
    """The database calls everything paid. Nothing was paid."""
    state = store_of(prepared(world).first).state
    for stored in list(payouts(world).values()):
        state.put_payout(stored, status=PayoutStatus.PAID)
    for reward in list(state.rewards[_plan(world)].values()):
        state.put_reward(reward, status=Status.COMPLETED)
    do(world.first, Job.CLOSE)


def rewards_are_marked_after_they_were_settled(world: World) -> None:
    do(prepared(world).first, Job.PAY)
    mark_after_settling(world)
    sweep_until_closed(world)


SAFEGUARDS = [
    Safeguard(
        "the root is read anew before payments",
        edit(pay.pay, (", anew=True", "")),
        nobody_answers_about_the_root,
        "paid with an unknown root",
    ),
    Safeguard(
        "an unknown root is not final",
        edit(
            seal.anchored_seal,
            ("if state is ReceiptState.UNKNOWN", "if False"),
            ("state is not ReceiptState.PAID", "state is ReceiptState.FREE"),
        ),
        nobody_answers_about_the_root,
        "paid with an unknown root",
    ),
    Safeguard(
        "the chain says what is anchored",
        edit(seal.anchored_seal, ("state is not ReceiptState.PAID", "False")),
        the_database_calls_a_plan_anchored,
        "no anchored plan knows",
    ),
    Safeguard(
        "no payment during a pause",
        edit(prepare.prepare_payments, ("rows.context.refuse_if_paused()", "pass")),
        during_a_pause(Job.PAY, after=BEFORE_PAYMENT),
        "signed during a pause",
    ),
    Safeguard(
        "no account during a pause",
        edit(token_accounts._send, ("context.refuse_if_paused()", "pass")),
        during_a_pause(Job.ACCOUNTS, after=(Job.PLAN, Job.ANCHOR)),
        "signed during a pause",
    ),
    Safeguard(
        "the mint is checked before payments",
        edit(pay.pay, ("context.chain.check_mint()", "pass")),
        the_mint_has_a_problem,
        "paid a mint with a problem",
    ),
    Safeguard(
        "rows of a batch have its root",
        edit(
            anchored_rows.AnchoredRows.of_batches,
            ("rows_root(batch) != self.seal.batch_roots[payout.index]", "False"),
        ),
        traps.somebody_edits_an_amount_in_the_database,
        "moved other amounts",
    ),
    Safeguard(
        "a recipient with a new owner is not paid",
        edit(
            decision.must_be_void,
            ("any(recipient.problem is not None for recipient in recipients)", "False"),
        ),
        an_account_gets_a_new_owner,
        "paid to a new owner",
    ),
    Safeguard(
        "a missing account voids a batch after a refusal only",
        edit(decision.must_be_void, ("refused and", "")),
        an_endpoint_shows_no_account,
        "void because of an endpoint that lags",
    ),
    Safeguard(
        "an account is made again once",
        edit(
            prepare._lost_accounts,
            ("payout.attempts == 0 and payout.attempt is None", "True"),
        ),
        an_owner_closes_the_account_each_time,
        "an account at our cost each time",
    ),
    Safeguard(
        "payouts outside the plan are not paid",
        edit(pay.pay, ("outside_plan(context.store, planned, claimed).values()", "[]")),
        a_payout_is_renamed,
        "paid under a changed id",
    ),
    Safeguard(
        "the plan names the receipt of a batch",
        both(
            edit(pay.pay, ("outside_plan(context.store, planned, claimed).values()", "[]")),
            edit(
                prepare._prepare_batches,
                ("str(rows.seal.header.batch_id(payout.index))", "payout.id"),
            ),
        ),
        a_paid_payout_is_renamed,
        "moved other amounts|paid twice",
    ),
    Safeguard(
        "attempts are durable before they are sent",
        edit(pay._sign, ("flight.record_attempts(signed)", "pass")),
        transactions_are_under_way,
        "several transactions of a batch",
    ),
    Safeguard(
        "nothing is signed anew before the expiry",
        both(
            edit(
                decision.next_step,
                ("finalized_block_height > attempt.last_valid_block_height", "True"),
            ),
            edit(
                decision.may_be_resolved,
                ("finalized_block_height > attempt.last_valid_block_height", "True"),
            ),
        ),
        transactions_are_under_way,
        "several transactions of a batch",
    ),
    Safeguard(
        "receipts are not older than the height",
        edit(look.look_at, ("not_before_slot=slot", "not_before_slot=0")),
        an_endpoint_falls_back_while_it_is_read,
        "signed although an older state was read",
    ),
    Safeguard(
        "a refused payment waits",
        edit(pay._sign, ("reason is not None and not is_answer", "False")),
        the_source_is_frozen,
        "signed again at once",
    ),
    Safeguard(
        "tries run out",
        edit(backoff.is_exhausted, ("attempts >= ATTEMPTS_MAX", "False")),
        nodes_refuse_for_days,
        "tries for ever",
    ),
    Safeguard(
        "a week stops visibly when a payout waits for a person",
        edit(
            in_flight.InFlight.postpone,
            ("_stop_week(self._context, self.report.week, waiting)", "pass"),
        ),
        a_row_is_changed,
        "waits for a person in silence",
    ),
    Safeguard(
        "nothing unread is verified",
        edit(settle._settlement, ("None, None, None, verified=False", "None, None, None, True")),
        no_transaction_can_be_read,
        "verified and never read",
    ),
    Safeguard(
        "no unread anchor is verified",
        edit(anchor._record, ("verified=found is not None", "verified=True")),
        no_transaction_can_be_read,
        "verified and never read",
    ),
    Safeguard(
        "nothing is verified against a changed row",
        edit(settle._settlement, ("verified = False", "verified = True")),
        a_row_changes_while_its_payment_is_under_way,
        "verified against a changed row",
    ),
    Safeguard(
        "the source's decrease",
        edit(
            intent.moved,
            ("and execution.source_decrease == sum(t.amount for t in expected)", ""),
        ),
        a_payment_takes_more_from_the_source,
        "verified though the source lost more",
    ),
    Safeguard(
        "a payment that was not planned is reported at once",
        edit(pay._check_payments, ("each.signature is not None and not each.verified", "False")),
        a_payment_takes_more_from_the_source,
        "no word about a wrong payment",
    ),
    Safeguard(
        "the source's decrease at the end",
        edit(
            comparison.compare_transaction,
            (
                'check.expect(subject, "the decrease of the source account", total, '
                "found.source_decrease)",
                "pass",
            ),
        ),
        two_payments_take_more_and_less,
        "closed in spite of a difference",
    ),
    Safeguard(
        "a week closes after its payouts",
        edit(close.close_week, ("if unresolved:", "if False:")),
        a_week_is_closed_early,
        "forgotten",
    ),
    Safeguard(
        "a week closes when plan, database and chain agree",
        edit(close.close_week, ("not result.is_exact", "False")),
        an_amount_is_changed_after_payment,
        "closed in spite of a difference",
    ),
    Safeguard(
        "the chain says what is paid",
        edit(close.close_week, ("not result.is_exact", "False")),
        the_books_are_ahead_of_the_chain,
        "paid by None on chain",
    ),
    Safeguard(
        "rewards are settled again before the end",
        edit(close.close_week, ("_settle_again(context, planned)", "pass")),
        rewards_are_marked_after_they_were_settled,
        "not closed",
    ),
    Safeguard(
        "an unknown receipt waits",
        edit(decision.next_step, ("receipt is ReceiptState.UNKNOWN", "False")),
        nobody_answers_about_the_batches,
        "signed with unknown receipts",
    ),
]
