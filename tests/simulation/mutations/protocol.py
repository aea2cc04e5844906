"""Safeguards of the protocol, which whole broken collaborators take away."""

from __future__ import annotations

from tests.simulation.faults import traps
from tests.simulation.mutations import broken
from tests.simulation.mutations.safeguard import Safeguard

SAFEGUARDS = [
    Safeguard(
        "a receipt in every payment",
        broken.sign_payments_without_receipts,
        traps.two_operators_pay_at_once,
        "paid twice",
    ),
    Safeguard(
        "the anchor is final",
        broken.believe_an_anchor_at_once,
        traps.an_anchor_is_forked_away_and_another_one_lands,
        "not closed|not the anchored one|before its plan was final",
    ),
    Safeguard(
        "rows are checked against the root",
        broken.check_no_rows,
        traps.somebody_edits_an_amount_in_the_database,
        "moved other amounts",
    ),
    Safeguard(
        "a single only after its batch is void",
        broken.allow_singles_by_wallet,
        traps.a_wallet_is_removed_and_added_again,
        "paid twice",
    ),
    Safeguard(
        "the void is final",
        broken.believe_a_void_at_once,
        traps.a_void_is_forked_away_after_a_single_was_paid,
        "paid twice",
    ),
    Safeguard(
        "payments are read back at finalized",
        broken.believe_a_void_at_once,
        traps.a_payment_is_forked_away,
        "not closed",
    ),
    Safeguard(
        "plans are read back",
        broken.write_plans_blindly,
        traps.the_database_loses_a_row_in_silence,
        "not closed",
    ),
    Safeguard(
        "plans are published",
        broken.publish_nothing,
        traps.the_database_is_lost_and_the_wiki_has_changed,
        "not closed",
    ),
    Safeguard(
        "rows belong to one plan id",
        broken.read_rows_of_any_plan,
        traps.a_planner_crashed_and_left_its_draft,
        "not closed",
    ),
    Safeguard(
        "a hold that is late for the plan voids its batch",
        broken.forget_holds_in_batches,
        traps.a_hold_is_written_at_the_last_moment,
        "a held reward was paid",
    ),
    Safeguard(
        "transactions are looked for again",
        broken.look_for_no_transaction_again,
        traps.transactions_are_readable_late,
        "the recorded anchor is not the one on chain|the database says None",
    ),
    Safeguard(
        "payments wait for funds with a reason",
        broken.sign_without_funds,
        traps.sol_is_used_up_after_the_anchor,
        "no reason",
    ),
    Safeguard(
        "genesis binds the receipt key",
        broken.plan_without_genesis,
        traps.another_key_with_an_empty_database,
        "is not its receipt",
    ),
]
