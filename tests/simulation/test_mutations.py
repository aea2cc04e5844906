"""Each safeguard replaced in turn by a broken collaborator: something must notice.

Every scenario is played twice. With all safeguards in place nothing is found; without the one it
is made for, the auditor finds what went wrong, or the week never closes. Production code has no
off switch: the broken parts live here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import pytest
from bson import ObjectId

from tests.fakes.chain import FakeChain
from tests.fakes.chain_faults import FakeEndpoint
from tests.fakes.store import FakeStore
from tests.fakes.store_state import Route
from tests.fakes.transactions import Request, signature_of, token_address
from tests.fakes.world import WEEK, World, chain_of, store_of
from tests.simulation.facts import audit_world, inputs_of
from tests.simulation.sweeping import sweep, sweep_until_closed
from worker.core.commitment import Header, Row, Seal
from worker.core.errors import KontribError
from worker.core.money import BaseUnits
from worker.core.receipts import ReceiptState, state_of
from worker.core.records import Blockhash, Intent, Landing, Reward, SignatureStatus
from worker.core.week import Week
from worker.ports import Signed
from worker.services import anchor, paying, plan, plan_writing, seal
from worker.services.context import Context
from worker.services.genesis import make_genesis
from worker.services.run import do_work
from worker.services.work import Job, Work

Break = Callable[[pytest.MonkeyPatch], None]
NAMES = [f"user {i}" for i in range(6)]


@dataclass(frozen=True, slots=True)
class Safeguard:
    """What is taken away, in which scenario, and the words in which somebody notices."""

    name: str
    take_away: Break
    scenario: Callable[[World], None]
    noticed: str


def do(context: Context, *jobs: Job, seconds: float = 600) -> None:
    for job in jobs:
        try:
            do_work(context, Work(job, WEEK, 0, 100), seconds=seconds)
        except KontribError:
            return


def rival_of(world: World) -> Context:
    rival = world.add_operator()
    store_of(rival).restore(store_of(world.first).snapshot())
    return rival


def freeze(world: World, *, frozen: bool) -> None:
    (row,) = world.first.store.rows(world.distribution().plan_id or "", range(1))
    world.ledger.change_token_account(token_address(row.wallet), frozen=frozen)
    world.clock.sleep(20)


# --- no receipt in the transaction ---------------------------------------------------------------


def sign_payments_without_receipts(patch: pytest.MonkeyPatch) -> None:
    sign = FakeChain.sign

    def bare(self: FakeChain, intents: Sequence[Intent], blockhash: Blockhash) -> list[Signed]:
        return sign(
            self, [replace(i, receipts=()) if i.transfers else i for i in intents], blockhash
        )

    patch.setattr(FakeChain, "sign", bare)


def two_operators_pay_at_once(world: World) -> None:
    rival = rival_of(world)
    for context in (world.first, rival):
        do(context, Job.PLAN, Job.ANCHOR, Job.ACCOUNTS)
    do(world.first, Job.PAY)
    do(rival, Job.PAY)


# --- the chain believed before it is final -------------------------------------------------------


def believe_confirmed(patch: pytest.MonkeyPatch, concerns: Callable[[str], bool]) -> None:
    """Read some receipts as they are now, and call final whatever has landed."""
    receipts, statuses = FakeChain.receipts, FakeChain.statuses

    def hasty(
        self: FakeChain, ids: Sequence[str], *, not_before_slot: int = 0
    ) -> dict[str, ReceiptState]:
        found = receipts(self, ids, not_before_slot=not_before_slot)
        for each in filter(concerns, ids):
            account = self.ledger.account(self.receipt_address(each))
            found[each] = state_of(account.space if account else None)
        return found

    def hasty_statuses(self: FakeChain, signatures: Sequence[str]) -> list[SignatureStatus]:
        final = SignatureStatus(Landing.FINALIZED)
        seen = statuses(self, signatures)
        return [final if status.landing is Landing.PENDING else status for status in seen]

    patch.setattr(FakeChain, "receipts", hasty)
    patch.setattr(FakeChain, "statuses", hasty_statuses)


def believe_an_anchor_at_once(patch: pytest.MonkeyPatch) -> None:
    believe_confirmed(patch, lambda each: "/root/" in each or each.endswith("/anchor"))


def believe_a_void_at_once(patch: pytest.MonkeyPatch) -> None:
    believe_confirmed(patch, lambda each: each.count("/") == 1 and each[-1].isdigit())


def forget_since(world: World, receipt: str) -> list[bytes]:
    """Fork away the transaction that allocated a receipt, unless it is final already."""
    address = chain_of(world.first).receipt_address(receipt)
    signature = world.ledger.allocated_by.get(address)
    if signature is None:
        return []
    blocks = world.ledger.slot - world.ledger.landed[signature].slot + 1
    return world.ledger.fork(blocks) if blocks <= world.ledger.finalized_lag_slots else []


def an_anchor_is_forked_away_and_another_one_lands(world: World) -> None:
    rival = rival_of(world)
    do(world.first, Job.PLAN)
    inputs = inputs_of(world)
    store_of(rival).set_user_fields(next(iter(store_of(rival).state.users)), wallet_address=None)
    do(rival, Job.PLAN)
    do(world.first, Job.ANCHOR)
    forget_since(world, f"{WEEK.id}/anchor")
    do(world.first, Job.ACCOUNTS, Job.PAY)
    sweep_until_closed(world, rival, world.first)
    assert inputs.wallets


def a_void_is_forked_away_after_a_single_was_paid(world: World) -> None:
    chain_of(world.first).endpoints = [FakeEndpoint(lag_slots=10)]  # its blockhashes are older
    world.clock.sleep(60)
    do(world.first, Job.PLAN)
    freeze(world, frozen=True)
    do(world.first, Job.ANCHOR, Job.ACCOUNTS)
    rival = rival_of(world)
    do(world.first, Job.PAY, Job.SINGLES)
    do(world.first, Job.PAY, seconds=3)
    for wire in forget_since(world, f"{WEEK.id}/00000"):
        receipts = [receipt for receipt, _ in Request.read(wire).allocations]
        if any("/u/" in receipt for receipt in receipts):
            world.ledger.submit(signature_of(wire), wire)  # nodes had it still
    freeze(world, frozen=False)
    sweep_until_closed(world, rival)


def a_payment_is_forked_away(world: World) -> None:
    do(world.first, Job.PLAN, Job.ANCHOR, Job.ACCOUNTS, Job.PAY)
    forget_since(world, f"{WEEK.id}/00000")
    sweep_until_closed(world)


# --- root not checked ----------------------------------------------------------------------------


def check_no_rows(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Seal, "check_batch", lambda self, index, rows: list(rows))


def somebody_edits_an_amount_in_the_database(world: World) -> None:
    do(world.first, Job.PLAN, Job.ANCHOR, Job.ACCOUNTS)
    stored = store_of(world.first).state.rewards[world.distribution().plan_id or ""]
    reward = stored[0].reward
    row = replace(reward.row, amount=BaseUnits(reward.row.amount * 2))
    stored[0] = replace(stored[0], reward=replace(reward, row=row))
    do(world.first, Job.PAY)


# --- single allowed by today's wallet ------------------------------------------------------------


def allow_singles_by_wallet(patch: pytest.MonkeyPatch) -> None:
    def check(self: paying.Payer, payouts: Sequence[object]) -> None:
        """Whoever has a wallet today may be paid alone."""

    patch.setattr(paying.Payer, "_check_singles_allowed", check)


def a_wallet_is_removed_and_added_again(world: World) -> None:
    """The database took the reward for a held one while the wallet was gone."""
    do(world.first, Job.PLAN, Job.ANCHOR, Job.ACCOUNTS)
    state = store_of(world.first).state
    stored = state.rewards[world.distribution().plan_id or ""]
    user = ObjectId(stored[1].reward.user_id)
    wallet = state.users[user]["wallet_address"]
    store_of(world.first).set_user_fields(user, wallet_address=None)
    stored[1] = replace(stored[1], route=Route.WAITING)
    store_of(world.first).set_user_fields(user, wallet_address=wallet)
    do(world.first, Job.SINGLES)
    do(world.first, Job.PAY)
    do(world.first, Job.PAY)


# --- no read-back, nothing published -------------------------------------------------------------


def write_plans_blindly(patch: pytest.MonkeyPatch) -> None:
    """Nothing that was written is read again: neither the rows nor the published file."""

    def write_plan(
        context: Context, header: Header, rewards: Iterator[Reward], plan_id: str
    ) -> Seal:
        written = list(rewards)
        context.store.write_rewards(written, header.week, context.clock.now())
        sealed = seal.seal_of(header, (reward.row for reward in written))
        amounts = [
            sum(r.row.amount for r in written[p.start : p.stop])
            for p in map(header.batch_positions, range(header.batches))
        ]
        plan_writing._write_payouts(context, sealed, plan_id, amounts)
        return sealed

    patch.setattr(plan, "write_plan", write_plan)
    for module in (plan_writing, anchor):
        patch.setattr(module, "check_published", lambda context, sealed: None)


def the_database_loses_a_row_in_silence(world: World) -> None:
    store, write = store_of(world.first), store_of(world.first).write_rewards
    lost: list[Reward] = []

    def forgetful(rewards: Sequence[Reward], week: Week, now: object) -> None:
        if not lost:
            lost.append(rewards[-1])
            rewards = rewards[:-1]
        write(rewards, week, now)  # type: ignore[arg-type]

    store.write_rewards = forgetful  # type: ignore[method-assign]
    sweep_until_closed(world)


def publish_nothing(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(plan, "publish_plan", lambda context, sealed, plan_id: None)
    patch.setattr(anchor, "check_published", lambda context, sealed: None)


def the_database_is_lost_and_the_wiki_has_changed(world: World) -> None:
    do(world.first, Job.PLAN, Job.ANCHOR)
    inputs = inputs_of(world)
    state = store_of(world.first).state
    for table in (state.weeks, state.rewards, state.payouts):
        table.clear()
    state.contributions.pop(next(iter(state.contributions)))
    sweep_until_closed(world)
    assert inputs.contributed


# --- plan rows of another plan id ----------------------------------------------------------------


def read_rows_of_any_plan(patch: pytest.MonkeyPatch) -> None:
    def rows(self: FakeStore, plan_id: str, positions: range) -> Iterator[Row]:
        merged: dict[int, Row] = {}
        for stored in self.state.rewards.values():
            for position, each in stored.items():
                merged.setdefault(position, each.reward.row)
        return (merged[position] for position in positions if position in merged)

    patch.setattr(FakeStore, "rows", rows)


def a_planner_crashed_and_left_its_draft(world: World) -> None:
    rival = rival_of(world)
    store_of(rival).set_rules(min_tokens_per_user=1_650.0)
    do(rival, Job.PLAN)
    stray = store_of(rival).state.rewards
    store_of(world.first).state.rewards.update({k: dict(v) for k, v in stray.items()})
    sweep_until_closed(world)


# --- genesis -------------------------------------------------------------------------------------


def plan_without_genesis(patch: pytest.MonkeyPatch) -> None:
    for module in (plan, anchor):
        patch.setattr(module, "first_week", lambda context: WEEK)
    patch.setattr("worker.services.work.first_week", lambda context: WEEK)


def another_key_with_an_empty_database(world: World) -> None:
    sweep_until_closed(world)
    chain = chain_of(world.first)
    other = FakeChain(
        chain.ledger, source=chain.source, receipt_key="new", transfers_per_transaction=2
    )
    state = store_of(world.first).state
    for table in (state.weeks, state.rewards, state.payouts):
        table.clear()
    sweep(replace(world.first, chain=other))


SAFEGUARDS = [
    Safeguard(
        "a receipt in every payment",
        sign_payments_without_receipts,
        two_operators_pay_at_once,
        "paid twice",
    ),
    Safeguard(
        "the anchor is final",
        believe_an_anchor_at_once,
        an_anchor_is_forked_away_and_another_one_lands,
        "not closed|not the anchored one|before its plan was final",
    ),
    Safeguard(
        "rows are checked against the root",
        check_no_rows,
        somebody_edits_an_amount_in_the_database,
        "moved other amounts",
    ),
    Safeguard(
        "a single only after its batch is void",
        allow_singles_by_wallet,
        a_wallet_is_removed_and_added_again,
        "paid twice",
    ),
    Safeguard(
        "the void is final",
        believe_a_void_at_once,
        a_void_is_forked_away_after_a_single_was_paid,
        "paid twice",
    ),
    Safeguard(
        "payments are read back at finalized",
        believe_a_void_at_once,
        a_payment_is_forked_away,
        "not closed",
    ),
    Safeguard(
        "plans are read back",
        write_plans_blindly,
        the_database_loses_a_row_in_silence,
        "not closed",
    ),
    Safeguard(
        "plans are published",
        publish_nothing,
        the_database_is_lost_and_the_wiki_has_changed,
        "not closed",
    ),
    Safeguard(
        "rows belong to one plan id",
        read_rows_of_any_plan,
        a_planner_crashed_and_left_its_draft,
        "not closed",
    ),
    Safeguard(
        "genesis binds the receipt key",
        plan_without_genesis,
        another_key_with_an_empty_database,
        "is not its receipt",
    ),
]


def findings_of(scenario: Callable[[World], None]) -> str:
    """What the auditor finds after a scenario, and whether its week could be closed."""
    world = World(batch_size=2)
    world.populate(len(NAMES))
    make_genesis(world.first, WEEK)
    inputs = inputs_of(world)
    stuck = []
    try:
        scenario(world)
    except AssertionError as error:
        stuck.append(repr(error))
    world.ledger.finalize()
    return "\n".join([*stuck, *audit_world(world, inputs).findings])


@pytest.mark.parametrize("safeguard", SAFEGUARDS, ids=lambda each: each.name)
def test_with_every_safeguard_in_place_nothing_is_found(safeguard: Safeguard) -> None:
    assert findings_of(safeguard.scenario) == ""


@pytest.mark.parametrize("safeguard", SAFEGUARDS, ids=lambda each: each.name)
def test_without_a_safeguard_somebody_notices(
    safeguard: Safeguard, monkeypatch: pytest.MonkeyPatch
) -> None:
    safeguard.take_away(monkeypatch)
    with pytest.raises(AssertionError, match=safeguard.noticed):
        assert findings_of(safeguard.scenario) == ""
