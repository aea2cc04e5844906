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
        "genesis binds the receipt key",
        broken.plan_without_genesis,
        traps.another_key_with_an_empty_database,
        "is not its receipt",
    ),
]
